"""Insert or replace, in the words of either database."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(db: Connection, table: Table, keys: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Write rows; one with known keys replaces the old one."""
    statement: Any = (postgresql if db.dialect.name == "postgresql" else sqlite).insert(table)
    changed = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    db.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=changed), list(rows))
