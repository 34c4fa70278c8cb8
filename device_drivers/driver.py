"""What a driver promises."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from typing import Any, ClassVar, Protocol

from msgspec import Struct

from device_drivers.errors import NotOffered
from wire.description import ActionSpec
from wire.fields import Params, Value
from wire.times import Clock


class Identity(Struct, frozen=True):
    """What the equipment says it is; empty where it says nothing."""

    make: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""


class Observation(Struct, frozen=True):
    """The equipment at one moment. A reading that could not be had is None, never a made-up value."""

    seen_s: float
    """Monotonic time of the observation."""
    readings: Mapping[str, Value]
    identity: Identity = Identity()
    actions: tuple[ActionSpec, ...] = ()
    """The actions that this very device offers now."""
    older: Mapping[str, float] = {}
    """Monotonic time of those readings that are older than the observation."""


class Sighting(Struct, frozen=True):
    """A reading of another device of the room."""

    value: Value
    seen_s: float


Neighbour = Callable[[str, str], Sighting | None]
"""Device and reading key -> its newest value; None where there is none."""


def _alone(device: str, key: str) -> Sighting | None:
    return None


def _no_image(sha256: str) -> Path | None:
    return None


def _unseen() -> None:
    return None


class Progress(Protocol):
    """Called by a driver at each step of an act, with a text key and its parameters."""

    def __call__(self, detail: str, **params: Value) -> None: ...


class Driver(ABC):
    """One piece of equipment. Not thread-safe: one thread at a time calls it.

    Every call ends within the deadline that its settings give, or raises a DriverError.
    """

    Settings: ClassVar[type[Struct]]
    """What the room's configuration may say about such a device."""
    watches: ClassVar[bool] = False
    """Whether `watch` is worth a thread."""

    def __init__(self, settings: Any, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.neighbour: Neighbour = _alone
        """Set by whoever puts the room together, for drivers that rest on what another device observes."""
        self.image: Callable[[str], Path | None] = _no_image
        """The file of a firmware image by its SHA-256, once it is here and was found to be signed."""
        self.breathe: Callable[[], None] = _unseen
        """Called now and then by an act that takes minutes and leaves the device as it is: it is observed meanwhile."""

    @abstractmethod
    def observe(self) -> Observation:
        """Look at the equipment. Raises DriverError."""

    def act(self, action: str, params: Params, progress: Progress) -> Params:
        """Do one of the offered actions and prove its effect; what was measured is the result.

        Raises NotOffered, ActFailed when the effect did not come, DriverError when the equipment is out of reach.
        """
        raise NotOffered(action)

    def cuts(self, action: str, params: Params) -> str | None:
        """The outlet that an act takes power from, `ALL_OUTLETS`, or None for an act that takes none."""

    def gives(self, action: str) -> bool:
        """Whether the load has power again when an act that cuts has succeeded."""
        return True

    def mark(self, action: str, params: Params) -> str | None:
        """Kept before an act that may not see its end: for `proved` and `give_back` after the next start."""

    def proved(self, action: str, mark: str) -> Params | None:
        """After a restart: the result of the act that `mark` was made for, or None when nothing proves it."""

    def give_back(self, action: str, mark: str) -> None:
        """After a start: what an act had taken when we were stopped in it. Raises as `act` does, and is asked again."""

    def watch(self, stop: Event, wake: Callable[[], None]) -> None:
        """Run until `stop`; call `wake` whenever the equipment itself says that something changed."""

    def close(self) -> None:
        """Let go of sockets and files."""


ALL_OUTLETS = "*"
GONE = "gone"
"""The progress detail by which an act says that the equipment is out of reach for now, as it should be."""
