"""Backups: is there one of last night?"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from fleet_server.config import Settings
from fleet_server.doctor.finding import Finding, fail, ok, warn
from fleet_server.keeping.nightly import FILE, OVERDUE, age_of
from fleet_server.store.database import Database


def look(settings: Settings, database: Database, now: datetime) -> Iterator[Finding]:
    """The age of the nightly one."""
    age, file = age_of(settings.folder, now), settings.folder / FILE
    if age is None:
        yield warn("backup_none", file=file)
        return
    hours = round(age / timedelta(hours=1))
    yield fail("backup_old", file=file, hours=hours) if age > OVERDUE else ok("backup_well", hours=hours)
