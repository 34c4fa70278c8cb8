"""The centre's echo: a probe goes back as it came, to the one it came from, and nothing else is answered."""

import asyncio
from collections import Counter
from typing import cast

from wire.probe import echo_of
from wire.times import Clock

_MOST_A_SECOND = 5_000
"""From one address, behind which a whole province may sit. A room sends ten a poll."""


class Echo(asyncio.DatagramProtocol):
    """Bounded by sender, so that a forged address is not flooded by us."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._line: asyncio.DatagramTransport | None = None
        self._second, self._seen = 0, Counter[str]()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """From asyncio."""
        # Before Python 3.12 the transport that asyncio gives is none of its own DatagramTransport.
        self._line = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """From asyncio: one datagram."""
        second = int(self._clock.monotonic())
        if second != self._second:
            self._second, self._seen = second, Counter()
        self._seen[addr[0]] += 1
        answer = echo_of(data)
        if answer is not None and self._seen[addr[0]] <= _MOST_A_SECOND and self._line is not None:
            self._line.sendto(answer, addr)
