"""One server to a folder, and to a database: a second one, or a restore under a running one, would spoil them."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from fleet_server.errors import WrongSettings
from fleet_server.store.database import engine_of

_SERVERS = 0x63617501  # "cau", 1
"""The key of the advisory lock that a server holds as long as it runs."""


@contextmanager
def the_only_one(folder: Path) -> Iterator[None]:
    """Holds the folder until the block ends. Raises WrongSettings when somebody else does."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "server.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise WrongSettings("settings.folder_in_use", folder=str(folder)) from error
        yield


@contextmanager
def alone_in(url: str) -> Iterator[None]:
    """Holds a PostgreSQL database until the block ends; SQLite's lies in the folder. Raises WrongSettings."""
    engine = engine_of(url)
    if engine.dialect.name != "postgresql":
        engine.dispose()
        yield
        return
    try:
        held = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        is_ours = held.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _SERVERS}).scalar_one()
    except SQLAlchemyError as error:
        engine.dispose()
        detail = str(getattr(error, "orig", error)).strip().splitlines()[:1]
        raise WrongSettings("settings.no_database", detail=" ".join(detail)[:200]) from error
    try:
        if not is_ours:
            raise WrongSettings("settings.database_in_use", database=engine.url.database)
        yield
    finally:
        held.close()
        engine.dispose()
