"""Who may measure their line now. The hub's line is one for all, so tests wait for their turn.

A few at a time within a share of the hub's line; none while a session is live, unless a person asked for one room.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

_HEADROOM = 1.2
"""A test may take a little more than the contract, so that it can be seen to be met."""
_USUAL_MBIT_S = 5.0


class LineTestState(StrEnum):
    """Where a line test is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    CUT = "cut"
    FAILED = "failed"


ENDED = frozenset({LineTestState.DONE, LineTestState.CUT, LineTestState.FAILED})


class LineTest(Struct, frozen=True):
    """One room's test, from its asking to its end."""

    id: str
    site: str
    by: str
    asked_at: datetime
    one_room: bool
    """A person asked for this room alone."""
    state: LineTestState = LineTestState.WAITING
    command: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    down_mbit_s: float | None = None
    up_mbit_s: float | None = None
    method: str = ""
    detail: str = ""
    """Why it ended without a result: a text key."""


def rate_of(contract_mbit_s: float | None, share_mbit_s: float) -> float:
    """How much of the hub's line a test may take at most."""
    return min((contract_mbit_s or _USUAL_MBIT_S) * _HEADROOM, share_mbit_s)


def admitted(
    waiting: Sequence[LineTest], running: Iterable[float], rates: Sequence[float], share_mbit_s: float, live: bool
) -> list[LineTest]:
    """Those of the waiting, in their order, that may begin beside the running rates; nobody is overtaken by a bulk."""
    left = share_mbit_s - sum(running)
    begin = []
    for test, rate in sorted(zip(waiting, rates, strict=True), key=lambda pair: not pair[0].one_room):
        if live and not test.one_room:
            continue
        if rate > left + 1e-9:
            break
        left -= rate
        begin.append(test)
    return begin


def must_yield(test: LineTest, live: bool) -> bool:
    """Whether a running test must be cut now."""
    return live and not test.one_room


def turn_of(test: LineTest, waiting: Sequence[LineTest]) -> int:
    """How many are before it, and itself: 1 is the next; 0 when it does not wait."""
    order = sorted(waiting, key=lambda other: not other.one_room)
    return next((number for number, other in enumerate(order, start=1) if other.id == test.id), 0)
