"""A backup is one zip file: the database as it is at one moment, the map, the province's profiles, and a list with the
SHA-256 of each. The authority and our keys are in it only when asked for: whoever has them can speak in our name.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from sqlalchemy import inspect, make_url

from fleet_server.config import Settings
from fleet_server.durable import put_in_place, sync
from fleet_server.errors import BadFile
from fleet_server.store.database import engine_of
from wire.times import rfc3339

_FORM = "diemcau-backup-1"
_LIST = "list.json"
_DATABASE, _DUMP = "fleet.db", "fleet.pgdump"
MOMENT = "%Y%m%dT%H%M%S.%fZ"
_MOST_BYTES = 50_000_000_000
_BLOCK = 1 << 20
_EMPTY = """
DO $$ DECLARE each text; BEGIN
  FOR each IN SELECT format('TABLE %I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'public'
    UNION ALL SELECT 'ROUTINE ' || oid::regprocedure FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  LOOP EXECUTE format('DROP %s CASCADE', each); END LOOP;
END $$
"""
"""The database is the server's own: every table and routine of it goes."""


def backup(settings: Settings, file: Path, *, with_authority: bool, now: datetime) -> list[str]:
    """Write a backup beside a running server; the names of what is in it. Raises BadFile, OSError."""
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=file.resolve().parent) as name:
        folder = Path(name)
        _copy_database(settings, folder)
        parts = {part.name: part for part in folder.iterdir()}
        parts |= dict(_files(settings, with_authority))
        new = file.with_name(f".{file.name}.new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as book:
            listed = {}
            for part, path in sorted(parts.items()):
                book.write(path, part)
                listed[part] = _hash_of(path)
            told = {"form": _FORM, "at": rfc3339(now), "with_authority": with_authority, "parts": listed}
            book.writestr(_LIST, json.dumps(told, indent=1))
        _checked(new)  # what was written is read back before it counts
        put_in_place(new, file)
    return sorted(parts)


def restore(settings: Settings, file: Path, *, replace: bool, now: datetime) -> list[str]:
    """Put a backup in place of what is there, which is kept beside it; what was restored.

    Files are kept under their name and the moment, what PostgreSQL holds as a backup in `backups`.
    Raises BadFile for a file that is damaged, none of ours or of another kind of database, and where something is there
    and `replace` was not said.
    """
    listed = _checked(file)
    if (_DUMP if _is_postgres(settings) else _DATABASE) not in listed:
        raise BadFile("backup.other_database", file=str(file), database=make_url(settings.database).get_backend_name())
    there = [part for part in listed if _is_there(settings, part)]
    if there and not replace:
        raise BadFile("backup.something_there", folder=str(settings.folder), parts=", ".join(there[:5]))
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if _DUMP in there:
        kept = settings.folder / "backups" / f"replaced-{now:{MOMENT}}.zip"
        kept.parent.mkdir(exist_ok=True, mode=0o700)
        backup(settings, kept, with_authority=False, now=now)
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=settings.folder) as name:
        with zipfile.ZipFile(file) as book:
            for part in listed:
                target = Path(name) / part
                target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                with book.open(part) as source, open(target, "wb", opener=_private) as out:
                    shutil.copyfileobj(source, out, _BLOCK)
                sync(target)
        if _DATABASE in listed:
            _check_sqlite(Path(name) / _DATABASE)
        if _DUMP in listed:
            _restore_postgres(settings, Path(name) / _DUMP)
        for part in listed:
            if part != _DUMP:
                _replace(settings.folder / part, Path(name) / part, f"before-restore-{now:{MOMENT}}")
    return listed


def _is_there(settings: Settings, part: str) -> bool:
    if part != _DUMP:
        return (settings.folder / part).exists()
    engine = engine_of(settings.database)
    try:
        with engine.connect() as connection:
            return bool(inspect(connection).get_table_names())
    finally:
        engine.dispose()


def _files(settings: Settings, with_authority: bool) -> Iterator[tuple[str, Path]]:
    folders = [settings.profiles_folder]
    if with_authority:
        folders += [settings.authority_folder, settings.keys_folder]
    for path in [settings.map_file, *(file for folder in folders for file in sorted(folder.rglob("*")))]:
        if path.is_file():
            yield str(path.relative_to(settings.folder)), path


def _copy_database(settings: Settings, folder: Path) -> None:
    if _is_postgres(settings):
        _run_postgres("pg_dump", settings, "--format=custom", f"--file={folder / _DUMP}")
        return
    url = make_url(settings.database)
    source, target = sqlite3.connect(f"file:{url.database}?mode=ro", uri=True), sqlite3.connect(folder / _DATABASE)
    with source, target:
        source.backup(target)  # all at once: between two steps a server that writes would have it begin anew, for ever
    source.close()
    target.close()
    _check_sqlite(folder / _DATABASE)


def _is_postgres(settings: Settings) -> bool:
    return make_url(settings.database).get_backend_name() == "postgresql"


def _restore_postgres(settings: Settings, dump: Path) -> None:
    """All or nothing. What a newer release has added goes too: it may refer to what is made anew, and must be able to
    come again.
    """
    script = dump.with_suffix(".sql")
    _run_postgres("pg_restore", settings, "--no-owner", f"--file={script}", str(dump), connected=False)
    _run_postgres(
        "psql", settings, "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1",
        f"--command={_EMPTY}", f"--file={script}",
    )  # fmt: skip


def _check_sqlite(file: Path) -> None:
    database = sqlite3.connect(file)
    try:
        found = database.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.DatabaseError as error:
        found = str(error)
    finally:
        database.close()
    if found != "ok":
        raise BadFile("backup.damaged", file=str(file), detail=str(found)[:200])


def _run_postgres(program: str, settings: Settings, *arguments: str, connected: bool = True) -> None:
    """PostgreSQL's own programs; the password goes by the environment, for a command line is seen by everybody."""
    url = make_url(settings.database)
    environment = {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password is not None else {})}
    address = url.set(drivername="postgresql", password=None).render_as_string()
    target = [f"--dbname={address}"] if connected else []
    try:
        subprocess.run([program, *target, *arguments], check=True, capture_output=True, env=environment, timeout=3_600)
    except (OSError, subprocess.SubprocessError) as error:
        detail = getattr(error, "stderr", b"") or str(error).encode()
        raise BadFile(
            "backup.program_failed", program=program, detail=detail.decode(errors="replace")[-300:]
        ) from error


def _checked(file: Path) -> list[str]:
    """The parts of a backup, each of which is as it was written. Raises BadFile, OSError."""
    try:
        with zipfile.ZipFile(file) as book:
            told = json.loads(book.read(_LIST))
            parts: dict[str, str] = told["parts"]
            if told["form"] != _FORM or set(book.namelist()) != {*parts, _LIST}:
                raise ValueError("its list does not fit")
            for part, wanted in parts.items():
                inside = Path(part)
                if inside.is_absolute() or ".." in inside.parts or book.getinfo(part).file_size > _MOST_BYTES:
                    raise ValueError(f"{part}: no name of ours")
                with book.open(part) as source:
                    found = _digest(source)
                if found != wanted:
                    raise ValueError(f"{part}: is not as it was written")
    except (PermissionError, FileNotFoundError):
        raise
    except Exception as error:
        raise BadFile("backup.damaged", file=str(file), detail=f"{type(error).__name__}: {error}"[:200]) from error
    return sorted(parts)


def _replace(target: Path, new: Path, kept_as: str) -> None:
    """The old file stays beside the new one, and what an earlier restore has kept stays too."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for end in ("", "-wal", "-shm"):  # what SQLite has committed last may lie beside its file
        old = target.with_name(f"{target.name}{end}")
        if old.exists():
            old.replace(target.with_name(f"{target.name}.{kept_as}{end}"))
    put_in_place(new, target)


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return _digest(file)


def _digest(source: IO[bytes]) -> str:
    found = hashlib.sha256()
    while block := source.read(_BLOCK):
        found.update(block)
    return found.hexdigest()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
