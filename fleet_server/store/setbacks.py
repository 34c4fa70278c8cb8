"""Queries about what became worse in a session after the decision to go."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, insert, select, update

from fleet_server.domain.findings import Outcome
from fleet_server.domain.setbacks import Key, Trouble
from fleet_server.store.database import millis, moment
from fleet_server.store.session_tables import setbacks
from wire.ids import uuid7


class SetbackRow(Struct, frozen=True):
    """One setback, from first sight to cleared."""

    session: str
    site: str
    trouble: Trouble
    opened_at: datetime
    cleared_at: datetime | None


def open_them(db: Connection, session: str, site: str, troubles: Iterable[Trouble], at: datetime) -> None:
    """New ones."""
    for trouble in troubles:
        values = {"id": uuid7(), "session": session, "site": site, "opened_at": millis(at)}
        db.execute(insert(setbacks).values(values | _of(trouble)))


def worsen(db: Connection, session: str, site: str, troubles: Iterable[Trouble]) -> None:
    """The open one says now what is worse."""
    for trouble in troubles:
        of_it = _is_open(session, site, (trouble.check, trouble.device))
        db.execute(update(setbacks).where(of_it).values(_of(trouble)))


def clear(db: Connection, session: str, site: str, keys: Iterable[Key], at: datetime) -> None:
    """They are over."""
    for key in keys:
        db.execute(update(setbacks).where(_is_open(session, site, key)).values(cleared_at=millis(at)))


def of_session(db: Connection, session: str) -> list[SetbackRow]:
    """All of a session, the last one first."""
    last_first = (setbacks.c.opened_at.desc(), setbacks.c.id.desc())
    rows = db.execute(select(setbacks).where(setbacks.c.session == session).order_by(*last_first))
    return [
        SetbackRow(
            row.session, row.site,
            Trouble(row.check, row.device, Outcome(row.outcome), row.key, msgspec.json.decode(row.params)),
            moment(row.opened_at), moment(row.cleared_at) if row.cleared_at is not None else None,
        )
        for row in rows
    ]  # fmt: skip


def _is_open(session: str, site: str, key: Key) -> ColumnElement[bool]:
    return (
        (setbacks.c.session == session) & (setbacks.c.site == site) & (setbacks.c.check == key[0])
        & (setbacks.c.device == key[1]) & setbacks.c.cleared_at.is_(None)
    )  # fmt: skip


def _of(trouble: Trouble) -> dict[str, Any]:
    return {
        "check": trouble.check, "device": trouble.device, "outcome": str(trouble.outcome), "key": trouble.key,
        "params": msgspec.json.encode(trouble.params).decode(),
    }  # fmt: skip
