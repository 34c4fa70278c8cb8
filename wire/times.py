"""Time is passed in: whoever decides by time gets a `Clock`, and only this file reads the system's."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The two clocks that a computer has."""

    def now(self) -> datetime:
        """Wall clock, aware, UTC, cut to milliseconds; it may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever pass; for ages and deadlines."""
        ...


class SystemClock:
    """The computer's own clocks."""

    def now(self) -> datetime:
        """Wall clock in UTC, cut to milliseconds as the wire carries them."""
        moment = datetime.now(UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""
        return time.monotonic()


def rfc3339(moment: datetime) -> str:
    """`2026-11-24T07:42:00.125Z`, the form of every time that leaves us as text."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
