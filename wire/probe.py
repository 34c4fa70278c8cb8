"""How a room measures its line to the centre: datagrams that come back, and two streams of bytes.

An echo is never longer than what asked for it, so the centre cannot be used to multiply somebody's traffic.
"""

import os

ECHO_BYTES = 64
_ASKED, _ANSWERED = b"DCE1", b"DCE2"
_NONCE_BYTES = 8

STREAM_BYTES = 16_384
"""How much is written or read at a time."""
SECONDS_HEADER = "X-Probe-Seconds"
"""How long the centre means to send; a stream that ends much earlier was cut."""
LONGEST_S = 10.0
"""No stream lasts longer, whatever was announced."""


def probe(nonce: bytes, number: int) -> bytes:
    """The datagram of a measurement with this number."""
    head = _ASKED + nonce + number.to_bytes(2)
    return head.ljust(ECHO_BYTES, b"\0")


def new_nonce() -> bytes:
    """Tells one measurement's datagrams from another's."""
    return os.urandom(_NONCE_BYTES)


def number_of(datagram: bytes, nonce: bytes) -> int | None:
    """Which of a measurement's datagrams came back; None for anything else."""
    is_answer = len(datagram) == ECHO_BYTES and datagram.startswith(_ANSWERED)
    if not is_answer or datagram[4 : 4 + _NONCE_BYTES] != nonce:
        return None
    return int.from_bytes(datagram[4 + _NONCE_BYTES : 6 + _NONCE_BYTES])


def echo_of(datagram: bytes) -> bytes | None:
    """What the centre sends back; None for anything but a probe. An echo is none, so that two centres never talk."""
    if len(datagram) != ECHO_BYTES or not datagram.startswith(_ASKED):
        return None
    return _ANSWERED + datagram[len(_ASKED) :]


def stream_path(ticket: str, way: str) -> str:
    """Where a room with a ticket takes (`down`) or brings (`up`) bytes, under the centre's address."""
    return f"/api/v1/line-probes/{ticket}/{way}"
