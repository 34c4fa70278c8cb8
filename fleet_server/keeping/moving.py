"""From one database into another, such as from SQLite to PostgreSQL: every row, compared, or nothing at all."""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Table, func, insert, select, tuple_

from fleet_server.errors import BadFile
from fleet_server.store import schema
from fleet_server.store.database import engine_of

_AT_ONCE = 500


class Moved(Struct, frozen=True):
    """One table."""

    table: str
    rows: int


def move(source_url: str, target_url: str, say: Callable[[Moved], None] = lambda _: None) -> list[Moved]:
    """Copy all tables into an empty database, in one transaction there; the source is only read.

    Raises BadFile where the target holds anything, and for a row that is not the same on both sides.
    """
    source_engine, target_engine = engine_of(source_url), engine_of(target_url)
    try:
        with source_engine.connect() as source, target_engine.begin() as target:
            if schema.pending(source):
                raise BadFile("move.older")
            if schema.revision_of(target) is not None:
                raise BadFile("move.not_empty")
            schema.upgrade(target)
            moved = []
            for table in schema.tables():
                _copy(source, target, table)
                moved.append(Moved(table.name, _same(source, target, table)))
                say(moved[-1])
            return moved
    finally:
        source_engine.dispose()
        target_engine.dispose()


def _copy(source: Connection, target: Connection, table: Table) -> None:
    for rows in _rows(source, table):
        target.execute(insert(table), [dict(row) for row in rows])


def _same(source: Connection, target: Connection, table: Table) -> int:
    """How many rows there are, once each was compared."""
    counts = [db.execute(select(func.count()).select_from(table)).scalar_one() for db in (source, target)]
    if counts[0] != counts[1]:
        raise BadFile("move.differs", table=table.name, detail=f"{counts[0]} / {counts[1]}")
    keys = list(table.primary_key)
    for rows in _rows(source, table):
        wanted = {tuple(row[key.name] for key in keys): row for row in rows}
        asked = select(table).where(tuple_(*keys).in_(list(wanted)))
        found = {tuple(row[key.name] for key in keys): dict(row) for row in target.execute(asked).mappings()}
        for key, row in wanted.items():
            if found.get(key) != row:
                raise BadFile("move.differs", table=table.name, detail=str(key)[:100])
    return int(counts[0])


def _rows(db: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    found = db.execute(select(table).execution_options(yield_per=_AT_ONCE))
    for part in found.mappings().partitions(_AT_ONCE):
        yield [dict(row) for row in part]
