"""The agent's database: log and journal in one file, so that a step and its log entry are one commit.

SQLite with WAL and synchronous=FULL: power cuts are normal in these rooms.
"""

import logging
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge_agent.errors import StoreBroken
from wire.ids import uuid7

log = logging.getLogger("diemcau.store")

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log (n INTEGER PRIMARY KEY, entry BLOB NOT NULL, is_event INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS journal (
    command TEXT PRIMARY KEY, device TEXT NOT NULL, action TEXT NOT NULL, state TEXT NOT NULL, mark TEXT,
    received_at TEXT NOT NULL
) WITHOUT ROWID;
"""


_RESERVE_BYTES = 4 << 20
"""Kept free for us by a file of this size: recordings fill the disk that we write to, and the room is to say so."""
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Transactions:
    """One SQLite connection, one lock; `write` is a transaction that is committed when it ends."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """`db` has the tables of `SCHEMA`. Where it is empty it gets a log id of its own."""
        self._db = db
        self._lock = threading.RLock()
        with self.write() as change:
            change.execute("INSERT OR IGNORE INTO meta VALUES ('log_id', ?), ('next_n', '1')", (uuid7(),))

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction; nested calls of the same thread join the outer one. Raises sqlite3.Error."""
        with self._lock:
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self._on_failure(error)
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """The connection, for questions."""
        with self._lock:
            yield self._db

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._db.close()

    def _on_failure(self, error: BaseException) -> None:
        """A transaction was rolled back."""


class Store(Transactions):
    """`room.db` in the agent's folder: what a `write` has changed is on the disk when it ends."""

    def __init__(self, folder: Path) -> None:
        """Raises StoreBroken. A damaged file is put aside, `was_replaced`: another begins, with another log."""
        self.was_replaced = False
        file, self._reserve = folder / "room.db", folder / "reserve"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                db = _opened(file)
            except sqlite3.DatabaseError as error:
                if _code_of(error) in _FULL and self._use_reserve():
                    db = _opened(file)
                elif _code_of(error) not in _DAMAGED:
                    raise
                else:
                    db, self.was_replaced = self._replaced(file, error), True
            self._keep_reserve()
        except (OSError, sqlite3.Error) as error:
            raise StoreBroken(f"{folder}: the agent's store cannot be opened ({error}); see disk and rights") from error
        super().__init__(db)

    def _on_failure(self, error: BaseException) -> None:
        if isinstance(error, sqlite3.Error) and _code_of(error) in _FULL:
            self._use_reserve()  # for what is to be written next

    def beat(self) -> None:
        """Write something and read what waits, so that whoever asks knows that it can be. Raises sqlite3.Error."""
        with self.write() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES ('beat', ?)", (uuid7(),))
            db.execute("SELECT entry FROM log ORDER BY n LIMIT 50").fetchall()
        self._keep_reserve()

    def _keep_reserve(self) -> None:
        """Only where there is plenty: what is left of a full disk is for whoever needs it now."""
        with suppress(OSError):
            if not self._reserve.exists() and shutil.disk_usage(self._reserve.parent).free > 4 * _RESERVE_BYTES:
                with self._reserve.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, _RESERVE_BYTES)

    def _use_reserve(self) -> bool:
        """Whether there was one to give away."""
        with suppress(OSError):
            self._reserve.unlink()
            log.error("disk_full folder=%s: what was kept for us is in use now", self._reserve.parent)
            return True
        return False

    @staticmethod
    def _replaced(file: Path, error: sqlite3.Error) -> sqlite3.Connection:
        log.error("store_damaged file=%s error=%s", file, error)
        for end in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                file.with_name(file.name + end).replace(file.with_name(f"{file.name}.damaged{end}"))
        return _opened(file)


def _opened(file: Path) -> sqlite3.Connection:
    """Raises sqlite3.Error, also where it opens and is damaged."""
    db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
    try:
        db.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000;"
            "PRAGMA trusted_schema=OFF; PRAGMA cache_size=-500;" + SCHEMA
        )
        (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            damaged = sqlite3.DatabaseError(found)
            damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damaged
    except BaseException:
        db.close()
        raise
    return db


def _code_of(error: sqlite3.Error) -> int:
    """SQLite's own, without what is said beside it; 0 for what Python says by itself."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF
