"""Errors of the drivers. Each of the first group is also a state of the device.

DriverError
├── NotAnswering       nobody there, or not in time
├── WrongCredentials   it is there and refuses us
├── WrongClock         it refuses us because its clock or ours is far off
├── BadAnswer          it said something that its protocol does not have
├── StaleAnswer        whoever speaks for it has lost it
├── Misconfigured      our settings cannot be right
└── ActFailed          an action was begun and did not have its effect
    └── NotOffered     the device does not have this action
"""

from typing import ClassVar

from wire.fields import Value
from wire.messages import DeviceState


class DriverError(Exception):
    """Something between us and the equipment; the text says what happened, to what, and what to do."""

    state: ClassVar[DeviceState] = "not_answering"


class NotAnswering(DriverError):
    """Nobody answers at the address, or not before the deadline."""


class WrongCredentials(DriverError):
    """The equipment refuses user name or password."""

    state = "wrong_credentials"


class WrongClock(DriverError):
    """The equipment refuses our time stamp: set its clock, not its password."""

    state = "wrong_clock"


class BadAnswer(DriverError):
    """The answer is not what the protocol allows."""

    state = "bad_answer"


class StaleAnswer(DriverError):
    """The answer is old: the go-between has lost the equipment."""

    state = "stale_answer"


class Misconfigured(DriverError):
    """The settings name something that cannot be."""

    state = "misconfigured"


class ActFailed(DriverError):
    """An action did not have its effect. `reason` is a text key, `params` fill it."""

    def __init__(self, reason: str, **params: Value) -> None:
        super().__init__(f"{reason} {params}" if params else reason)
        self.reason = reason
        self.params = params


class NotOffered(ActFailed):
    """The device does not have the action."""

    def __init__(self, action: str) -> None:
        super().__init__("not_offered", action=action)
