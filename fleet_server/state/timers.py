"""Who is due to change by time alone: the server looks at a site when that moment comes, and never at all of them."""

import asyncio
import heapq
import logging

from sqlalchemy.exc import SQLAlchemyError

from fleet_server.domain.readiness import NEVER
from fleet_server.state.fleet import Fleet, keep
from fleet_server.store.database import Database

log = logging.getLogger("diemcau.timers")


class Timers:
    """A heap of (moment, site). An entry that was overtaken by a newer judgement is dropped when its moment comes."""

    def __init__(self, fleet: Fleet, database: Database) -> None:
        self._fleet, self._database = fleet, database
        self._heap: list[tuple[float, str]] = []
        self._known: dict[str, float] = {}

    async def run(self) -> None:
        """Judge each site again when it is due, for ever."""
        while True:
            self._fleet.timer_moved.clear()
            self._collect()
            wait_s = max(0.0, self._heap[0][0] - self._fleet.now()) if self._heap else None
            try:
                async with asyncio.timeout(wait_s):
                    await self._fleet.timer_moved.wait()
                continue
            except TimeoutError:
                pass
            try:
                await self._judge_due()
            except SQLAlchemyError as error:
                log.error("verdicts_not_kept error=%s", type(error).__name__)
                await asyncio.sleep(1.0)

    def _collect(self) -> None:
        moved, self._fleet.moved = self._fleet.moved, set()
        for site in moved:
            due = self._fleet.entries[site].judgement.changes_at
            if due != self._known.get(site) and due != NEVER:
                self._known[site] = due
                heapq.heappush(self._heap, (due, site))

    async def _judge_due(self) -> None:
        async with self._fleet.lock:
            now = self._fleet.now()
            due = []
            while self._heap and self._heap[0][0] <= now:
                moment, site = heapq.heappop(self._heap)
                if self._known.get(site) == moment:
                    del self._known[site]
                entry = self._fleet.entries.get(site)
                if entry is not None and entry.judgement.changes_at <= now:
                    due.append(self._fleet.judged(entry, entry.room))
            try:
                if due:
                    await keep(self._fleet, self._database, due)
            except SQLAlchemyError:
                self._fleet.moved.update(entry.site.id for entry in due)  # their moment has come all the same
                raise
