"""The gate of a session: every room judged now under the session's own needs, and a named person's decision."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from fleet_server.domain.gate import Gate, Waiver, gate_of, is_recent, report_at_of, too_old
from fleet_server.domain.readiness import Judgement, Known, Wanted, judge
from fleet_server.domain.sessions import Session, grounds_of, rooms_of, taken_mbit_s
from fleet_server.errors import Conflict, Invalid
from fleet_server.live.stream import Stream
from fleet_server.sessions.confirmations import ConfirmationDesk
from fleet_server.sessions.desk import SessionDesk
from fleet_server.state.attention import Attention
from fleet_server.state.fleet import Fleet, SiteEntry
from fleet_server.store import decisions, sessions
from fleet_server.store.database import Database
from fleet_server.store.decisions import DecisionRow
from wire.times import Clock

_FRESH_WITHIN_S = 8.0
_LOOK_S = 0.1


class GateDesk:
    """Judges and decides. `valid_until`: site -> the end of its certificate; None where rooms have none."""

    def __init__(
        self, database: Database, fleet: Fleet, stream: Stream, clock: Clock, sessions: SessionDesk,
        confirmations: ConfirmationDesk, attention: Attention,
        valid_until: Callable[[], Mapping[str, datetime] | None], fresh_within_s: float = _FRESH_WITHIN_S,
    ) -> None:  # fmt: skip
        """`fresh_within_s`: how long a room that is asked for a new report has for it."""
        self._fresh_within_s = fresh_within_s
        self._database, self._fleet, self._stream, self._clock = database, fleet, stream, clock
        self._sessions, self._confirmations, self._attention = sessions, confirmations, attention
        self._valid_until = valid_until

    async def gate(self, session: Session) -> tuple[Gate, DecisionRow | None, list[Waiver]]:
        """Every site judged now, with the decision and waivers that stand."""
        decision, granted = await self._database.read(
            lambda db: (decisions.last_decision(db, session.id), decisions.waivers_of(db, session.id))
        )
        return self.judged(session, granted), decision, granted

    async def decide(
        self, session: Session, decision: str, by: str, reason: str, granted: Sequence[Waiver]
    ) -> tuple[Gate, DecisionRow]:
        """A named person's decision, with all that it rests on. Raises Invalid, Conflict.

        Rooms whose report is older than ten seconds are asked for a new one first; one that does not give it stands
        against a go.
        """
        if session.cancelled_at is not None:
            raise Conflict("sessions.cancelled")
        if session.ends_at <= self._clock.now():
            raise Conflict("sessions.over")
        for waiver in granted:
            if waiver.site not in session.sites:
                raise Invalid("sessions.waiver_of_other_site", site=waiver.site)
        if decision == "go":
            await self._freshen(session)
        async with self._fleet.lock:  # nothing is judged anew between looking and writing
            if not self._sessions.stands(session):  # moved or cancelled while rooms were asked
                raise Conflict("sessions.changed_meanwhile")
            earlier = await self._database.read(lambda db: decisions.waivers_of(db, session.id))
            gate = self.judged(session, [*earlier, *granted])
            if decision == "go":
                self._refuse(gate)
            grounds = msgspec.json.encode({entry.site: str(entry.verdict) for entry in gate.sites}).decode()
            now = self._clock.now()

            def write(db: Connection) -> DecisionRow:
                found = sessions.find(db, session.id)
                if found is None or grounds_of(found) != grounds_of(session):  # a change was on its way to the database
                    raise Conflict("sessions.changed_meanwhile")
                snapshot = decisions.add_snapshot(db, session.id, gate, now)
                row = DecisionRow(decision, by, reason, now, grounds, snapshot)
                decisions.decide(db, session.id, row, granted)
                return row

            row = await self._database.write(write)
        self._stream.publish("session", id=session.id)
        return gate, row

    def judged(self, session: Session, granted: Sequence[Waiver] = ()) -> Gate:
        """The gate at this moment. A site that was closed since is not in the session any more."""
        now = self._clock.now()
        there = {site: entry for site in session.sites if (entry := self._fleet.entries.get(site)) is not None}
        judged = {site: self.judgement(session, entry, now) for site, entry in there.items()}
        report_at = {site: report_at_of(entry.room) for site, entry in there.items()}
        return gate_of(judged, granted, now, report_at)

    def judgement(self, session: Session, entry: SiteEntry, now: datetime) -> Judgement:
        """One room under the session's needs."""
        wanted = Wanted(
            max(0.0, (session.ends_at - max(now, session.starts_at)).total_seconds()),
            live=session.starts_at <= now < session.ends_at and not session.is_rehearsal,
            starts_in_s=max(0.0, (session.starts_at - now).total_seconds()),
            known=self._known(session, entry, now.timestamp()),
            limits={
                "battery_share": session.needs.battery_share, "ends_at": session.ends_at.timestamp(),
                "rooms": rooms_of(session, self._sessions.hubs),
            },
        )  # fmt: skip
        return judge(entry.room, entry.plan, now.timestamp(), wanted, self._fleet.is_learning)

    def ready_spares(self, session: Session) -> list[str]:
        """Rooms that stand by and could take another's place now."""
        now = self._clock.now()
        there = [entry for site in session.spares if (entry := self._fleet.entries.get(site)) is not None]
        judged = {entry.site.id: self.judgement(session, entry, now) for entry in there}
        return [entry.site for entry in gate_of(judged, (), now).sites if entry.admitted]

    def _known(self, session: Session, entry: SiteEntry, now: float) -> dict[str, Known]:
        site = entry.site.id
        known = self._confirmations.known(session.id, site)
        known["provisioned"] = Known(entry.provisioned, now)
        certificates = self._valid_until()
        if certificates is not None and entry.plan.has_agent:
            until = certificates.get(site)
            known["certificate_until"] = Known(until.timestamp() if until is not None else 0, now)
        if entry.site.kind == "hub":
            taken = taken_mbit_s(session, self._sessions.upcoming(), self._sessions.hubs)
            known["rooms_mbit_s"] = Known(taken, now)
        return known

    async def _freshen(self, session: Session) -> None:
        """Until every room that is there has reported within the last seconds, or has had the time to."""
        until_s = self._clock.monotonic() + self._fresh_within_s
        asked = self._old(session)
        self._attention.ask(asked)
        while self._old(session) and self._clock.monotonic() < until_s:
            await asyncio.sleep(_LOOK_S)

    def _old(self, session: Session) -> list[str]:
        now = self._fleet.now()
        there = [entry for site in session.sites if (entry := self._fleet.entries.get(site)) is not None]
        return [
            entry.site.id for entry in there
            if entry.plan.has_agent and entry.room.present and not is_recent(report_at_of(entry.room), now)
        ]  # fmt: skip

    def _refuse(self, gate: Gate) -> None:
        """Raises Conflict where the gate does not let a go through."""
        if not gate.go:
            waiting = [entry.site for entry in gate.sites if not entry.admitted]
            raise Conflict("sessions.not_admitted", count=len(waiting), sites=", ".join(waiting[:10]))
        agents = [entry.site for entry in gate.sites if self._fleet.entries[entry.site].plan.has_agent]
        if old := too_old(gate, self._fleet.now(), agents):
            raise Conflict("sessions.evidence_old", count=len(old), sites=", ".join(old[:10]))
