"""Checks sessions by itself at the times of their plan. The database is the truth; the scheduler only wakes us."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Container
from datetime import datetime, timedelta
from typing import Literal

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from msgspec import Struct
from sqlalchemy import Connection

from fleet_server.domain.acts import ON_DEMAND_MIN
from fleet_server.domain.sessions import Session, is_live
from fleet_server.domain.stages import Stage, act_within, due_stages, is_late, is_missed, stages_of
from fleet_server.errors import Conflict
from fleet_server.failing import Failing
from fleet_server.live.stream import Stream
from fleet_server.sessions.desk import SessionDesk
from fleet_server.sessions.gates import GateDesk
from fleet_server.store import decisions, stages
from fleet_server.store.database import Database, millis, moment
from fleet_server.store.decisions import SnapshotRow
from fleet_server.store.sessions import between, find
from fleet_server.store.stages import StageRow
from wire.times import Clock

log = logging.getLogger("diemcau.sessions")

_SWEEP_S = 15.0
"""A clock that was set, or a session that was planned by another process, is noticed after so long."""
_LOOK_S = 1.0
"""While devices act."""
_LOOK_BACK = timedelta(days=35)
"""Stages that were missed while the server was down are looked for in sessions that began since then."""


class StageSeen(Struct, frozen=True):
    """A stage as people are shown it; no row: it is to come."""

    stage: Stage
    row: StageRow | None
    snapshot: SnapshotRow | None

    @property
    def state(self) -> Literal["to_come", "running", "done", "missed"]:
        """How far it is."""
        if self.row is None:
            return "to_come"
        return "missed" if self.row.missed else "done" if self.row.ended_at is not None else "running"

    def not_admitted(self, seen: Container[str]) -> list[str]:
        """Of the sites that somebody sees, those that stood against a go."""
        found = self.snapshot.sites if self.snapshot is not None else ()
        return [each.site for each in found if not each.admitted and each.site in seen]


CarryOut = Callable[[Session, StageRow], Awaitable[bool]]
"""Has devices act for a stage; whether all of that has come to its end. It may be asked again and again."""


class StageDesk:
    """Each stage is begun once and ends once, whatever happens between: devices act, then the rooms are judged."""

    def __init__(
        self, database: Database, sessions: SessionDesk, gates: GateDesk, stream: Stream, clock: Clock,
        carry_out: CarryOut,
    ) -> None:  # fmt: skip
        self._database, self._sessions, self._gates = database, sessions, gates
        self._stream, self._clock, self._carry_out = stream, clock, carry_out
        self._wake = asyncio.Event()
        self._wait_s = _SWEEP_S

    async def run(self) -> None:
        """Run what is due, for ever."""
        scheduler = AsyncIOScheduler(timezone="UTC")
        scheduler.start()
        failing = Failing(log, "stages_failing")
        try:
            while True:
                self._wake.clear()
                due_at = None
                with failing:
                    due_at = await self.run_due()
                scheduler.remove_all_jobs()
                if due_at is not None:
                    scheduler.add_job(self._wakened, DateTrigger(due_at, "UTC"), misfire_grace_time=None)
                try:
                    async with asyncio.timeout(self._wait_s):
                        await self._wake.wait()
                except TimeoutError:
                    pass
        finally:
            scheduler.shutdown(wait=False)

    def planned(self) -> None:
        """A session was planned, moved or cancelled."""
        self._wake.set()

    async def _wakened(self) -> None:
        self._wake.set()

    async def run_due(self) -> datetime | None:
        """Run every stage whose time has come; when the next one is due. Raises SQLAlchemyError; nothing is lost."""
        now = self._clock.now()
        self._wait_s = _SWEEP_S
        known = await self._database.read(lambda db: _with_ended(db, now))
        for session, ended in known:
            for stage in due_stages(session, ended, now):
                await self._begin(session, stage)
        for session, row in await self._database.read(_begun):
            if not await self._is_ended(session, row):
                self._wait_s = _LOOK_S
        to_come = (stage.due_at for session, _ in known for stage in stages_of(session) if stage.due_at > now)
        return min(to_come, default=None)

    async def line(self, session: Session) -> list[StageSeen]:
        """Every stage of a session by its time: those that were run, and those to come."""

        def look(db: Connection) -> list[StageSeen]:
            known = {row.stage: row for row in stages.of_session(db, session.id)}
            found = []
            for stage in sorted({*known, *stages_of(session)}):
                row = known.get(stage)
                kept = decisions.find_snapshot(db, row.snapshot) if row is not None and row.snapshot else None
                found.append(StageSeen(stage, row, kept))
            return found

        return await self._database.read(look)

    async def check_now(self, id: str) -> StageRow:
        """A stage that a person asks for, at once. Raises NotFound, and Conflict where the rooms are in use."""
        session = await self._sessions.open_one(id)
        now = moment(millis(self._clock.now()))
        if is_live(session, now):
            raise Conflict("commands.session_live")
        row = StageRow(id, Stage(now, ON_DEMAND_MIN), now)
        await self._database.write(lambda db: stages.begin(db, row))
        self._wake.set()
        self._stream.publish("session", id=id)
        return row

    async def _begin(self, session: Session, stage: Stage) -> None:
        now = self._clock.now()
        missed = is_missed(session, now)
        row = StageRow(session.id, stage, now, now if missed else None, is_late(stage, now), missed)
        if await self._database.write(lambda db: stages.begin(db, row)):
            log.info(
                "stage_begun session=%s minutes_before=%d late=%s missed=%s", session.id, stage.minutes_before,
                row.late, missed,
            )  # fmt: skip
            self._stream.publish("session", id=session.id)

    async def _is_ended(self, session: Session, row: StageRow) -> bool:
        """End the stage when its acts have, or when there is no more time for them."""
        now = self._clock.now()
        done = await self._carry_out(session, row)
        if not done and now < row.began_at + act_within(row.stage) and not is_live(session, now):
            return False
        granted = await self._database.read(lambda db: decisions.waivers_of(db, session.id))
        gate = self._gates.judged(session, granted)

        def end(db: Connection) -> None:
            if row.stage not in stages.ended(db, [session.id]).get(session.id, ()):
                stages.end(db, session.id, row.stage, decisions.add_snapshot(db, session.id, gate, now), now)

        await self._database.write(end)
        log.info("stage_ended session=%s minutes_before=%d go=%s", session.id, row.stage.minutes_before, gate.go)
        self._stream.publish("session", id=session.id)
        return True


def _begun(db: Connection) -> list[tuple[Session, StageRow]]:
    """Stages that were begun and have no end, each with its session."""
    found = ((find(db, row.session), row) for row in stages.without_end(db))
    return [(session, row) for session, row in found if session is not None]


def _with_ended(db: Connection, now: datetime) -> list[tuple[Session, set[Stage]]]:
    """Sessions that may have a stage to run, each with the stages that have an end."""
    soon = now + timedelta(days=15)  # the earliest stage is two weeks before
    found = between(db, now - _LOOK_BACK, soon)
    ended = stages.ended(db, [session.id for session in found])
    return [(session, ended.get(session.id, set())) for session in found]
