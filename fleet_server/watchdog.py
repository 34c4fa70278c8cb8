"""Tells systemd that the server works: only after the database has taken a write and the broker has answered."""

import asyncio
import logging

from sqlalchemy.exc import SQLAlchemyError

from fleet_server.link import FleetLink
from fleet_server.store.beats import beat
from fleet_server.store.database import Database
from wire.service_manager import ServiceManager
from wire.times import Clock

log = logging.getLogger("diemcau.watchdog")

_OFTEN = 4
"""So often within the time that the service manager gives us."""


class Watchdog:
    """Where the broker is out of reach it counts that the link goes on trying: a restart of ours would not bring it."""

    def __init__(self, database: Database, link: FleetLink, clock: Clock, manager: ServiceManager) -> None:
        self._database, self._link, self._clock, self._manager = database, link, clock, manager

    async def run(self) -> None:
        """For ever; where nobody watches there is nothing to do."""
        within_s, failing = self._manager.watchdog_s, ""
        while within_s is not None:
            why = await self._trouble(within_s)
            if not why:
                self._manager.alive()
            elif why != failing:
                log.error("watchdog_not_fed why=%s", why)
            failing = why
            await asyncio.sleep(within_s / _OFTEN)
        await asyncio.Event().wait()

    async def _trouble(self, within_s: float) -> str:
        now = self._clock.now()
        try:
            async with asyncio.timeout(within_s / 2):
                await self._database.write(lambda db: beat(db, "watchdog", now))
        except (SQLAlchemyError, TimeoutError) as error:
            return f"the database: {type(error).__name__}"
        return "" if self._link.is_at_work(within_s) else "the broker does not answer"
