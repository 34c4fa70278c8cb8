"""Who may read our keys, and how much room there is for what comes."""

import shutil
from collections.abc import Iterator
from datetime import datetime

from fleet_server.config import Settings
from fleet_server.doctor.finding import Finding, fail, ok, warn
from fleet_server.store.database import Database

_LEAST_BYTES, _SMALL_BYTES = 200_000_000, 2_000_000_000


def look(settings: Settings, database: Database, now: datetime) -> Iterator[Finding]:
    """Modes of everything that is secret; free space where the database lies."""
    secret = [
        settings.folder / "fleet.db", *settings.keys_folder.glob("*"), *settings.authority_folder.glob("*.key"),
        *settings.broker_folder.glob("*.key"),
    ]  # fmt: skip
    others = [str(file) for file in secret if file.is_file() and file.stat().st_mode & 0o007]
    if others:
        yield fail("others_may_read", files=", ".join(others[:5]))
    free = shutil.disk_usage(settings.folder).free
    if free < _SMALL_BYTES:
        level = fail if free < _LEAST_BYTES else warn
        yield level("disk_small", folder=str(settings.folder), free_gb=round(free / 1e9, 1))
    elif not others:
        yield ok("files_well")
