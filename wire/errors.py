"""Errors of the wire.

WireError
├── Unreadable       bytes that are not a message of the contract
├── TooLarge         a message beyond the bounds of the contract
├── UnknownTopic     a topic that the contract does not have
├── NotSealedForUs   a secret that this machine's key does not open
├── NoSealingKey     a key to which nothing can be sealed
└── NotAuthentic     what a room is told, but not by its centre
    ├── Unsigned         it bears no signature
    ├── UnknownKey       signed by a key that the room has not pinned
    ├── WrongSignature   changed after it was signed
    └── NotForUs         said by the centre, but to another site, to another life of the agent, or long ago
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


class NoSealingKey(WireError):
    """Nothing can be sealed to this key."""

    key = "wire.no_sealing_key"


class NotAuthentic(WireError):
    """The centre has not said this."""

    key = "wire.not_authentic"


class Unsigned(NotAuthentic):
    """There is no signature."""

    key = "wire.unsigned"


class UnknownKey(NotAuthentic):
    """The key that signed is not one of those pinned."""

    key = "wire.unknown_key"


class WrongSignature(NotAuthentic):
    """The bytes are not those that were signed."""

    key = "wire.wrong_signature"


class NotForUs(NotAuthentic):
    """The centre has said it, but not to us as we are now; `reason` says how."""

    key = "wire.not_for_us"

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class NotSealedForUs(WireError):
    """A secret that was sealed to another key, or as another secret."""

    key = "wire.not_sealed_for_us"
