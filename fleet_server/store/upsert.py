"""Insert or replace, in the words of either database."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(
    db: Connection, table: Table, keys: Sequence[str], rows: Sequence[dict[str, Any]], adding: Collection[str] = ()
) -> None:
    """Write rows; one with known keys replaces the old one, but for the columns that are added to what they hold."""
    statement: Any = (postgresql if db.dialect.name == "postgresql" else sqlite).insert(table)
    new = statement.excluded
    changed = {column.name: new[column.name] for column in table.columns if column.name not in keys}
    changed |= {name: table.c[name] + new[name] for name in adding}
    db.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=changed), list(rows))
