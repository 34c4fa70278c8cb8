"""The databases that tests use: SQLite in the test's folder, or a database of its own in a PostgreSQL started for it.

`DIEMCAU_TEST_DATABASE=postgresql` lets every test that asks here run on PostgreSQL.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import text

from device_drivers.loopback import free_port
from fleet_server.config import url_of
from fleet_server.store import schema
from fleet_server.store.database import Database, engine_of
from tests.counterparts.waiting import wait_for

CHOICE = "DIEMCAU_TEST_DATABASE"
_BIN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
_QUICK = "fsync=off,synchronous_commit=off,full_page_writes=off,max_connections=200"


def postgres_is_there() -> bool:
    """Whether its programs are on this machine."""
    return bool(_BIN)


class Postgres:
    """A server of our own, on a free port of 127.0.0.1, as a user who is not root; it ends with this process."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="dc-pg-"))
        self.port = free_port()
        self._as = ["setpriv", "--pdeathsig=TERM"]  # it ends with us, however we end
        if os.geteuid() == 0:
            self._as += ["--reuid=postgres", "--regid=postgres", "--init-groups"]
            shutil.chown(self.folder, "postgres", "postgres")
        data = str(self.folder / "data")
        self._run("initdb", "-D", data, "-U", "diemcau", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        settings = [part for each in _QUICK.split(",") for part in ("-c", each)]
        self._child = subprocess.Popen(
            [
                *self._as, str(_BIN[0] / "postgres"), "-D", data, "-p", str(self.port), "-h", "127.0.0.1", "-k", "",
                *settings,
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, cwd=self.folder,
        )  # fmt: skip
        wait_for(self._answers, 30, "PostgreSQL does not start")

    def database(self, name: str) -> str:
        """An empty one, made anew where it is not there; its address."""
        with psycopg.connect(self._address("postgres"), autocommit=True) as db:
            if db.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
                db.execute(f'CREATE DATABASE "{name}"')
        return f"postgresql://diemcau@127.0.0.1:{self.port}/{name}"

    def stop(self) -> None:
        """At once; nothing of it is kept."""
        self._child.terminate()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _address(self, name: str) -> str:
        return f"postgresql://diemcau@127.0.0.1:{self.port}/{name}"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._address("postgres"), connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as, str(_BIN[0] / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=60, cwd=self.folder)


@cache
def postgres() -> Postgres:
    """One for each process of tests; `tests/conftest.py` stops it."""
    return Postgres()


def url_in(folder: Path) -> str:
    """Where a test's server with this folder keeps what it knows: always the same for a folder."""
    if os.environ.get(CHOICE) != "postgresql":
        return f"sqlite:///{folder / 'fleet.db'}"
    return postgres().database(f"t{hashlib.sha256(str(folder).encode()).hexdigest()[:24]}")


def database_in(folder: Path) -> Database:
    """The same, opened. A new SQLite file is a copy of one that every revision has made."""
    file = folder / "fleet.db"
    if os.environ.get(CHOICE) != "postgresql" and not file.exists():
        file.write_bytes(_made_by_every_revision())
    return Database(url_of(url_in(folder), {}))


@cache
def _made_by_every_revision() -> bytes:
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "fleet.db"
        Database(f"sqlite:///{file}").close()
        return file.read_bytes()


def rows_in(folder: Path, statement: str, **values: object) -> list[tuple[Any, ...]]:
    """What a test's database answers, beside a server that may run."""
    engine = engine_of(url_of(url_in(folder), {}))
    try:
        with engine.connect() as db:
            return [tuple(row) for row in db.execute(text(statement), values)]
    finally:
        engine.dispose()


def change_in(folder: Path, *statements: str, **values: object) -> int:
    """As time or another hand would change it; how many rows the last statement has changed."""
    engine = engine_of(url_of(url_in(folder), {}))
    try:
        with engine.begin() as db:
            return [db.execute(text(statement), values).rowcount for statement in statements][-1]
    finally:
        engine.dispose()


def everything_in(folder: Path) -> bytes:
    """All that it holds, for a look whether a secret is in it: the file with its journal, or every row as text."""
    if os.environ.get(CHOICE) != "postgresql":
        return b"".join(file.read_bytes() for file in folder.glob("fleet.db*"))
    rows = [row for table in schema.tables() for row in rows_in(folder, f'SELECT * FROM "{table.name}"')]
    return repr(rows).encode()
