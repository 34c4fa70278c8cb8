"""Queries about sessions that come again."""

from datetime import date, datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, insert, select, update

from fleet_server.domain.series import Rhythm
from fleet_server.store.database import millis
from fleet_server.store.session_tables import series


class SeriesRow(Struct, frozen=True):
    """What comes again. Its sessions are rows of their own; a day that has had one gets no other."""

    id: str
    title: str
    chair: str
    rhythm: Rhythm
    begins: str
    """Hour and minute in the province's time, `08:00`."""
    length_min: int
    first: date
    last: date | None
    sites: tuple[str, ...]
    by: str


def add(db: Connection, row: SeriesRow) -> bool:
    """A new series; False where there is one with its id."""
    if db.execute(select(series.c.id).where(series.c.id == row.id)).first() is not None:
        return False
    values = {name: getattr(row, name) for name in row.__struct_fields__}
    days = {"first": row.first.isoformat(), "last": row.last.isoformat() if row.last else None}
    lists = {name: msgspec.json.encode(values[name]).decode() for name in ("rhythm", "sites")}
    db.execute(insert(series).values(values | days | lists))
    return True


def going_on(db: Connection) -> list[SeriesRow]:
    """Series that nobody has ended."""
    return [_row(row) for row in db.execute(select(series).where(series.c.ended_at.is_(None)).order_by(series.c.id))]


def end(db: Connection, id: str, now: datetime) -> bool:
    """No further session of it is planned; False where there is none to end."""
    going = (series.c.id == id) & series.c.ended_at.is_(None)
    return db.execute(update(series).where(going).values(ended_at=millis(now))).rowcount == 1


def _row(row: Any) -> SeriesRow:
    return SeriesRow(
        row.id, row.title, row.chair, msgspec.json.decode(row.rhythm, type=Rhythm), row.begins, row.length_min,
        date.fromisoformat(row.first), date.fromisoformat(row.last) if row.last else None,
        tuple(msgspec.json.decode(row.sites)), row.by,
    )  # fmt: skip
