"""Sends a command again until the room's log answers it, and ends it when nobody does."""

import asyncio
import logging
from datetime import timedelta

from fleet_server.commands.desk import CommandDesk
from fleet_server.domain.commands import RESEND_EVERY_S, State
from fleet_server.failing import Failing
from fleet_server.store.commands import CommandRow, unfinished
from fleet_server.store.database import Database
from wire.times import Clock

log = logging.getLogger("diemcau.commands")

_LOOK_EVERY_S = 1.0
_GRACE = timedelta(seconds=20)
"""An agent that accepted at the last moment needs time for its answer to come."""


class Deadlines:
    """Looks once a second at the commands without a final state; there are few."""

    def __init__(self, database: Database, desk: CommandDesk, clock: Clock) -> None:
        self._database, self._desk, self._clock = database, desk, clock
        self._sent_s: dict[str, float] = {}

    async def run(self) -> None:
        """Look, for ever."""
        failing = Failing(log, "deadlines_failing")
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            with failing:
                rows = await self._database.read(unfinished)
                self._desk.note_under_way(rows)
                for row in rows:
                    await self._look_at(row)
                self._sent_s = {row.id: self._sent_s[row.id] for row in rows if row.id in self._sent_s}

    async def _look_at(self, row: CommandRow) -> None:
        now, now_s = self._clock.now(), self._clock.monotonic()
        waits = row.state in (State.REQUESTED, State.SENT)
        if (waits and now >= row.expires_at + _GRACE) or now >= row.answer_by:
            await self._desk.step(row.id, State.EXPIRED, "no_answer")
            log.warning("command_expired id=%s site=%s", row.id, row.site)
        elif waits and now < row.expires_at:
            sent_s = self._sent_s.setdefault(row.id, now_s)
            if row.state is State.REQUESTED or now_s - sent_s >= RESEND_EVERY_S:
                self._sent_s[row.id] = now_s
                await self._desk.send(row)
