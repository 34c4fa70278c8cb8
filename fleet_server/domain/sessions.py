"""A session: what it asks of its rooms, when it is live, and what is wrong with a plan for one."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from msgspec import Struct, json

LIVE_BEFORE = timedelta(minutes=10)
"""Rooms are in use from here on: nothing is rebooted in them without an override."""
QUIET_BEFORE = timedelta(hours=1)
"""From here on nothing is begun by itself that could make a room less ready."""
TIME_TO_ACT = timedelta(minutes=5)
"""So long after a session was planned nobody can be expected to have confirmed a room or measured its line."""
STAGES_MIN = (1_440, 120, 30, 10)
"""How many minutes before its start a session is checked by itself."""
MOST_STAGES = 12
_LONGEST = timedelta(hours=24)
_EARLIEST_STAGE_MIN = 14 * 1_440


class Needs(Struct, frozen=True):
    """What a session asks of its rooms and of the hub."""

    room_mbit_s: float = 2.0
    """What one room's picture and sound take of the hub's line, each way, in Mbit/s."""
    battery_share: float = 0.25
    """Which part of the planned time a room's battery should carry it."""


class Session(Struct, frozen=True):
    """One session as planned."""

    id: str
    title: str
    kind: str
    chair: str
    starts_at: datetime
    ends_at: datetime
    sites: tuple[str, ...]
    planned_at: datetime
    """When these times were set: what should have been checked before that, cannot be."""
    by: str = ""
    is_rehearsal: bool = False
    """The same gate with nothing at stake."""
    rehearses: str | None = None
    """The session that a rehearsal tries out, where it is one in particular."""
    series: str | None = None
    series_day: str | None = None
    """Of which day of its series it is (ISO 8601), wherever it was moved since."""
    stages_min: tuple[int, ...] = STAGES_MIN
    spares: tuple[str, ...] = ()
    """Rooms that stand by."""
    needs: Needs = Needs()
    cancelled_at: datetime | None = None
    cancelled_why: str = ""

    @property
    def planned_s(self) -> float:
        """Its length in seconds."""
        return (self.ends_at - self.starts_at).total_seconds()


class Clash(Struct, frozen=True):
    """What cannot be had twice at one time."""

    session: str
    """The other session."""
    title: str
    starts_at: datetime
    ends_at: datetime
    rooms: tuple[str, ...] = ()
    """Rooms that are in both."""
    needed_mbit_s: float = 0.0
    """What all sessions then take of the hub's line, where that is more than it has."""


def revision(session: Session) -> str:
    """Another text once anything of it is planned otherwise: by it one tells that it still is as one saw it."""
    return sha256(json.encode(session)).hexdigest()[:16]


def grounds_of(session: Session) -> tuple[object, ...]:
    """What a decision is about: it stands while these are as they were."""
    return session.cancelled_at, session.starts_at, session.ends_at, frozenset(session.sites), session.needs


def is_live(session: Session, now: datetime) -> bool:
    """Whether its rooms are in use."""
    at_stake = session.cancelled_at is None and not session.is_rehearsal
    return at_stake and session.starts_at - LIVE_BEFORE <= now < session.ends_at


def is_near(session: Session, now: datetime) -> bool:
    """Whether it is live or begins within the quiet hour."""
    at_stake = session.cancelled_at is None and not session.is_rehearsal
    return at_stake and session.starts_at - QUIET_BEFORE <= now < session.ends_at


def is_just_planned(session: Session, now: datetime) -> bool:
    """Whether people have not had the time yet to do what the session asks of them. Once it has begun they have."""
    return session.planned_at <= now < min(session.planned_at + TIME_TO_ACT, session.starts_at)


def wrong_plan(session: Session, now: datetime) -> dict[str, Any] | None:
    """Text key and parameters of the first thing wrong with a plan; None when it is sound."""
    if session.ends_at <= session.starts_at:
        return {"key": "sessions.ends_before_start"}
    if session.ends_at - session.starts_at > _LONGEST:
        return {"key": "sessions.too_long"}
    if session.ends_at <= now:
        return {"key": "sessions.in_the_past"}
    if not session.sites:
        return {"key": "sessions.no_sites"}
    if both := set(session.sites) & set(session.spares):
        return {"key": "sessions.spare_takes_part", "sites": ", ".join(sorted(both)[:10])}
    stages = session.stages_min
    if len(stages) > MOST_STAGES or not all(0 < minutes <= _EARLIEST_STAGE_MIN for minutes in stages):
        return {"key": "sessions.wrong_stages", "most": MOST_STAGES, "days": _EARLIEST_STAGE_MIN // 1_440}
    return None


def overlaps(one: Session, other: Session) -> bool:
    """Whether a room could be wanted by both: the minutes before the start are in use too."""
    return one.starts_at - LIVE_BEFORE < other.ends_at and other.starts_at - LIVE_BEFORE < one.ends_at


def clashes(plan: Session, others: Iterable[Session], hubs: frozenset[str], hub_mbit_s: float) -> list[Clash]:
    """Sessions that want a room, or more of the hub's line than it has, at the same time; the next first.

    The hub itself is in every session and clashes by its line alone. A rehearsal has nothing at stake, but takes as
    much of the line.
    """
    meant = _at_once_with(plan, others)
    busiest = _busiest(plan, meant, hubs)
    found = []
    for other in meant:
        rooms = tuple(sorted((set(plan.sites) & {*other.sites, *other.spares}) - hubs))
        takes_part = any(other is each for each in busiest)
        needed = sum(_taken_mbit_s(each, hubs) for each in busiest) if takes_part else 0.0
        if rooms or needed > hub_mbit_s > 0:
            too_much = needed if needed > hub_mbit_s > 0 else 0.0
            found.append(Clash(other.id, other.title, other.starts_at, other.ends_at, rooms, too_much))
    return sorted(found, key=lambda clash: (clash.starts_at, clash.session))


def taken_mbit_s(session: Session, others: Iterable[Session], hubs: frozenset[str]) -> float:
    """What a session takes of the hub's line, each way, together with those that run when most is taken."""
    return sum(_taken_mbit_s(each, hubs) for each in _busiest(session, _at_once_with(session, others), hubs))


def rooms_of(session: Session, hubs: frozenset[str]) -> int:
    """How many rooms it joins to the hub."""
    return len(set(session.sites) - hubs)


def _at_once_with(session: Session, others: Iterable[Session]) -> list[Session]:
    """Other sessions that take place and overlap this one."""
    return [
        other for other in others
        if other.id != session.id and other.cancelled_at is None and overlaps(session, other)
    ]  # fmt: skip


def _busiest(plan: Session, others: list[Session], hubs: frozenset[str]) -> list[Session]:
    """The sessions, the planned one among them, of the moment at which together they take most of the line."""
    moments = [plan.starts_at, *(other.starts_at for other in others)]
    at_once = [
        list(_under_way([plan, *others], moment)) for moment in moments if plan.starts_at <= moment < plan.ends_at
    ]
    return max(at_once, key=lambda found: sum(_taken_mbit_s(each, hubs) for each in found))


def _under_way(sessions: Iterable[Session], moment: datetime) -> Iterator[Session]:
    return (each for each in sessions if each.starts_at <= moment < each.ends_at)


def _taken_mbit_s(session: Session, hubs: frozenset[str]) -> float:
    return rooms_of(session, hubs) * session.needs.room_mbit_s
