"""A change that goes through the fleet in waves: one room, 5 %, 25 %, all; it stops where rooms suffer. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil

from msgspec import Struct
from msgspec.structs import replace

WAVES = (0.0, 0.05, 0.25, 1.0)
"""Parts of the fleet; the first wave is one room, the canary."""
WATCHED = timedelta(minutes=2)
"""A room that has taken the change is watched for so long before its wave may count as over."""
GIVEN_UP = timedelta(hours=6)
"""A room that has said nothing since it was offered the change is waited for no longer."""


class Step(StrEnum):
    """How far one room is."""

    WAITING = "waiting"
    OFFERED = "offered"
    TAKEN = "taken"
    BACK = "back"
    """It tried and went back by itself."""
    AWAY = "away"
    """It was out of reach; the offer stands, and nobody waits for it."""


class State(StrEnum):
    """How a campaign is."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"


class WaveRoom(Struct, frozen=True):
    """One room of a campaign."""

    site: str
    wave: int
    step: Step = Step.WAITING
    before: int = 0
    """How ready it was when it was offered the change; higher is better."""
    since: datetime | None = None
    """Of the step."""
    detail: str = ""


class Facts(Struct, frozen=True):
    """What is known of a room now."""

    rank: int
    """How ready it is; higher is better."""
    is_away: bool = False
    is_busy: bool = False
    """In a session, or soon."""
    has_taken: bool = False
    went_back: str = ""
    """Why, where it did."""


class Turn(Struct, frozen=True):
    """What becomes of a campaign now."""

    changed: tuple[WaveRoom, ...]
    state: State
    why: str = ""
    """The site that stopped it."""


def planned(sites: Sequence[str]) -> list[WaveRoom]:
    """Each room's wave; whoever is named first goes first."""
    ends = [max(1, ceil(len(sites) * part)) for part in WAVES]
    return [WaveRoom(site, next(wave for wave, end in enumerate(ends) if nr < end)) for nr, site in enumerate(sites)]


def turn_of(rooms: Iterable[WaveRoom], facts: Mapping[str, Facts], now: datetime) -> Turn:
    """Rooms go on by what is known of them; the next wave begins when this one is over and none of it has suffered."""
    after = {room.site: _after(room, facts.get(room.site), now) for room in rooms}
    changed = {room.site: after[room.site] for room in rooms if after[room.site] != room}
    for room in after.values():
        known = facts.get(room.site)
        if room.step is Step.BACK:
            return Turn(tuple(changed.values()), State.STOPPED, room.site)
        if room.step is Step.TAKEN and known is not None and known.rank < room.before and _is_watched_out(room, now):
            return Turn(tuple(changed.values()), State.STOPPED, room.site)
    open_waves = [room.wave for room in after.values() if not _is_over(room, now)]
    if not open_waves:
        return Turn(tuple(changed.values()), State.DONE)
    for room in after.values():
        known = facts.get(room.site)
        if room.wave == min(open_waves) and room.step is Step.WAITING and known is not None and not known.is_busy:
            step = Step.AWAY if known.is_away else Step.OFFERED
            changed[room.site] = replace(room, step=step, before=known.rank, since=now)
    return Turn(tuple(changed.values()), State.RUNNING)


def _after(room: WaveRoom, known: Facts | None, now: datetime) -> WaveRoom:
    if known is None or room.step not in (Step.OFFERED, Step.AWAY):
        return room
    if known.went_back:
        return replace(room, step=Step.BACK, since=now, detail=known.went_back[:200])
    if known.has_taken:
        return replace(room, step=Step.TAKEN, since=now)
    if room.step is Step.OFFERED and room.since is not None and now - room.since >= GIVEN_UP:
        return replace(room, step=Step.AWAY, since=now)
    return room


def _is_watched_out(room: WaveRoom, now: datetime) -> bool:
    return room.since is not None and now - room.since >= WATCHED


def _is_over(room: WaveRoom, now: datetime) -> bool:
    return room.step is Step.AWAY or (room.step is Step.TAKEN and _is_watched_out(room, now))
