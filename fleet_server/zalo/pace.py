"""So many calls in any minute, as the account's package allows: whoever comes beyond them waits for their turn."""

import asyncio
import time
from collections import deque
from functools import lru_cache


class Pace:
    """For everybody in this process who speaks for one account."""

    def __init__(self, most: int, period_s: float = 60.0) -> None:
        self._most, self._period_s = most, period_s
        self._calls: deque[float] = deque()

    async def turn(self) -> None:
        """Returns once one more call is within the pace."""
        while True:
            now_s = time.monotonic()
            while self._calls and now_s - self._calls[0] >= self._period_s:
                self._calls.popleft()
            if len(self._calls) < self._most:
                self._calls.append(now_s)
                return
            await asyncio.sleep(self._period_s - (now_s - self._calls[0]))


@lru_cache(maxsize=16)
def pace_of(app: str, base: str, per_minute: int) -> Pace:
    """The one of an app: all channels of its account share it."""
    return Pace(per_minute)
