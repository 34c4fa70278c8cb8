"""Sessions that come again: the days of a series, in the province's calendar.

A chairman receives on a fixed day of each month; where that is a weekend it is the Monday after it. Holidays are
exceptions that people enter, by moving or cancelling the session of the day.
"""

from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from dateutil.rrule import MONTHLY, WEEKLY, rrule, weekday
from msgspec import Struct

MOST_DAYS = 400
_SATURDAY = 5


class Rhythm(Struct, frozen=True):
    """Which days."""

    every: Literal["month_day", "month_weekday", "week"]
    day: int = 1
    """Of the month; 31: the last, where it is shorter. With `month_weekday` which one of the month, -1: the last."""
    weekday: int = 0
    """0: Monday."""
    on_working_days: bool = True
    """A day that falls on a weekend is moved to the Monday after it."""


def is_sound(rhythm: Rhythm) -> bool:
    """Whether there are such days."""
    days = range(1, 32) if rhythm.every == "month_day" else (1, 2, 3, 4, -1)
    return (rhythm.every == "week" or rhythm.day in days) and 0 <= rhythm.weekday < 7


def days_of(rhythm: Rhythm, first: date, last: date) -> list[date]:
    """The days of a series from `first` to `last`, both included, at most 400."""
    start = datetime.combine(first.replace(day=1) - timedelta(days=7), time())
    end = datetime.combine(last, time())
    if rhythm.every == "week":
        found = rrule(WEEKLY, dtstart=start, until=end, byweekday=rhythm.weekday)
    elif rhythm.every == "month_weekday":
        found = rrule(MONTHLY, dtstart=start, until=end, byweekday=weekday(rhythm.weekday, rhythm.day))
    else:
        # The last of these days that a month has: the 31st of a month of thirty days is its 30th.
        candidates = [day for day in range(28, 32) if day <= rhythm.day] or [rhythm.day]
        found = rrule(MONTHLY, dtstart=start, until=end, bymonthday=candidates, bysetpos=-1)
    days = (_moved(moment.date()) if rhythm.on_working_days else moment.date() for moment in found)
    return sorted({day for day in days if first <= day <= last})[:MOST_DAYS]


def moments_of(day: date, begins: time, length: timedelta, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Start and end of the session of a day."""
    starts_at = datetime.combine(day, begins, zone)
    return starts_at, starts_at + length


def _moved(day: date) -> date:
    return day + timedelta(days=max(0, 7 - day.weekday())) if day.weekday() >= _SATURDAY else day
