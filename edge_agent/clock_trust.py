"""May this machine's clock be believed? Measured by the centre's signed answers, carried on by the monotonic clock.

An acknowledgement names an entry of our log, so it was made after that entry: the moment in it lies between the entry
and the acknowledgement's arrival, both by the monotonic clock, which nobody can set. From then on the centre's time is
known, whatever is done to the wall clock.
"""

from collections import deque
from datetime import datetime, timedelta

from msgspec import Struct

from wire.times import Clock

MAY_DIFFER_S = 60.0
_LONGEST_ANSWER_S = 30.0
"""An answer that took longer says too little."""
_MOST_ASKED = 256


class Anchor(Struct, frozen=True):
    """The centre's time at one moment of the monotonic clock, to within `spread_s`."""

    at: datetime
    heard_s: float
    spread_s: float


class ClockTrust:
    """Used by the inbox and the log's sender; a deque makes that safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked: deque[tuple[int, float]] = deque(maxlen=_MOST_ASKED)
        self._anchor: Anchor | None = None
        self._first = 0

    @property
    def is_measured(self) -> bool:
        """Whether the centre has answered us since we were started."""
        return self._anchor is not None

    def begins(self, n: int) -> None:
        """Entry `n` is the first of this life: an answer to an earlier one may have been given before it."""
        self._first = n

    def asked(self, n: int) -> None:
        """Entry `n` of the log goes out for the first time, or again."""
        if n < self._first:
            return
        if not self._asked or self._asked[-1][0] < n:
            self._asked.append((n, self._clock.monotonic()))

    def answered(self, through: int, at: datetime) -> None:
        """The centre has signed, at `at`, that it has all entries through this one."""
        now_s = self._clock.monotonic()
        asked_s = None
        while self._asked and self._asked[0][0] <= through:
            asked_s = self._asked.popleft()[1]
        if asked_s is not None and now_s - asked_s <= _LONGEST_ANSWER_S:
            self._anchor = Anchor(at, now_s, now_s - asked_s)

    def time(self) -> datetime | None:
        """The centre's time now, whatever this machine's clock says; None before it was measured."""
        if self._anchor is None:
            return None
        return self._anchor.at + timedelta(seconds=self._clock.monotonic() - self._anchor.heard_s)

    def is_trusted(self) -> bool:
        """Whether the wall clock agrees with the centre's to a minute."""
        time = self.time()
        if self._anchor is None or time is None:
            return False
        apart_s = abs((self._clock.now() - time).total_seconds())
        return apart_s <= MAY_DIFFER_S + self._anchor.spread_s
