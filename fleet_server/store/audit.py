"""The audit: rows that are only ever added, each with a hash over itself and the row before."""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, insert, select

from fleet_server.store.database import millis, moment, without_nul
from fleet_server.store.tables import audit

START = "0" * 64
_DETAILS = msgspec.json.Encoder(order="sorted")


class AuditRow(Struct, frozen=True):
    """Who did what, where, and what came of it."""

    n: int
    at: datetime
    by: str
    origin: str
    act: str
    site: str | None
    outcome: str
    """`done`, or `refused`."""
    details: dict[str, Any]
    hash: str = ""


def add(
    db: Connection, at: datetime, by: str, act: str, outcome: str, *, origin: str = "", site: str | None = None,
    details: dict[str, Any] | None = None,
) -> AuditRow:  # fmt: skip
    """One more row. The caller's transaction is the only writer."""
    last = db.execute(select(audit.c.n, audit.c.hash).order_by(audit.c.n.desc()).limit(1)).first()
    row = AuditRow(
        (last.n if last else 0) + 1, moment(millis(at)), without_nul(by[:120]), without_nul(origin[:64]), act[:64],
        site, outcome, details or {},
    )  # fmt: skip
    hashed = msgspec.structs.replace(row, hash=hash_of(row, last.hash if last else START))
    values = msgspec.structs.asdict(hashed) | {"at": millis(at), "details": _DETAILS.encode(row.details).decode()}
    db.execute(insert(audit).values(values))
    return hashed


def hash_of(row: AuditRow, before: str) -> str:
    """SHA-256 over the hash before and the row as JSON with sorted keys."""
    told = [row.n, millis(row.at), row.by, row.origin, row.act, row.site, row.outcome, row.details]
    return hashlib.sha256(before.encode() + _DETAILS.encode(told)).hexdigest()


def rows(db: Connection, after: int = 0, most: int | None = None) -> Iterator[AuditRow]:
    """In the order of their making."""
    question = select(audit).where(audit.c.n > after).order_by(audit.c.n).limit(most)
    for row in db.execute(question):
        yield _row(row)


def newest(db: Connection, most: int, before: int | None = None) -> list[AuditRow]:
    """The last rows, newest first."""
    question = select(audit).order_by(audit.c.n.desc()).limit(most)
    if before is not None:
        question = question.where(audit.c.n < before)
    return [_row(row) for row in db.execute(question)]


def has(db: Connection, hash: str) -> bool:
    """Whether a row has this hash."""
    return db.execute(select(audit.c.n).where(audit.c.hash == hash)).first() is not None


class Verified(Struct, frozen=True):
    """What the chain says."""

    rows: int
    last: str
    """Hash of the last good row: kept elsewhere, it shows later whether rows at the end were taken away."""
    broken: int | None = None
    """Number of the first row that is not as it was written, or that should be there and is not."""


def verify(db: Connection) -> Verified:
    """Walk along the whole chain."""
    count, last = 0, START
    for row in rows(db):
        if row.n != count + 1 or row.hash != hash_of(row, last):
            return Verified(count, last, count + 1)
        count, last = row.n, row.hash
    return Verified(count, last)


def _row(row: Any) -> AuditRow:
    values = dict(row._mapping)
    return AuditRow(**values | {"at": moment(values["at"]), "details": msgspec.json.decode(values["details"])})
