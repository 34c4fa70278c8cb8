"""Round trips of a handful of datagrams to the centre and back."""

import socket
import time
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median

from msgspec import Struct

from device_drivers.errors import NotAnswering
from wire.probe import ECHO_BYTES, new_nonce, number_of, probe


class Trips(Struct, frozen=True):
    """What a measurement found."""

    latency_ms: float
    jitter_ms: float
    loss_percent: float


def ask(centre: tuple[str, int], count: int, gap_s: float, timeout_s: float) -> list[float | None]:
    """Send `count` datagrams, `gap_s` apart, and wait for them: seconds in the order of sending, None for a lost one.

    Raises NotAnswering when none comes back.
    """
    where = f"centre {centre[0]}:{centre[1]}"
    nonce = new_nonce()
    sent_s: dict[int, float] = {}
    trips_s: dict[int, float] = {}
    try:
        family, kind, _, _, address = socket.getaddrinfo(*centre, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as line:
            line.connect(address)
            for number in range(count):
                sent_s[number] = time.monotonic()
                line.send(probe(nonce, number))
                _hear(line, nonce, sent_s, trips_s, until_s=sent_s[number] + gap_s, most=count)
            _hear(line, nonce, sent_s, trips_s, until_s=time.monotonic() + timeout_s, most=count)
    except OSError as error:
        raise NotAnswering(
            f"{where}: no echo (UDP); is the port open on the way? ({error.strerror or error})"
        ) from error
    if not trips_s:
        raise NotAnswering(f"{where}: none of {count} datagrams came back (UDP); is the port open on the way?")
    return [trips_s.get(number) for number in range(count)]


def trips_of(found_s: Sequence[float | None]) -> Trips:
    """Numbers of round trips in the order of sending, None for a lost one; at least one came back. Pure."""
    back = [trip for trip in found_s if trip is not None]
    moves = [abs(later - earlier) for earlier, later in pairwise(back)]
    return Trips(
        latency_ms=round(median(back) * 1000, 1),
        jitter_ms=round(fmean(moves) * 1000, 1) if moves else 0.0,
        loss_percent=round(100 * (1 - len(back) / len(found_s)), 1),
    )


def _hear(
    line: socket.socket, nonce: bytes, sent_s: dict[int, float], trips_s: dict[int, float], *, until_s: float, most: int
) -> None:
    while len(trips_s) < most and (left_s := until_s - time.monotonic()) > 0:
        line.settimeout(left_s)
        try:
            number = number_of(line.recv(ECHO_BYTES + 1), nonce)
        except TimeoutError:
            return
        if number is not None and number in sent_s:
            trips_s.setdefault(number, time.monotonic() - sent_s[number])
