"""Which tables there are, at which revision a database is, and the way forward (Alembic).

A server that starts on a database of its own release asks for the revision and no more: loading Alembic takes longer
than all of that, so only whoever goes forward does.
"""

import pkgutil
from importlib import import_module
from pathlib import Path

from sqlalchemy import Connection, Table, column, inspect, select, table

import fleet_server.store
from fleet_server.errors import WrongSettings
from fleet_server.store.tables import metadata

_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION = table("alembic_version", column("version_num"))


def tables() -> list[Table]:
    """All of them, each after those that it refers to."""
    for entry in pkgutil.iter_modules(fleet_server.store.__path__):
        if entry.name.endswith("tables"):
            import_module(f"fleet_server.store.{entry.name}")
    return list(metadata.sorted_tables)


def revisions() -> list[str]:
    """From the first to the newest: the numbers that the files begin with."""
    return sorted(file.name[:4] for file in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def revision_of(connection: Connection) -> str | None:
    """Where a database is; None for an empty one."""
    if not inspect(connection).has_table(_VERSION.name):
        return None
    found: str | None = connection.execute(select(_VERSION.c.version_num)).scalar()
    return found


def pending(connection: Connection) -> list[str]:
    """Revisions that it has yet to take. Raises WrongSettings for one that a newer release has changed."""
    known, now = revisions(), revision_of(connection)
    if now is None:
        return known
    if now not in known:
        raise WrongSettings("settings.database_is_newer", revision=now, newest=known[-1])
    return known[known.index(now) + 1 :]


def upgrade(connection: Connection, to: str = "head") -> None:
    """Forwards, in the caller's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
