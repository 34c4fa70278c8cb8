"""Commands of diemcau-server that keep it well: backup, restore, doctor."""

import argparse

from fleet_server.config import Settings
from fleet_server.doctor.examine import examine
from fleet_server.keeping.backup import backup as write_backup
from fleet_server.keeping.backup import restore as read_backup
from fleet_server.keeping.lock import the_only_one
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
    with the_only_one(settings.folder):
        parts = read_backup(settings, given.file, replace=given.replace)
    print(translate(given.lang, "backup.restored", file=given.file, count=len(parts)))
    return 0


def doctor(settings: Settings, given: argparse.Namespace) -> int:
    """Say what is wrong and what to do; 1 when something is."""
    worst = 0
    for found in examine(settings, SystemClock().now()):
        print(f"{_SIGN[found.level]} {translate(given.lang, f'doctor.{found.key}', **found.params)}")
        worst = max(worst, found.level == "fail")
    return worst


_SIGN = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}
