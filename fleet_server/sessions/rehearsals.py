"""Puts a rehearsal beside the session that it tried out."""

from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection

from fleet_server.domain.rehearsals import Comparison, Point, compare, wrong_in
from fleet_server.domain.sessions import Session
from fleet_server.sessions.gates import GateDesk
from fleet_server.store import decisions, sessions
from fleet_server.store.database import Database
from fleet_server.store.decisions import SnapshotRow
from wire.times import Clock


class Compared(Struct, frozen=True):
    """The newest rehearsal that found anything, beside the session as it is, or was at its decision."""

    rehearsal: Session
    at: datetime
    """When the rehearsal's rooms were looked at last."""
    what: Comparison


class RehearsalDesk:
    """Reads only."""

    def __init__(self, database: Database, gates: GateDesk, clock: Clock) -> None:
        self._database, self._gates, self._clock = database, gates, clock

    async def compared(self, session: Session) -> Compared | None:
        """None where nobody has rehearsed it."""
        over = session.ends_at <= self._clock.now() or session.cancelled_at is not None

        def look(db: Connection) -> tuple[Session | None, SnapshotRow | None, SnapshotRow | None]:
            for rehearsal in reversed(sessions.rehearsals_of(db, session.id)):
                if (found := decisions.standing_snapshot(db, rehearsal.id)) is not None:
                    return rehearsal, found, decisions.standing_snapshot(db, session.id) if over else None
            return None, None, None

        rehearsal, tried, held = await self._database.read(look)
        if rehearsal is None or tried is None or (over and held is None):
            return None
        real = _of_snapshot(held) if held is not None else self._now(session)
        return Compared(rehearsal, tried.at, compare(_of_snapshot(tried), real))

    def _now(self, session: Session) -> dict[str, set[Point]]:
        gate = self._gates.judged(session)
        return {entry.site: wrong_in(entry.site, entry.verdict, entry.checks) for entry in gate.sites}


def _of_snapshot(snapshot: SnapshotRow) -> dict[str, set[Point]]:
    return {found.site: wrong_in(found.site, found.verdict, found.checks) for found in snapshot.sites}
