"""Sessions that come again: each of their days gets a session of its own, which can be moved or cancelled alone."""

import asyncio
import logging
from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

from msgspec.structs import replace
from sqlalchemy.exc import IntegrityError

from fleet_server.domain.series import days_of, is_sound, moments_of
from fleet_server.errors import FleetError, Invalid, NotFound
from fleet_server.failing import Failing
from fleet_server.sessions.desk import SessionDesk, Wish
from fleet_server.store import series
from fleet_server.store.database import Database
from fleet_server.store.series import SeriesRow
from fleet_server.store.sessions import days_of_series
from wire.times import Clock

log = logging.getLogger("diemcau.sessions")

AHEAD = timedelta(days=180)
"""So far ahead sessions of a series are planned."""
_EVERY_S = 3_600.0
_AGAIN_S = 60.0
_LONGEST_MIN = 1_440


class SeriesDesk:
    """Plans the days of every series as they come within sight."""

    def __init__(self, database: Database, sessions: SessionDesk, clock: Clock, zone: ZoneInfo) -> None:
        self._database, self._sessions, self._clock, self._zone = database, sessions, clock, zone

    async def begin(self, row: SeriesRow) -> None:
        """A new series; its next sessions are planned when this returns. Raises Invalid with what is wrong.

        Who sends the same id twice has begun one.
        """
        try:
            time.fromisoformat(row.begins)
        except ValueError:
            raise Invalid("sessions.wrong_hour") from None
        if not is_sound(row.rhythm) or not 0 < row.length_min <= _LONGEST_MIN:
            raise Invalid("sessions.wrong_rhythm")
        days = self._days(row)
        if not days:
            raise Invalid("sessions.no_days")
        self._sessions.drafted(self._wish(row, days[0]), row.by)  # whatever is wrong with one is wrong with all
        if await self._database.write(lambda db: series.add(db, row)):
            await self._plan(row)

    async def end(self, id: str) -> None:
        """No further session is planned; those that are stay. Raises NotFound."""
        now = self._clock.now()
        if not await self._database.write(lambda db: series.end(db, id, now)):
            raise NotFound("sessions.no_series")

    async def going_on(self) -> list[SeriesRow]:
        """Series that nobody has ended."""
        return await self._database.read(series.going_on)

    async def run(self) -> None:
        """Plan what comes within sight, for ever."""
        failing = Failing(log, "series_failing")
        while True:
            with failing:
                for row in await self.going_on():
                    await self._plan(row)
            await asyncio.sleep(_AGAIN_S if failing else _EVERY_S)

    async def _plan(self, row: SeriesRow) -> None:
        had = await self._database.read(lambda db: days_of_series(db, row.id))
        wanted = replace(row, sites=self._sessions.there(row.sites))  # the others were closed since: communes merge
        for day in self._days(row):
            if day.isoformat() in had:
                continue
            try:
                await self._sessions.plan(self._wish(wanted, day), row.by, series=(row.id, day.isoformat()))
            except IntegrityError:
                log.info("series_day_known series=%s day=%s", row.id, day)
            except FleetError as error:  # the others' sessions are planned all the same
                log.warning("series_day_refused series=%s day=%s reason=%s", row.id, day, error.key)

    def _days(self, row: SeriesRow) -> list[date]:
        """The days that are to come within sight."""
        now = self._clock.now()
        today = now.astimezone(self._zone).date()
        last = min(row.last or date.max, today + AHEAD)
        return [day for day in days_of(row.rhythm, max(row.first, today), last) if self._wish(row, day).ends_at > now]

    def _wish(self, row: SeriesRow, day: date) -> Wish:
        begins, length = time.fromisoformat(row.begins), timedelta(minutes=row.length_min)
        starts_at, ends_at = moments_of(day, begins, length, self._zone)
        return Wish(row.title, "periodic", row.chair, starts_at, ends_at, row.sites)
