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


Unit = tuple[str, str]
"""What is changed as one: a site, and one device of it; empty where it is the room itself."""


class WaveRoom(Struct, frozen=True):
    """One room of a campaign, or one device of a room."""

    site: str
    wave: int
    step: Step = Step.WAITING
    before: int = 0
    """How ready it was when it was offered the change; higher is better."""
    since: datetime | None = None
    """Of the step."""
    detail: str = ""
    device: str = ""

    @property
    def unit(self) -> Unit:
        """By what it is told from others."""
        return self.site, self.device


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


def planned(units: Sequence[Unit]) -> list[WaveRoom]:
    """Each one's wave; whoever is named first goes first."""
    ends = [max(1, ceil(len(units) * part)) for part in WAVES]
    return [
        WaveRoom(site, next(wave for wave, end in enumerate(ends) if nr < end), device=device)
        for nr, (site, device) in enumerate(units)
    ]


def turn_of(rooms: Iterable[WaveRoom], facts: Mapping[Unit, Facts], now: datetime) -> Turn:
    """Rooms go on by what is known of them; the next wave begins when this one is over and none of it has suffered.

    Until one has taken the change and was watched, one at a time is offered it: where the canary is away, the next room
    stands in for it.
    """
    rooms = list(rooms)
    after = {room.unit: _after(room, facts.get(room.unit), now) for room in rooms}
    changed = {room.unit: after[room.unit] for room in rooms if after[room.unit] != room}
    for room in after.values():
        known = facts.get(room.unit)
        if room.step is Step.BACK and room.unit in changed:
            return Turn(tuple(changed.values()), State.STOPPED, room.site)
        if room.step is Step.TAKEN and known is not None and known.rank < room.before and _is_watched_out(room, now):
            return Turn(tuple(changed.values()), State.STOPPED, room.site)
    open_waves = [room.wave for room in after.values() if not _is_over(room, now)]
    if not open_waves:
        return Turn(tuple(changed.values()), State.DONE)
    is_proved = any(room.step is Step.TAKEN and _is_watched_out(room, now) for room in after.values())
    is_tried = any(room.step in (Step.OFFERED, Step.TAKEN) for room in after.values())
    for room in after.values():
        known = facts.get(room.unit)
        if room.wave != min(open_waves) or room.step is not Step.WAITING or known is None or known.is_busy:
            continue
        if known.is_away:
            changed[room.unit] = replace(room, step=Step.AWAY, before=known.rank, since=now)
        elif is_proved or not is_tried:
            changed[room.unit] = replace(room, step=Step.OFFERED, before=known.rank, since=now)
            is_tried = True
    return Turn(tuple(changed.values()), State.RUNNING)


def is_open(room: WaveRoom) -> bool:
    """Whether it was offered the change and has yet to say what became of it."""
    return room.step in (Step.OFFERED, Step.AWAY)


def accepted(rooms: Iterable[WaveRoom]) -> list[WaveRoom]:
    """The same rooms when a person has looked and says to go on: what has become of them so far stops nothing more."""
    return [replace(room, before=0) if room.step is Step.TAKEN else room for room in rooms]


def _after(room: WaveRoom, known: Facts | None, now: datetime) -> WaveRoom:
    if known is None or not is_open(room):
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
    return room.step in (Step.AWAY, Step.BACK) or (room.step is Step.TAKEN and _is_watched_out(room, now))
