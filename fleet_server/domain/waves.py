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
    """It was out of reach, or said nothing; nobody waits for it. It may have the change once another has proved it."""


class State(StrEnum):
    """How a campaign is."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"


SILENT, GONE = "silent", "gone"
"""Why nobody waits for a room that was not just out of reach."""

Unit = tuple[str, str]
"""What is changed as one: a site, and one device of it; empty where it is the room itself."""


class WaveRoom(Struct, frozen=True):
    """One room of a campaign, or one device of a room."""

    site: str
    wave: int
    step: Step = Step.WAITING
    before: int = 0
    """How ready it was when it was offered the change; higher is better. 0 once it is as ready again: it is watched no
    longer."""
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
    is_gone: bool = False
    """It is no room, or no device, of ours any more."""
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
    stands in for it; where all are, whoever is back.
    """
    rooms = list(rooms)
    after = {room.unit: _after(room, facts.get(room.unit), now) for room in rooms}
    changed = {room.unit: after[room.unit] for room in rooms if after[room.unit] != room}
    for room in after.values():
        went_back = room.step is Step.BACK and room.unit in changed
        if went_back or _suffers(room, facts.get(room.unit), now):
            return Turn(tuple(changed.values()), State.STOPPED, room.site)
    open_waves = [room.wave for room in after.values() if not _is_over(room, now)]
    is_proved = _is_proved(after.values(), now)
    if not open_waves:
        back = [] if is_proved else [room for room in after.values() if _is_back(room, facts)]
        if not back:
            return Turn(tuple(changed.values()), State.DONE)
        again = min(back, key=lambda room: room.since or now)  # or one that says nothing would have every turn
        changed[again.unit] = replace(again, step=Step.OFFERED, before=facts[again.unit].rank, since=now, detail="")
        return Turn(tuple(changed.values()), State.RUNNING)
    is_tried = any(room.step in (Step.OFFERED, Step.TAKEN) for room in after.values())
    for room in after.values():
        known = facts.get(room.unit)
        if room.wave != min(open_waves) or room.step is not Step.WAITING or known is None or known.is_busy:
            continue
        if known.is_away:
            changed[room.unit] = replace(room, step=Step.AWAY, since=now)
        elif is_proved or not is_tried:
            changed[room.unit] = replace(room, step=Step.OFFERED, before=known.rank, since=now)
            is_tried = True
    return Turn(tuple(changed.values()), State.RUNNING)


def is_open(room: WaveRoom) -> bool:
    """Whether it may take the change and has yet to say what became of it."""
    return room.step in (Step.OFFERED, Step.AWAY)


def offered(rooms: Iterable[WaveRoom], now: datetime) -> list[WaveRoom]:
    """Those that may have the change now: whoever was away only once another has proved it."""
    rooms = list(rooms)
    is_proved = _is_proved(rooms, now)
    return [room for room in rooms if room.step is Step.OFFERED or (room.step is Step.AWAY and is_proved)]


def accepted(rooms: Iterable[WaveRoom]) -> list[WaveRoom]:
    """The same rooms when a person has looked and says to go on: what has become of them so far stops nothing more."""
    return [replace(room, before=0) if room.step is Step.TAKEN else room for room in rooms]


def _after(room: WaveRoom, known: Facts | None, now: datetime) -> WaveRoom:
    if known is None:
        return room
    if room.step is Step.TAKEN and room.before and (known.is_gone or known.rank >= room.before):
        return replace(room, before=0) if _is_watched_out(room, now) else room
    if known.is_gone and room.step in (Step.WAITING, Step.OFFERED):
        return replace(room, step=Step.AWAY, since=now, detail=GONE)
    if not is_open(room):
        return room
    if known.went_back:
        return replace(room, step=Step.BACK, since=now, detail=known.went_back[:200])
    if known.has_taken:
        return replace(room, step=Step.TAKEN, since=now, detail="")
    has_waited = room.since is not None and now - room.since >= GIVEN_UP
    if room.step is Step.OFFERED and has_waited and not known.is_busy:
        return replace(room, step=Step.AWAY, since=now, detail=SILENT)
    if room.step is Step.AWAY and known.rank > room.before:
        return replace(room, before=known.rank)  # how ready it is now that it is back
    return room


def _suffers(room: WaveRoom, known: Facts | None, now: datetime) -> bool:
    """Whether it has taken the change and is less ready than before."""
    return (
        room.step is Step.TAKEN and known is not None and known.rank < room.before and _is_watched_out(room, now)
    )  # fmt: skip


def _is_proved(rooms: Iterable[WaveRoom], now: datetime) -> bool:
    """Whether one has taken it, and was found as ready as before when its watch was over."""
    return any(room.step is Step.TAKEN and _is_watched_out(room, now) and not room.before for room in rooms)


def _is_back(room: WaveRoom, facts: Mapping[Unit, Facts]) -> bool:
    """Whether it was out of reach, and is not any more."""
    known = facts.get(room.unit)
    is_free = known is not None and not (known.is_away or known.is_gone or known.is_busy)
    return room.step is Step.AWAY and is_free


def _is_watched_out(room: WaveRoom, now: datetime) -> bool:
    return room.since is not None and now - room.since >= WATCHED


def _is_over(room: WaveRoom, now: datetime) -> bool:
    return room.step in (Step.AWAY, Step.BACK) or (room.step is Step.TAKEN and _is_watched_out(room, now))
