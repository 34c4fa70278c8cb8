"""Runs every look there is."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime

from fleet_server.config import Settings
from fleet_server.discovery import modules_in
from fleet_server.doctor.finding import Finding
from fleet_server.store.database import Database


def examine(settings: Settings, now: datetime) -> Iterator[Finding]:
    """All findings, look by look."""
    with closing(Database(settings.database)) as database:
        for module in modules_in("fleet_server.doctor.looks"):
            yield from module.look(settings, database, now)
