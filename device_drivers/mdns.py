"""Questions to multicast DNS, and the services that answers name (RFC 6762; records: RFC 1035, RFC 2782). Pure.

A library for all of DNS would cost a running agent some megabytes, for paho takes it along wherever it finds it.
"""

from collections.abc import Iterator

from msgspec import Struct

_PTR, _SRV, _IN = 12, 33, 1
_HEAD_BYTES, _RECORD_BYTES = 12, 10
_MOST_RECORDS = 128


class Named(Struct, frozen=True):
    """One instance of a service and the port that it names."""

    instance: str
    port: int


def question(service: str) -> bytes:
    """Who offers a service such as `_axis-video._tcp.local`? Asked once, answered to the asker (RFC 6762, 5.1)."""
    labels = b"".join(bytes((len(label),)) + label.encode() for label in service.split("."))
    return bytes((0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)) + labels + b"\0" + _PTR.to_bytes(2) + _IN.to_bytes(2)


def named_in(answer: bytes, service: str) -> list[Named]:
    """The instances of a service in an answer; nothing in bytes that are none."""
    try:
        return list(_named(answer, f".{service.lower()}"))
    except (IndexError, ValueError, UnicodeDecodeError):
        return []


def _named(answer: bytes, ending: str) -> Iterator[Named]:
    if len(answer) < _HEAD_BYTES:
        return
    questions, *records = (int.from_bytes(answer[at : at + 2]) for at in range(4, _HEAD_BYTES, 2))
    at = _HEAD_BYTES
    for _ in range(min(questions, _MOST_RECORDS)):
        at = _name(answer, at)[1] + 4
    for _ in range(min(sum(records), _MOST_RECORDS)):
        name, at = _name(answer, at)
        if len(answer) < at + _RECORD_BYTES:
            return
        kind, size = int.from_bytes(answer[at : at + 2]), int.from_bytes(answer[at + 8 : at + _RECORD_BYTES])
        at += _RECORD_BYTES
        if kind == _SRV and size >= 7 and len(answer) >= at + size and name.lower().endswith(ending):
            yield Named(name[: -len(ending)], int.from_bytes(answer[at + 4 : at + 6]))
        at += size


def _name(packet: bytes, at: int) -> tuple[str, int]:
    """A name, which may go on elsewhere in the packet (RFC 1035, 4.1.4), and where the next field starts."""
    labels: list[str] = []
    after: int | None = None
    for _ in range(_MOST_RECORDS):
        size = packet[at]
        if size >= 0xC0:
            after = at + 2 if after is None else after
            target = (size & 0x3F) << 8 | packet[at + 1]
            if target >= at:
                raise ValueError("a name that points forward")
            at = target
        elif size:
            labels.append(packet[at + 1 : at + 1 + size].decode("utf-8"))
            at += 1 + size
        else:
            return ".".join(labels), at + 1 if after is None else after
    raise ValueError("a name without an end")
