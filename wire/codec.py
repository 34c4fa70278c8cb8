"""Bytes to messages and back. Any bytes become a message or a WireError, within bounds of size and depth."""

import hashlib
from itertools import pairwise
from typing import TypeVar, get_args

import msgspec

from wire.errors import TooLarge, Unreadable
from wire.messages import About, Config, LogBatch, Message, Report
from wire.topics import Kind

MAX_MESSAGE_BYTES = 65_536
MAX_READINGS = 2_048
"""Of a report: more than any 64 devices have, which is as many as a room watches."""

_DECODERS: dict[Kind, msgspec.json.Decoder[Message]] = {
    message.kind: msgspec.json.Decoder(message) for message in get_args(Message)
}
_ENCODER = msgspec.json.Encoder()
_M = TypeVar("_M", bound=Message)


def encode(message: Message) -> bytes:
    """The message as JSON. Raises TooLarge when nobody would read it."""
    payload = _ENCODER.encode(message)
    if len(payload) > MAX_MESSAGE_BYTES:
        raise TooLarge(
            f"{message.kind} of {len(payload)} bytes, {MAX_MESSAGE_BYTES} allowed: fewer devices or readings"
        )
    return payload


def decode(kind: Kind, payload: bytes) -> Message:
    """The message in the payload. Raises Unreadable or TooLarge, and nothing else."""
    if len(payload) > MAX_MESSAGE_BYTES:
        raise TooLarge(f"{kind} of {len(payload)} bytes, {MAX_MESSAGE_BYTES} allowed")
    try:
        message = _DECODERS[kind].decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError, OverflowError) as error:
        raise Unreadable(f"{kind}: {error}"[:300]) from error
    if isinstance(message, Report):
        _bound_report(message)
    elif isinstance(message, About):
        _unique(message.kind, [device.id for device in message.devices])
    elif isinstance(message, LogBatch):
        _in_order(message)
    return message


def decode_as(message: type[_M], payload: bytes) -> _M:
    """`decode` for a caller that knows which message it expects."""
    decoded = decode(message.kind, payload)
    assert isinstance(decoded, message)
    return decoded


def revision_of(parts: object) -> str:
    """A short hash that changes when the parts do; equal parts give equal revisions on every machine."""
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:16]


def config_revision(config: Config) -> str:
    """The revision of what a configuration says, whenever and to whom it is said."""
    told = msgspec.structs.asdict(config)
    return revision_of({name: value for name, value in told.items() if name not in ("revision", "at", "site")})


def _bound_report(report: Report) -> None:
    if sum(len(device.readings) for device in report.devices) > MAX_READINGS:
        raise TooLarge(f"report with more than {MAX_READINGS} readings")
    _unique(report.kind, [device.id for device in report.devices])


def _unique(kind: Kind, names: list[str]) -> None:
    if len(set(names)) != len(names):
        raise Unreadable(f"{kind}: a device stands in it twice")


def _in_order(batch: LogBatch) -> None:
    numbers = [entry.n for entry in batch.entries]
    if any(later <= earlier for earlier, later in pairwise(numbers)) or numbers[0] < batch.from_:
        raise Unreadable("log: its entries are not in order")
