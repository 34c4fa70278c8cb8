"""Lets bytes pass at a rate, and counts them: what all line tests together put on the hub's line, second by second."""

import asyncio
from collections import deque

from wire.times import Clock

_WINDOW_S = 1.0
_LONGEST_SLEEP_S = 0.25


class Meter:
    """A bucket that fills at `mbit_s`; it holds no more than one write, so that no second carries more than its due."""

    def __init__(self, mbit_s: float, clock: Clock) -> None:
        self.mbit_s = mbit_s
        self._bytes_s = mbit_s * 1e6 / 8
        self._clock = clock
        self._free_s = clock.monotonic()
        self._passed: deque[tuple[float, int]] = deque()
        self._in_window = 0
        self.total_bytes = 0
        self.peak_mbit_s = 0.0

    async def passes(self, count: int) -> None:
        """Wait until so many bytes may pass, then count them."""
        now_s = self._clock.monotonic()
        starts_s = max(self._free_s, now_s)
        self._free_s = starts_s + count / self._bytes_s
        while (wait_s := starts_s - self._clock.monotonic()) > 0:
            await asyncio.sleep(min(wait_s, _LONGEST_SLEEP_S))
        self._count(count)

    @property
    def now_mbit_s(self) -> float:
        """What passed within the last second."""
        self._forget()
        return self._in_window * 8 / 1e6 / _WINDOW_S

    def _count(self, count: int) -> None:
        self._passed.append((self._clock.monotonic(), count))
        self._in_window += count
        self.total_bytes += count
        self.peak_mbit_s = max(self.peak_mbit_s, self.now_mbit_s)

    def _forget(self) -> None:
        now_s = self._clock.monotonic()
        while self._passed and self._passed[0][0] <= now_s - _WINDOW_S:
            self._in_window -= self._passed.popleft()[1]
