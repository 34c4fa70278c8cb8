"""The agent's database: log and journal in one file, so that a step and its log entry are one commit.

SQLite with WAL and synchronous=FULL: power cuts are normal in these rooms.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_agent.errors import StoreBroken
from wire.ids import uuid7

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log (n INTEGER PRIMARY KEY, entry BLOB NOT NULL, is_event INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS journal (
    command TEXT PRIMARY KEY, device TEXT NOT NULL, action TEXT NOT NULL, state TEXT NOT NULL, mark TEXT,
    received_at TEXT NOT NULL
) WITHOUT ROWID;
"""


class Store:
    """One connection, one lock; `write` is a transaction that is on the disk when it ends."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = sqlite3.connect(folder / "room.db", check_same_thread=False, isolation_level=None)
            self._db.executescript(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000;"
                "PRAGMA trusted_schema=OFF; PRAGMA cache_size=-500;" + _SCHEMA
            )
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
        """Write something, so that whoever asks knows that it can be written. Raises sqlite3.Error."""
        with self.write() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES ('beat', ?)", (uuid7(),))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
