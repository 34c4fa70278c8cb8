"""Gathers a report from the record."""

import re
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec.structs import replace
from sqlalchemy import Connection

from fleet_server.domain.reports import MOST_MONTHS, Period, Report, alert_lines, report_of
from fleet_server.errors import Invalid
from fleet_server.state.fleet import SiteEntry
from fleet_server.store import history, report_counts
from fleet_server.store.database import Database
from wire.times import Clock

_MONTH = re.compile(r"(\d{4})-(\d{2})")


class ReportDesk:
    """Reads only."""

    def __init__(self, database: Database, clock: Clock, zone: ZoneInfo) -> None:
        self._database, self._clock, self._zone = database, clock, zone

    def period(self, first: str = "", last: str = "") -> Period:
        """From the first month to the last, as `2026-11`; nothing said: this month. Raises Invalid."""
        today = self._clock.now().astimezone(self._zone).date()
        begins = _month(first) if first else _month(last) if last else today.replace(day=1)
        ends = _after(_month(last) if last else begins)
        months = (ends.year - begins.year) * 12 + ends.month - begins.month
        if not 0 < months <= MOST_MONTHS:
            raise Invalid("reports.wrong_period", most=MOST_MONTHS)
        return Period(begins, ends - timedelta(days=1), self._midnight(begins), self._midnight(ends))

    async def report(self, period: Period, entries: Mapping[str, SiteEntry]) -> Report:
        """About these sites."""
        devices = Counter(
            fit.profile.family for entry in entries.values() for fit in entry.fits if fit.profile is not None
        )
        until = min(period.ends, self._clock.now())

        def read(db: Connection) -> Report:
            waived: Counter[str] = Counter()
            for (site, check), count in report_counts.waived_between(db, period.begins, period.ends).items():
                waived[check] += count if site in entries else 0
            seen = Period(period.first, period.last, period.begins, max(until, period.begins))
            told = report_of(
                seen, tuple(entries), history.minutes_between(db, period.first, period.last),
                history.troubles_between(db, period.begins, period.ends),
                report_counts.used_between(db, period.begins, period.ends), waived, devices,
            )  # fmt: skip
            alerted = report_counts.alerted_between(db, period.begins, period.ends)
            theirs = [each for site, each in alerted if site is None or site in entries]
            return replace(told, alerts=alert_lines(theirs, self._zone))

        return await self._database.read(read)

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self._zone)


def _month(text: str) -> date:
    found = _MONTH.fullmatch(text)
    if found is None:
        raise Invalid("reports.no_month", text=text[:20])
    try:
        return date(int(found[1]), int(found[2]), 1)
    except ValueError as error:
        raise Invalid("reports.no_month", text=text[:20]) from error


def _after(month: date) -> date:
    try:
        return (month.replace(day=1) + timedelta(days=32)).replace(day=1)
    except OverflowError as error:
        raise Invalid("reports.no_month", text=month.isoformat()) from error
