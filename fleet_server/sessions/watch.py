"""Watches the rooms of every session that goes: whatever becomes worse after the decision is written down at once."""

import asyncio
import logging

from msgspec import Struct, field
from sqlalchemy import Connection

from fleet_server.domain.findings import Outcome
from fleet_server.domain.sessions import Session
from fleet_server.domain.setbacks import Key, base_of, change_of
from fleet_server.failing import Failing
from fleet_server.live.stream import Stream
from fleet_server.sessions.desk import SessionDesk
from fleet_server.sessions.gates import GateDesk
from fleet_server.state.fleet import Fleet
from fleet_server.store import decisions, setbacks
from fleet_server.store.database import Database
from fleet_server.store.decisions import DecisionRow
from fleet_server.store.setbacks import SetbackRow
from wire.times import Clock

log = logging.getLogger("diemcau.sessions")

_EVERY_S = 2.0
"""What only time changes, and decisions, are looked at so often; a report at once."""
_AGAIN_S = 1.0


class _Watched(Struct):
    """One session that goes."""

    session: Session
    decision: DecisionRow
    base: dict[str, dict[Key, Outcome]]
    """Site -> how it was at the decision."""
    open_ones: dict[str, dict[Key, Outcome]] = field(default_factory=dict)
    """Site -> what has become worse since."""


class Watch:
    """`run` alone writes setbacks down."""

    def __init__(
        self, database: Database, fleet: Fleet, stream: Stream, clock: Clock, sessions: SessionDesk, gates: GateDesk
    ) -> None:
        self._database, self._fleet, self._stream, self._clock = database, fleet, stream, clock
        self._sessions, self._gates = sessions, gates
        self._watched: dict[str, _Watched] = {}

    async def run(self) -> None:
        """Watch for ever."""
        failing, looked_s = Failing(log, "setbacks_not_kept"), float("-inf")
        moved: set[str] = set()
        async for change in self._stream.read(None, _EVERY_S):
            with failing:
                if change is not None and change.kind in ("site", "report", "session") and change.site is not None:
                    moved.add(change.site)
                if self._clock.monotonic() - looked_s >= _EVERY_S or (change is not None and change.site is None):
                    await self._look_round()
                    looked_s = self._clock.monotonic()
                    moved = set(self._fleet.entries)
                await self._judge(moved)
                moved = set()
            if failing:
                await asyncio.sleep(_AGAIN_S)

    async def of_session(self, session: str) -> list[SetbackRow]:
        """All that has become worse since the decision, the last first."""
        return await self._database.read(lambda db: setbacks.of_session(db, session))

    async def _look_round(self) -> None:
        """Which sessions go; their decisions may be new."""
        open_ones = {session.id: session for session in self._sessions.upcoming()}
        standing = await self._database.read(lambda db: decisions.last_decisions(db, open_ones))
        going = {id: row for id, row in standing.items() if row.decision == "go" and row.snapshot is not None}
        for id in self._watched.keys() - going.keys():
            del self._watched[id]
        for id, row in going.items():
            known = self._watched.get(id)
            if known is None or known.decision != row:
                self._watched[id] = await self._database.read(
                    lambda db, id=id, row=row: _load(db, open_ones[id], row)  # type: ignore[misc]
                )
            else:
                known.session = open_ones[id]

    async def _judge(self, moved: set[str]) -> None:
        for watched in list(self._watched.values()):
            for site in moved.intersection(watched.base):
                await self._judge_site(watched, site)

    async def _judge_site(self, watched: _Watched, site: str) -> None:
        entry = self._fleet.entries.get(site)
        if entry is None:
            return
        now, known = self._clock.now(), watched.open_ones.setdefault(site, {})
        change = change_of(watched.base[site], self._gates.judgement(watched.session, entry, now), known)
        if not (change.opened or change.worsened or change.cleared):
            return

        def write(db: Connection) -> None:
            setbacks.open_them(db, watched.session.id, site, change.opened, now)
            setbacks.worsen(db, watched.session.id, site, change.worsened)
            setbacks.clear(db, watched.session.id, site, change.cleared, now)

        await self._database.write(write)
        for trouble in (*change.opened, *change.worsened):
            known[trouble.check, trouble.device] = trouble.outcome
            log.warning("session_setback session=%s site=%s check=%s", watched.session.id, site, trouble.check)
        for key in change.cleared:
            known.pop(key, None)
        self._stream.publish("session", site, id=watched.session.id)


def _load(db: Connection, session: Session, row: DecisionRow) -> _Watched:
    assert row.snapshot is not None
    snapshot = decisions.find_snapshot(db, row.snapshot)
    base = {found.site: base_of(found.checks) for found in snapshot.sites} if snapshot is not None else {}
    open_ones: dict[str, dict[Key, Outcome]] = {}
    for known in setbacks.of_session(db, session.id):
        if known.cleared_at is None:
            open_ones.setdefault(known.site, {})[known.trouble.check, known.trouble.device] = known.trouble.outcome
    return _Watched(session, row, base, open_ones)
