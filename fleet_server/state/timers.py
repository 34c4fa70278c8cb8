"""Who is due to change by time alone: the server looks at a site when that moment comes, and never at all of them."""

import asyncio
import heapq
import logging

from sqlalchemy.exc import SQLAlchemyError

from fleet_server.domain.readiness import NEVER
from fleet_server.failing import Failing
from fleet_server.state.fleet import Fleet, keep
from fleet_server.store.database import Database

log = logging.getLogger("diemcau.timers")


_AGAIN_S = 1.0


class Timers:
    """A heap of (moment, site). An entry that was overtaken by a newer judgement is dropped when its moment comes."""

    def __init__(self, fleet: Fleet, database: Database) -> None:
        self._fleet, self._database = fleet, database
        self._heap: list[tuple[float, str]] = []
        self._known: dict[str, float] = {}
        self._unkept: set[str] = set()
        """Sites that are judged and seen so, and not written down: what nobody was heard of is not called ready."""

    async def run(self) -> None:
        """Judge each site again when it is due, for ever."""
        failing, time, again_s = Failing(log, "verdicts_not_kept"), asyncio.get_running_loop().time, 0.0
        while True:
            self._fleet.timer_moved.clear()
            self._collect()
            wait_s = max(0.0, self._heap[0][0] - self._fleet.now()) if self._heap else None
            if self._unkept:
                wait_s = max(0.0, again_s - time())
            try:
                async with asyncio.timeout(wait_s):
                    await self._fleet.timer_moved.wait()
                continue
            except TimeoutError:
                pass
            with failing:
                await self._judge_due()
            again_s = time() + _AGAIN_S

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
            again = [each for site in self._unkept if (each := self._fleet.entries.get(site)) is not None]
            due = [self._fleet.judged(entry, entry.room) for entry in again]
            while self._heap and self._heap[0][0] <= now:
                moment, site = heapq.heappop(self._heap)
                if self._known.get(site) == moment:
                    del self._known[site]
                entry = self._fleet.entries.get(site)
                if entry is not None and site not in self._unkept and entry.judgement.changes_at <= now:
                    due.append(self._fleet.judged(entry, entry.room))
            try:
                if due:
                    await keep(self._fleet, self._database, due)
            except SQLAlchemyError:
                self._fleet.replace(due)
                self._unkept.update(entry.site.id for entry in due)
                raise
            self._unkept.clear()
