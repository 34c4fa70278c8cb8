"""Queries about minutes."""

from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, func, insert, select

from fleet_server.store.database import millis, moment
from fleet_server.store.session_tables import minutes


class MinuteRow(Struct, frozen=True):
    """One minute that was made. Its file is fetched by itself."""

    id: str
    session: str
    number: int
    year: int
    at: datetime
    by: str
    sha256: str


def next_number(db: Connection, year: int) -> int:
    """The next of a year. The caller's transaction is the only writer."""
    last = db.execute(select(func.max(minutes.c.number)).where(minutes.c.year == year)).scalar()
    return (last or 0) + 1


def add(db: Connection, row: MinuteRow, pdf: bytes) -> None:
    """A new one with its file."""
    values = {name: getattr(row, name) for name in row.__struct_fields__} | {"at": millis(row.at), "pdf": pdf}
    db.execute(insert(minutes).values(values))


def of_session(db: Connection, session: str) -> list[MinuteRow]:
    """Those of a session, the last one first."""
    columns = [minutes.c[name] for name in MinuteRow.__struct_fields__]
    rows = db.execute(select(*columns).where(minutes.c.session == session).order_by(minutes.c.at.desc()))
    return [MinuteRow(**dict(row._mapping) | {"at": moment(row.at)}) for row in rows]


def find(db: Connection, id: str) -> tuple[MinuteRow, bytes] | None:
    """One by its id, with its file."""
    row = db.execute(select(minutes).where(minutes.c.id == id)).first()
    if row is None:
        return None
    known = MinuteRow(row.id, row.session, row.number, row.year, moment(row.at), row.by, row.sha256)
    return known, row.pdf
