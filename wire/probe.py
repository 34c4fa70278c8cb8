"""How a room measures its line to the centre: datagrams that come back as they were, and two streams of bytes.

An echo is never longer than what asked for it, so the centre cannot be used to multiply somebody's traffic.
"""

import os

ECHO_BYTES = 64
_MAGIC = b"DCE1"
_NONCE_BYTES = 8

STREAM_BYTES = 16_384
"""How much is written or read at a time."""
SECONDS_HEADER = "X-Probe-Seconds"
"""How long the centre means to send; a stream that ends much earlier was cut."""
LONGEST_S = 10.0
"""No stream lasts longer, whatever was announced."""


def probe(nonce: bytes, number: int) -> bytes:
    """The datagram of a measurement with this number."""
    head = _MAGIC + nonce + number.to_bytes(2)
    return head.ljust(ECHO_BYTES, b"\0")


def new_nonce() -> bytes:
    """Tells one measurement's datagrams from another's."""
    return os.urandom(_NONCE_BYTES)


def number_of(datagram: bytes, nonce: bytes) -> int | None:
    """Which of a measurement's datagrams came back; None for anything else."""
    if not is_probe(datagram) or datagram[4 : 4 + _NONCE_BYTES] != nonce:
        return None
    return int.from_bytes(datagram[4 + _NONCE_BYTES : 6 + _NONCE_BYTES])


def is_probe(datagram: bytes) -> bool:
    """Whether the centre may send it back."""
    return len(datagram) == ECHO_BYTES and datagram.startswith(_MAGIC)


def stream_path(ticket: str, way: str) -> str:
    """Where a room with a ticket takes (`down`) or brings (`up`) bytes, under the centre's address."""
    return f"/api/v1/line-probes/{ticket}/{way}"
