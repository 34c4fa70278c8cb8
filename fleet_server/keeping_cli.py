"""Commands of diemcau-server that keep it well: backup, restore, migrate, move-database, doctor."""

import argparse
import os

from fleet_server.config import Settings, url_of
from fleet_server.doctor.examine import examine
from fleet_server.keeping.backup import MOMENT
from fleet_server.keeping.backup import backup as write_backup
from fleet_server.keeping.backup import restore as read_backup
from fleet_server.keeping.lock import alone_in, the_only_one
from fleet_server.keeping.moving import move
from fleet_server.store import schema
from fleet_server.store.database import engine_of
from fleet_server.texts import translate
from wire.times import SystemClock


def backup(settings: Settings, given: argparse.Namespace) -> int:
    """Write a backup; the server may run."""
    parts = write_backup(settings, given.file, with_authority=given.with_authority, now=SystemClock().now())
    key = "backup.written_with_keys" if given.with_authority else "backup.written"
    print(translate(given.lang, key, file=given.file, count=len(parts)))
    return 0


def restore(settings: Settings, given: argparse.Namespace) -> int:
    """Put a backup in place; the server must not run."""
    with the_only_one(settings.folder), alone_in(settings.database):
        parts = read_backup(settings, given.file, replace=given.replace, now=SystemClock().now())
    print(translate(given.lang, "backup.restored", file=given.file, count=len(parts)))
    return 0


def migrate(settings: Settings, given: argparse.Namespace) -> int:
    """Bring the database to this release, with a backup first; the server must not run."""
    with the_only_one(settings.folder), alone_in(settings.database):
        engine = engine_of(settings.database)
        try:
            with engine.begin() as connection:
                was, missing = schema.revision_of(connection), schema.pending(connection)
            if not missing:
                print(translate(given.lang, "migrate.nothing", revision=was))
                return 0
            if was is not None:
                now = SystemClock().now()
                file = settings.folder / "backups" / f"before-{missing[-1]}-{now:{MOMENT}}.zip"
                file.parent.mkdir(exist_ok=True, mode=0o700)
                write_backup(settings, file, with_authority=False, now=now)
                print(translate(given.lang, "backup.written", file=file, count=1))
            with engine.begin() as connection:
                schema.upgrade(connection)
        finally:
            engine.dispose()
    print(translate(given.lang, "migrate.done", was=was or "0", revision=missing[-1]))
    return 0


def move_database(settings: Settings, given: argparse.Namespace) -> int:
    """Copy everything into an empty database and compare it; the server must not run."""
    target = url_of(given.url, os.environ)
    with the_only_one(settings.folder), alone_in(settings.database), alone_in(target):
        moved = move(settings.database, target, lambda part: print(f"{part.table}: {part.rows}", flush=True))
    print(translate(given.lang, "move.done", tables=len(moved), rows=sum(part.rows for part in moved), url=given.url))
    return 0


def doctor(settings: Settings, given: argparse.Namespace) -> int:
    """Say what is wrong and what to do; 1 when something is."""
    worst = 0
    for found in examine(settings, SystemClock().now()):
        print(f"{_SIGN[found.level]} {translate(given.lang, f'doctor.{found.key}', **found.params)}")
        worst = max(worst, found.level == "fail")
    return worst


_SIGN = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}
