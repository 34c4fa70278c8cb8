"""The clock: certificates, commands and sessions all rest on it. The kernel says whether somebody keeps it right."""

import ctypes
from collections.abc import Iterator
from datetime import UTC, datetime

from fleet_server.config import Settings
from fleet_server.doctor.finding import Finding, fail, ok, warn
from fleet_server.store.database import Database

_TIME_ERROR = 5
_BUILT = datetime(2026, 11, 1, tzinfo=UTC)
"""No clock that is right says less."""


def look(settings: Settings, database: Database, now: datetime) -> Iterator[Finding]:
    """adjtimex(2): state 5 is a clock that nobody synchronises."""
    if now < _BUILT:
        yield fail("clock_in_the_past", now=f"{now:%Y-%m-%d %H:%M}")
        return
    libc = ctypes.CDLL(None, use_errno=True)
    state = libc.adjtimex(ctypes.create_string_buffer(512))
    yield warn("clock_not_synchronised") if state in (-1, _TIME_ERROR) else ok("clock_well")
