"""The only doors to the database: `read` and `write`, each a plain function run in a thread of its own kind.

One writer at a time, also among programs. SQLite: WAL, synchronous=FULL, BEGIN IMMEDIATE. PostgreSQL: whoever writes
holds an advisory lock until it has committed. A write is on the disk when it returns; a question sees one moment.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from fleet_server.errors import WrongSettings
from fleet_server.store import schema

T = TypeVar("T")

_FIRST_MS, _LAST_MS = (
    round(datetime(*day, tzinfo=UTC).timestamp()) * 1_000 for day in ((1, 1, 2), (9999, 12, 30))
)  # fmt: skip

_READERS = 4
_READER = "store-read"
_WRITERS = 0x6469656D  # "diem"
"""The key of the advisory lock that writers take turns by."""
_PRAGMAS = (
    "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA busy_timeout=5000", "PRAGMA foreign_keys=ON",
    "PRAGMA trusted_schema=OFF",
)  # fmt: skip


class Database:
    """A database at the newest revision; an empty one is brought there.

    Raises WrongSettings where its tables are of another release: `diemcau-server migrate` keeps a backup first.
    """

    def __init__(self, url: str) -> None:
        self._engine = engine_of(url)
        try:
            with self._engine.begin() as connection:
                if (missing := schema.pending(connection)) and schema.revision_of(connection) is not None:
                    raise WrongSettings("settings.database_is_older", count=len(missing))
                if missing:
                    schema.upgrade(connection)
        except SQLAlchemyError as error:
            detail = str(getattr(error, "orig", error)).strip().splitlines()[:1]
            raise WrongSettings("settings.no_database", detail=" ".join(detail)[:200]) from error
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
    """A time as the domain has it; one beyond the years that there are is the first or the last of them."""
    return datetime.fromtimestamp(min(max(at_ms, _FIRST_MS), _LAST_MS) / 1000, UTC)


def engine_of(url: str) -> Engine:
    """How the database is spoken to."""
    engine = create_engine(url, hide_parameters=True)  # or names and telephone numbers stand in the log of a failure
    if engine.dialect.name == "sqlite":
        _by_sqlite(engine)
    else:
        _by_postgresql(engine)
    return engine


def _by_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in _PRAGMAS:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if _only_reads() else "BEGIN IMMEDIATE")


def _by_postgresql(engine: Engine) -> None:
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if _only_reads():
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        else:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def keep_nul_away(_c: Any, _cursor: Any, said: str, given: Any, _context: Any, _many: bool) -> tuple[str, Any]:
        # A text of PostgreSQL's holds no NUL (datatype-character.html); who sends one must not stop what others say.
        return said, [_storable(each) for each in given] if isinstance(given, list) else _storable(given)


def without_nul(text: str) -> str:
    """As any of our databases can keep it."""
    return text.replace("\0", "\ufffd")


def _storable(given: Any) -> Any:
    if isinstance(given, dict) and any(isinstance(value, str) and "\0" in value for value in given.values()):
        return {name: without_nul(value) if isinstance(value, str) else value for name, value in given.items()}
    return given


def _only_reads() -> bool:
    """A question need not wait for the writer, and has threads of its own."""
    return threading.current_thread().name.startswith(_READER)
