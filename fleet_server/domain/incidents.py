"""The life of an incident: opened after a while, worsened, cleared by a lasting pass, opened again. Pure; times are
seconds since the epoch."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from fleet_server.domain.causes import Cause, Found
from fleet_server.domain.findings import Outcome
from fleet_server.domain.readiness import NEVER
from fleet_server.domain.setbacks import Key

REMEMBERS_S = 1_200.0
"""What comes back sooner is the same incident, and so far back spells are counted."""
FLAPS_AT = 3
"""So many spells within that time are flapping: it clears only after a longer rest."""
_FLAPPING_RESTS = 5.0
_RANK = {Outcome.WARN: 1, Outcome.UNKNOWN: 2, Outcome.FAIL: 3}


class Happening(StrEnum):
    """What becomes of an incident."""

    OPENED = "opened"
    WORSENED = "worsened"
    REOPENED = "reopened"
    CLEARED = "cleared"


class Timing(Struct, frozen=True):
    """How long a cause must last to be told of, and a pass to be believed."""

    open_s: float = 20.0
    clear_s: float = 60.0


class Watched(Struct, frozen=True):
    """One cause of one room, from its first sight until it is forgotten."""

    cause: Cause
    is_open: bool = False
    bad_since: float | None = None
    good_since: float | None = None
    spells: tuple[float, ...] = ()
    """When it turned bad, within the last twenty minutes."""
    cleared_at: float | None = None
    """Of an incident that may still come back."""

    @property
    def flaps(self) -> bool:
        """It comes and goes."""
        return len(self.spells) >= FLAPS_AT


class Turn(Struct, frozen=True):
    """What a moment makes of the causes of one room."""

    watched: Mapping[Key, Watched]
    happened: tuple[tuple[Happening, Key], ...]
    changes_at: float
    """When time alone will change something; NEVER where it will not."""


TimingOf = Callable[[Key], Timing]


def turn_of(watched: Mapping[Key, Watched], found: Found, now: float, timing: TimingOf) -> Turn:
    """One look at a room. An unknown clears nothing; what a greater cause explains stays as it was.

    What nobody asks any more, of a device or a room that is no more, is as if it were well.
    """
    after: dict[Key, Watched] = {}
    happened: list[tuple[Happening, Key]] = []
    changes_at = NEVER
    for key in watched.keys() | found.causes.keys():
        known, cause = watched.get(key), found.causes.get(key)
        is_well = key in found.well or (found.asked is not None and key not in found.asked)
        if cause is not None:
            seen = _turned_bad(known, cause, now)
        elif known is not None:
            seen = _turned_good(known, now) if is_well else known
        else:
            continue
        seen = replace(seen, spells=tuple(at for at in seen.spells if now - at < REMEMBERS_S))
        if known is not None and cause is not None and known.is_open and _rank(cause) > _rank(known.cause):
            happened.append((Happening.WORSENED, key))
        seen, what, due = _moved(seen, cause is not None, is_well and cause is None, now, timing(key))
        if what is not None:
            happened.append((what, key))
        changes_at = min(changes_at, due)
        if not _is_forgotten(seen, now):
            after[key] = seen
    return Turn(after, tuple(sorted(happened)), changes_at)


def _moved(
    seen: Watched, is_bad: bool, is_well: bool, now: float, times: Timing
) -> tuple[Watched, Happening | None, float]:
    """Opened once it has lasted, cleared once it has been well for long enough; else when that will be."""
    if is_bad and not seen.is_open and seen.bad_since is not None:
        if now - seen.bad_since < times.open_s and not seen.flaps:
            return seen, None, seen.bad_since + times.open_s
        again = seen.cleared_at is not None
        opened = replace(seen, is_open=True, cleared_at=None)
        return opened, Happening.REOPENED if again else Happening.OPENED, NEVER
    if is_well and seen.is_open and seen.good_since is not None:
        rests_until = seen.good_since + times.clear_s * (_FLAPPING_RESTS if seen.flaps else 1.0)
        if now < rests_until:
            return seen, None, rests_until
        return replace(seen, is_open=False, cleared_at=now), Happening.CLEARED, NEVER
    return seen, None, NEVER


def _turned_good(known: Watched, now: float) -> Watched:
    return replace(known, bad_since=None, good_since=known.good_since if known.good_since is not None else now)


def _turned_bad(known: Watched | None, cause: Cause, now: float) -> Watched:
    if known is None:
        return Watched(cause, bad_since=now, spells=(now,))
    if known.bad_since is not None:
        worse = cause if _rank(cause) >= _rank(known.cause) or not known.is_open else _with_worst(known.cause, cause)
        return replace(known, cause=worse)
    return replace(known, cause=cause, bad_since=now, good_since=None, spells=(*known.spells, now))


def _with_worst(before: Cause, now: Cause) -> Cause:
    """What it says now, and the worst that it was: an incident does not become milder before it is cleared."""
    return replace(now, outcome=before.outcome, counts=before.counts or now.counts)


def _is_forgotten(seen: Watched, now: float) -> bool:
    if seen.is_open or seen.bad_since is not None or seen.spells:
        return False
    return seen.cleared_at is None or now - seen.cleared_at >= REMEMBERS_S


def _rank(cause: Cause) -> int:
    return _RANK.get(cause.outcome, 0) + (3 if cause.counts else 0)
