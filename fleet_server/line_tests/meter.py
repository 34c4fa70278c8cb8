"""Lets bytes pass at a rate, and counts them: what all line tests together put on the hub's line, second by second."""

import asyncio
from collections import deque

from wire.probe import STREAM_BYTES
from wire.times import Clock

_WINDOW_S = 1.0
_SHORTEST_SLEEP_S, _LONGEST_SLEEP_S = 0.001, 0.25


class Meter:
    """A bucket that fills at `mbit_s` and holds one write. No second carries more, however late somebody wakes; only a
    single write of more than a second's worth passes alone."""

    def __init__(self, mbit_s: float, clock: Clock) -> None:
        self.mbit_s = mbit_s
        self._bytes_s = mbit_s * 1e6 / 8
        self._clock = clock
        self._free_s = clock.monotonic()
        self._turn = asyncio.Lock()
        self._passed: deque[tuple[float, int]] = deque()
        self._in_window = 0
        self.total_bytes = 0
        self.peak_mbit_s = 0.0

    def limit(self, mbit_s: float) -> None:
        """From now on so much passes at most."""
        self.mbit_s, self._bytes_s = mbit_s, mbit_s * 1e6 / 8

    async def passes(self, count: int) -> None:
        """Wait until so many bytes have passed, a write at a time, each behind whoever waits already."""
        while count > 0:
            write = min(count, STREAM_BYTES)
            await self._passes(write)
            count -= write

    @property
    def now_mbit_s(self) -> float:
        """What passed within the last second."""
        self._forget()
        return self._in_window * 8 / 1e6 / _WINDOW_S

    async def _passes(self, count: int) -> None:
        async with self._turn:
            while (wait_s := self._wait_s(count)) > 0:
                await asyncio.sleep(min(wait_s, _LONGEST_SLEEP_S))
            takes_s = count / self._bytes_s
            # Who woke late may catch up by one write.
            self._free_s = max(self._free_s, self._clock.monotonic() - takes_s) + takes_s
            self._count(count)

    def _wait_s(self, count: int) -> float:
        """Until the bucket has filled, and until the last second has room."""
        self._forget()
        now_s = self._clock.monotonic()
        wait_s = self._free_s - now_s
        if self._passed and self._in_window + count > self._bytes_s * _WINDOW_S:
            wait_s = max(wait_s, self._passed[0][0] + _WINDOW_S - now_s, _SHORTEST_SLEEP_S)
        return wait_s

    def _count(self, count: int) -> None:
        self._passed.append((self._clock.monotonic(), count))
        self._in_window += count
        self.total_bytes += count
        self.peak_mbit_s = max(self.peak_mbit_s, self.now_mbit_s)

    def _forget(self) -> None:
        now_s = self._clock.monotonic()
        while self._passed and self._passed[0][0] <= now_s - _WINDOW_S:
            self._in_window -= self._passed.popleft()[1]
