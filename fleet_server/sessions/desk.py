"""Sessions as they are planned: plan one, move it, copy it, cancel it, and see first what stands against it."""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection

from fleet_server.domain.sessions import (
    Clash,
    Needs,
    Session,
    clashes,
    grounds_of,
    is_live,
    is_near,
    revision,
    wrong_plan,
)
from fleet_server.errors import Conflict, Invalid, NotFound, Outdated
from fleet_server.live.stream import Stream
from fleet_server.state.fleet import Fleet
from fleet_server.state.hub_line import hub_mbit_s
from fleet_server.store import decisions, sessions
from fleet_server.store.database import Database, millis, moment
from fleet_server.store.decisions import DecisionRow
from wire.ids import uuid7
from wire.times import Clock

CHANGED = "session changed"
"""The reason of a go that is taken back; pages have words for it."""


class Wish(Struct, frozen=True):
    """What somebody wants to be planned."""

    title: str
    kind: str
    chair: str
    starts_at: datetime
    ends_at: datetime
    sites: tuple[str, ...]
    is_rehearsal: bool = False
    rehearses: str | None = None
    stages_min: tuple[int, ...] | None = None
    """None: as for every session."""
    spares: tuple[str, ...] = ()
    needs: Needs = Needs()


class SessionDesk:
    """What organisers may ask. Sessions that have not ended are kept in memory too: each command asks for them."""

    def __init__(self, database: Database, fleet: Fleet, stream: Stream, clock: Clock) -> None:
        self._database, self._fleet, self._stream, self._clock = database, fleet, stream, clock
        self._open: list[Session] = []

    async def load(self) -> None:
        """Take the sessions that have not ended from the database."""
        now = self._clock.now()
        self._open = await self._database.read(lambda db: sessions.not_ended(db, now))

    async def plan(
        self, wish: Wish, by: str, *, id: str | None = None, series: tuple[str, str] | None = None
    ) -> Session:
        """A new session; with `series` that of one of its days. Raises Invalid with what is wrong.

        Who sends the same `id` twice has planned one session, and gets it as it is by now.
        """
        session = self.drafted(wish, by, id)
        if series is not None:
            session = replace(session, series=series[0], series_day=series[1])

        def write(db: Connection) -> Session | None:
            known = sessions.find(db, session.id)
            if known is None:
                sessions.add(db, session)
            return known

        known = await self._database.write(write)
        if known is None:
            self._put(session)
        return known or session

    async def change(self, id: str, wish: Wish, by: str, *, seen: str | None = None) -> Session:
        """Another time, other rooms, other needs. Raises NotFound, Invalid, and Conflict once it is over or cancelled.

        `seen`: its `revision` as whoever asks saw it. Raises Outdated where somebody has changed it since.

        A go was for the session as it was: where what it rests on has changed, it is taken back, by who changed that.
        Stages that are due before now at its new time are not made up for; those that were run stay as they were.
        """
        before = await self.open_one(id)
        if seen is not None and seen != revision(before):
            raise Outdated("sessions.changed_since")
        drafted = self.drafted(wish, by, id)
        moved = (before.starts_at, before.stages_min) != (drafted.starts_at, drafted.stages_min)
        session = replace(
            drafted, planned_at=drafted.planned_at if moved else before.planned_at, by=before.by,
            series=before.series, series_day=before.series_day,
        )  # fmt: skip
        now, is_another = self._now(), grounds_of(session) != grounds_of(before)

        def write(db: Connection) -> None:
            _change(db, before, session)
            decided = decisions.last_decision(db, id) if is_another else None
            if decided is not None and decided.decision == "go":
                decisions.decide(db, id, DecisionRow("no_go", by, CHANGED, now, "{}"), ())

        await self._database.write(write)
        self._put(session)
        return session

    async def cancel(self, id: str, why: str) -> Session:
        """It does not take place. Raises NotFound, Invalid without a reason, Conflict once it is over or cancelled."""
        if not why.strip():
            raise Invalid("sessions.no_reason")
        before = await self.open_one(id)
        session = replace(before, cancelled_at=self._now(), cancelled_why=why.strip())
        await self._database.write(lambda db: _change(db, before, session))
        self._put(session)
        return session

    def drafted(self, wish: Wish, by: str, id: str | None = None) -> Session:
        """The session that a wish would be, planned now. Raises Invalid with what is wrong."""
        session = Session(
            id or uuid7(), wish.title, wish.kind, wish.chair, _whole(wish.starts_at), _whole(wish.ends_at),
            tuple(sorted(set(wish.sites))), self._now(), by, wish.is_rehearsal, wish.rehearses,
            spares=tuple(sorted(set(wish.spares))), needs=wish.needs,
        )  # fmt: skip
        if wish.stages_min is not None:
            session = replace(session, stages_min=tuple(sorted(set(wish.stages_min), reverse=True)))
        if wrong := wrong_plan(session, self._clock.now()):
            raise Invalid(**wrong)
        named = (*session.sites, *session.spares)
        if unknown := [site for site in named if site not in self._fleet.entries]:
            raise Invalid("sessions.unknown_sites", sites=", ".join(unknown[:10]))
        return session

    def there(self, sites: Iterable[str]) -> tuple[str, ...]:
        """Those that have not been closed."""
        return tuple(site for site in sites if site in self._fleet.entries)

    def clashes(self, session: Session) -> list[Clash]:
        """What other sessions want at the same time."""
        return clashes(session, self.upcoming(), self.hubs, self.hub_mbit_s)

    @property
    def hubs(self) -> frozenset[str]:
        """The sites through which every session runs."""
        return frozenset(site for site, entry in self._fleet.entries.items() if entry.site.kind == "hub")

    @property
    def hub_mbit_s(self) -> float:
        """The narrower way of the hub's line, by its contract; 0 where nobody has said."""
        return hub_mbit_s(self._fleet, unknown=0.0)

    async def find(self, session: str) -> Session:
        """A session by its id. Raises NotFound."""
        found = await self._database.read(lambda db: sessions.find(db, session))
        if found is None:
            raise NotFound("sessions.not_found", session=session)
        return found

    async def open_one(self, session: str) -> Session:
        """A session that can still be changed. Raises NotFound, Conflict."""
        found = await self.find(session)
        if found.cancelled_at is not None:
            raise Conflict("sessions.cancelled")
        if found.ends_at <= self._clock.now():
            raise Conflict("sessions.over")
        return found

    async def no_more(self, before: Session | None, most: int) -> list[Session]:
        """Sessions that are over or were cancelled, the latest first; with `before` those that stand behind it."""
        now = self._clock.now()
        return await self._database.read(lambda db: sessions.no_more(db, now, before, most))

    async def between(self, first: datetime, last: datetime) -> list[Session]:
        """Sessions that begin in this time."""
        return await self._database.read(lambda db: sessions.between(db, first, last))

    async def rehearsals_of(self, session: str) -> list[Session]:
        """The rehearsals that try out a session."""
        return await self._database.read(lambda db: sessions.rehearsals_of(db, session))

    def upcoming(self) -> list[Session]:
        """Sessions that run or are to come, the next first."""
        now = self._clock.now()
        return [session for session in self._open if session.ends_at > now]

    def upcoming_one(self, id: str | None) -> Session | None:
        """One of them by its id."""
        return next((session for session in self.upcoming() if session.id == id), None)

    def stands(self, session: Session) -> bool:
        """Whether it is still to be held, as it is described here."""
        known = self.upcoming_one(session.id)
        return known is not None and grounds_of(known) == grounds_of(session)

    def of_site(self, site: str) -> list[Session]:
        """Those of `upcoming` that a site is in, or stands by for; through the hub runs every one."""
        entry = self._fleet.entries.get(site)
        if entry is not None and entry.site.kind == "hub":
            return self.upcoming()
        return [session for session in self.upcoming() if site in session.sites or site in session.spares]

    def is_live(self, site: str) -> bool:
        """Whether a session runs in this room."""
        return site in self.live_sites()

    def live_sites(self) -> set[str]:
        """The rooms in which a session runs; through the hub runs every one."""
        now = self._clock.now()
        live = [session for session in self.upcoming() if is_live(session, now)]
        return {*(self.hubs if live else ()), *(site for each in live for site in (*each.sites, *each.spares))}

    def is_near(self, site: str) -> bool:
        """Whether a session runs in this room or begins within the hour: nothing begins there by itself."""
        now = self._clock.now()
        return any(is_near(session, now) for session in self.of_site(site))

    def is_any_live(self) -> bool:
        """Whether a session runs anywhere: the hub's line is then for it alone."""
        now = self._clock.now()
        return any(is_live(session, now) for session in self._open)

    def _put(self, session: Session) -> None:
        others: Iterable[Session] = (known for known in self._open if known.id != session.id)
        self._open = [*others, session] if session.cancelled_at is None else [*others]
        self._open.sort(key=lambda known: (known.starts_at, known.id))
        self._stream.publish("session", id=session.id)

    def _now(self) -> datetime:
        return moment(millis(self._clock.now()))


def _change(db: Connection, before: Session, after: Session) -> None:
    """Raises Outdated where somebody was quicker."""
    if sessions.find(db, before.id) != before:
        raise Outdated("sessions.changed_since")
    sessions.change(db, after)


def _whole(time: datetime) -> datetime:
    """To the second: what the database keeps is what is in memory."""
    return moment(millis(time) // 1000 * 1000)
