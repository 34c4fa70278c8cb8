"""Errors of the wire.

WireError
├── Unreadable       bytes that are not a message of the contract
├── TooLarge         a message beyond the bounds of the contract
└── UnknownTopic     a topic that the contract does not have
"""


class WireError(Exception):
    """Something on the wire does not follow the contract; `key` names the reason, the text explains it."""

    key = "wire.error"


class Unreadable(WireError):
    """The bytes are no message of the expected kind."""

    key = "wire.unreadable"


class TooLarge(WireError):
    """The message is larger than the contract allows."""

    key = "wire.too_large"


class UnknownTopic(WireError):
    """The topic is not one of ours."""

    key = "wire.unknown_topic"
