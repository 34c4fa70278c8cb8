"""The only doors to the database: `read` and `write`, each a plain function run in a thread of its own kind.

One writer at a time. SQLite: WAL, synchronous=FULL, BEGIN IMMEDIATE; a write is on the disk when it returns.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event

T = TypeVar("T")

_READERS = 4
_READER = "store-read"
_PRAGMAS = (
    "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA busy_timeout=5000", "PRAGMA foreign_keys=ON",
    "PRAGMA trusted_schema=OFF",
)  # fmt: skip


class Database:
    """A migrated database."""

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        _migrate(self._engine, url)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-write")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix=_READER)

    async def read(self, question: Callable[[Connection], T]) -> T:
        """The answer to a question, off the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, question)

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Make a change in one transaction, off the loop; committed when this returns."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self.write_now, change)

    def read_now(self, question: Callable[[Connection], T]) -> T:
        """`read` for a caller without a loop."""
        with self._engine.connect() as connection:
            return question(connection)

    def write_now(self, change: Callable[[Connection], T]) -> T:
        """`write` for a caller without a loop."""
        with self._engine.begin() as connection:
            return change(connection)

    def close(self) -> None:
        """Finish what is under way and close."""
        self._writer.shutdown()
        self._readers.shutdown()
        self._engine.dispose()


def millis(moment: datetime) -> int:
    """A time as the tables keep it."""
    return round(moment.timestamp() * 1000)


def moment(at_ms: int) -> datetime:
    """A time as the domain has it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _engine(url: str) -> Engine:
    engine = create_engine(url, hide_parameters=True)  # or names and telephone numbers stand in the log of a failure
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def set_up(connection: Any, _record: Any) -> None:
            connection.isolation_level = None
            for pragma in _PRAGMAS:
                connection.execute(pragma)

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN" if _only_reads() else "BEGIN IMMEDIATE")

    return engine


def _only_reads() -> bool:
    """A question need not wait for the writer, and has threads of its own."""
    return threading.current_thread().name.startswith(_READER)


def _migrate(engine: Engine, url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
