"""Sessions: plan one, see its gate, decide."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from fleet_server.domain.gate import Gate, Waiver, gate_of
from fleet_server.domain.readiness import Wanted, judge
from fleet_server.domain.sessions import Session, is_live, wrong_plan
from fleet_server.errors import Conflict, Invalid, NotFound
from fleet_server.live.stream import Stream
from fleet_server.sessions.duty import DutyDesk
from fleet_server.state.fleet import Fleet
from fleet_server.store import sessions
from fleet_server.store.database import Database
from fleet_server.store.sessions import DecisionRow
from wire.ids import uuid7
from wire.times import Clock


class SessionDesk:
    """What organisers may ask. Sessions that have not ended are kept in memory too: each command asks for them."""

    def __init__(self, database: Database, fleet: Fleet, stream: Stream, clock: Clock, duty: DutyDesk) -> None:
        self._database, self._fleet, self._stream, self._clock, self._duty = database, fleet, stream, clock, duty
        self._open: list[Session] = []

    async def load(self) -> None:
        """Take the sessions that have not ended from the database."""
        now = self._clock.now()
        self._open = await self._database.read(lambda db: sessions.not_ended(db, now))

    async def plan(
        self, title: str, kind: str, chair: str, starts_at: datetime, ends_at: datetime, sites: Sequence[str]
    ) -> Session:
        """A new session. Raises Invalid with what is wrong."""
        session = Session(uuid7(), title, kind, chair, starts_at, ends_at, tuple(dict.fromkeys(sites)))
        if wrong := wrong_plan(starts_at, ends_at, session.sites, self._clock.now()):
            raise Invalid(**wrong)
        if unknown := [site for site in session.sites if site not in self._fleet.entries]:
            raise Invalid("sessions.unknown_sites", sites=", ".join(unknown[:10]))
        await self._database.write(lambda db: sessions.add(db, session))
        self._open.append(session)
        self._open.sort(key=lambda known: known.starts_at)
        self._stream.publish("session", id=session.id)
        return session

    async def find(self, session: str) -> Session:
        """A session by its id. Raises NotFound."""
        found = await self._database.read(lambda db: sessions.find(db, session))
        if found is None:
            raise NotFound("sessions.not_found", session=session)
        return found

    async def newest(self, most: int = 50) -> list[Session]:
        """The latest sessions."""
        return await self._database.read(lambda db: sessions.newest(db, most))

    def upcoming(self) -> list[Session]:
        """Sessions that run or are to come, the next first."""
        now = self._clock.now()
        return [session for session in self._open if session.ends_at > now]

    def of_site(self, site: str) -> list[Session]:
        """Those of `upcoming` that a site is in."""
        return [session for session in self.upcoming() if site in session.sites]

    def is_live(self, site: str) -> bool:
        """Whether a session runs in this room."""
        now = self._clock.now()
        return any(is_live(session, now) for session in self._open if site in session.sites)

    def is_any_live(self) -> bool:
        """Whether a session runs anywhere: the hub's line is then for it alone."""
        now = self._clock.now()
        return any(is_live(session, now) for session in self._open)

    async def gate(self, session: Session) -> tuple[Gate, DecisionRow | None, list[Waiver]]:
        """Every site judged now under the session's needs, with the decision and waivers that stand."""
        decision, granted = await self._database.read(
            lambda db: (sessions.last_decision(db, session.id), sessions.waivers_of(db, session.id))
        )
        return self._gate(session, granted), decision, granted

    async def decide(
        self, session: Session, decision: str, by: str, reason: str, granted: Sequence[Waiver]
    ) -> tuple[Gate, DecisionRow]:
        """A named person's decision, with the verdicts that it rests on. Raises Invalid or Conflict."""
        for waiver in granted:
            if waiver.site not in session.sites:
                raise Invalid("sessions.waiver_of_other_site", site=waiver.site)
        async with self._fleet.lock:  # nothing is judged anew between looking and writing
            earlier = await self._database.read(lambda db: sessions.waivers_of(db, session.id))
            gate = self._gate(session, [*earlier, *granted])
            if decision == "go" and not gate.go:
                waiting = [entry.site for entry in gate.sites if not entry.admitted]
                raise Conflict("sessions.not_admitted", count=len(waiting), sites=", ".join(waiting[:10]))
            rests_on = msgspec.json.encode({entry.site: str(entry.verdict) for entry in gate.sites}).decode()
            row = DecisionRow(decision, by, reason, self._clock.now(), rests_on)
            await self._database.write(lambda db: sessions.decide(db, session.id, row, granted))
        self._stream.publish("session", id=session.id)
        return gate, row

    def _gate(self, session: Session, granted: Sequence[Waiver]) -> Gate:
        now = self._clock.now()
        left_s = max(0.0, (session.ends_at - max(now, session.starts_at)).total_seconds())
        starts_in_s = max(0.0, (session.starts_at - now).total_seconds())
        live = session.starts_at <= now < session.ends_at
        judged = {}
        for site in session.sites:
            entry = self._fleet.entries[site]
            wanted = Wanted(left_s, live=live, starts_in_s=starts_in_s, duty=self._duty.of_site(site))
            judged[site] = judge(entry.room, entry.plan, now.timestamp(), wanted, self._fleet.is_learning)
        return gate_of(judged, granted, now)
