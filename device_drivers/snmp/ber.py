"""Whether a datagram has the shape of an SNMP message, before any decoder follows the lengths that it claims.

SNMP uses the definite form of lengths alone (RFC 3417, section 8). A decoder that believes an indefinite or a too long
one may read the same bytes for ever.
"""

_SEQUENCE, _OCTETS = 0x30, 0x04
_CONSTRUCTED, _LONG_TAG = 0x20, 0x1F
_DEEPEST = 12
_V3 = b"\x03"
_SECURITY = 2
"""In a message of version 3 the third part, of octets, holds BER of its own (RFC 3412, section 6)."""


def is_sound(packet: bytes) -> bool:
    """One sequence, and in it nothing that reaches beyond what holds it."""
    parts = _parts(packet, 0, len(packet))
    if not parts or parts[0][0] != _SEQUENCE or not _holds(packet, parts[0][1], parts[0][2], 1):
        return False
    message = _parts(packet, parts[0][1], parts[0][2]) or []
    if len(message) <= _SECURITY or packet[message[0][1] : message[0][2]] != _V3:
        return True
    tag, start, end = message[_SECURITY]
    return tag == _OCTETS and _holds(packet, start, end, 1)


def _holds(packet: bytes, start: int, end: int, depth: int) -> bool:
    parts = _parts(packet, start, end)
    if parts is None or depth > _DEEPEST:
        return False
    return all(_holds(packet, first, last, depth + 1) for tag, first, last in parts if tag & _CONSTRUCTED)


def _parts(packet: bytes, start: int, end: int) -> list[tuple[int, int, int]] | None:
    """Tag, and begin and end of the content, of each part from `start` to `end`; None where they do not fill it."""
    found = []
    while start < end:
        tag = packet[start]
        length, content = _length(packet, start + 1, end)
        if tag & _LONG_TAG == _LONG_TAG or length < 0 or content + length > end:
            return None
        found.append((tag, content, content + length))
        start = content + length
    return found


def _length(packet: bytes, at: int, end: int) -> tuple[int, int]:
    """A length and where its content begins; -1 for one that is cut off or not definite."""
    if at >= end:
        return -1, at
    first = packet[at]
    if first < 0x80:
        return first, at + 1
    octets = first & 0x7F
    if not 0 < octets <= 4 or at + 1 + octets > end:
        return -1, at
    return int.from_bytes(packet[at + 1 : at + 1 + octets], "big"), at + 1 + octets
