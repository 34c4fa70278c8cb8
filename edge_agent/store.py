"""The agent's database: log and journal in one file, so that a step and its log entry are one commit.

SQLite with WAL and synchronous=FULL: power cuts are normal in these rooms.
"""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge_agent.errors import StoreBroken
from wire.ids import uuid7

log = logging.getLogger("diemcau.store")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log (n INTEGER PRIMARY KEY, entry BLOB NOT NULL, is_event INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS journal (
    command TEXT PRIMARY KEY, device TEXT NOT NULL, action TEXT NOT NULL, state TEXT NOT NULL, mark TEXT,
    received_at TEXT NOT NULL
) WITHOUT ROWID;
"""


_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Store:
    """One connection, one lock; `write` is a transaction that is on the disk when it ends."""

    def __init__(self, folder: Path) -> None:
        """Raises StoreBroken. A damaged file is put aside, `was_replaced`: another begins, with another log."""
        self.was_replaced = False
        file = folder / "room.db"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                self._db = _opened(file)
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode not in _DAMAGED:
                    raise
                log.error("store_damaged file=%s error=%s", file, error)
                for end in ("", "-wal", "-shm"):
                    with suppress(FileNotFoundError):
                        file.with_name(file.name + end).replace(file.with_name(f"{file.name}.damaged{end}"))
                self._db, self.was_replaced = _opened(file), True
        except (OSError, sqlite3.Error) as error:
            raise StoreBroken(f"{folder}: the agent's store cannot be opened ({error}); see disk and rights") from error
        self._lock = threading.RLock()
        with self.write() as db:
            db.execute("INSERT OR IGNORE INTO meta VALUES ('log_id', ?), ('next_n', '1')", (uuid7(),))

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
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """The connection, for questions."""
        with self._lock:
            yield self._db

    def beat(self) -> None:
        """Write something and read what waits, so that whoever asks knows that it can be. Raises sqlite3.Error."""
        with self.write() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES ('beat', ?)", (uuid7(),))
            db.execute("SELECT entry FROM log ORDER BY n LIMIT 50").fetchall()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def _opened(file: Path) -> sqlite3.Connection:
    """Raises sqlite3.Error, also where it opens and is damaged."""
    db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
    try:
        db.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000;"
            "PRAGMA trusted_schema=OFF; PRAGMA cache_size=-500;" + _SCHEMA
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
