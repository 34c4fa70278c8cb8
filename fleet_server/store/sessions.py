"""Queries about sessions as they are planned."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, delete, insert, select, update

from fleet_server.domain.sessions import Needs, Session
from fleet_server.store.database import millis, moment
from fleet_server.store.session_tables import session_sites, sessions

_TIMES = ("starts_at", "ends_at", "planned_at", "cancelled_at")
_LISTS = ("stages_min", "spares")


def add(db: Connection, session: Session) -> None:
    """A new session with its sites."""
    db.execute(insert(sessions).values(_values(session)))
    _add_sites(db, session)


def change(db: Connection, session: Session) -> None:
    """The session as it is planned now."""
    db.execute(update(sessions).where(sessions.c.id == session.id).values(_values(session)))
    db.execute(delete(session_sites).where(session_sites.c.session == session.id))
    _add_sites(db, session)


def days_of_series(db: Connection, series: str) -> set[str]:
    """The days of a series that have had their session, also those that were cancelled or moved."""
    return set(db.execute(select(sessions.c.series_day).where(sessions.c.series == series)).scalars())


def not_ended(db: Connection, now: datetime) -> list[Session]:
    """Sessions that run or are to come, by their start; those that were cancelled are not among them."""
    open_ones = (sessions.c.ends_at > millis(now)) & sessions.c.cancelled_at.is_(None)
    return _with_sites(db, select(sessions).where(open_ones).order_by(sessions.c.starts_at, sessions.c.id))


def no_more(db: Connection, now: datetime, before: Session | None, most: int) -> list[Session]:
    """Sessions that are over or were cancelled, the latest first; with `before` those that stand behind it."""
    wanted = select(sessions).where((sessions.c.ends_at <= millis(now)) | sessions.c.cancelled_at.is_not(None))
    if before is not None:
        at = millis(before.starts_at)
        same = (sessions.c.starts_at == at) & (sessions.c.id < before.id)
        wanted = wanted.where((sessions.c.starts_at < at) | same)
    return _with_sites(db, wanted.order_by(sessions.c.starts_at.desc(), sessions.c.id.desc()).limit(most))


def between(db: Connection, first: datetime, last: datetime, most: int = 5_000) -> list[Session]:
    """Sessions that begin in this time, by their start."""
    in_it = (sessions.c.starts_at >= millis(first)) & (sessions.c.starts_at < millis(last))
    return _with_sites(db, select(sessions).where(in_it).order_by(sessions.c.starts_at, sessions.c.id).limit(most))


def cancelled_before(db: Connection, now: datetime, before: datetime) -> list[Session]:
    """Sessions that would not have ended yet, would begin before a moment, and were cancelled."""
    ahead = (sessions.c.ends_at > millis(now)) & (sessions.c.starts_at < millis(before))
    return _with_sites(db, select(sessions).where(ahead & sessions.c.cancelled_at.is_not(None)))


def ended_between(db: Connection, first: datetime, last: datetime) -> list[Session]:
    """Sessions that have ended in this time, by their end."""
    in_it = (sessions.c.ends_at >= millis(first)) & (sessions.c.ends_at < millis(last))
    return _with_sites(db, select(sessions).where(in_it).order_by(sessions.c.ends_at, sessions.c.id))


def find(db: Connection, session: str) -> Session | None:
    """A session by its id."""
    found = _with_sites(db, select(sessions).where(sessions.c.id == session))
    return found[0] if found else None


def rehearsals_of(db: Connection, session: str) -> list[Session]:
    """The rehearsals that try out a session, the first one first."""
    return _with_sites(db, select(sessions).where(sessions.c.rehearses == session).order_by(sessions.c.starts_at))


def _add_sites(db: Connection, session: Session) -> None:
    db.execute(insert(session_sites), [{"session": session.id, "site": site} for site in session.sites])


def _values(session: Session) -> dict[str, Any]:
    values = {name: getattr(session, name) for name in session.__struct_fields__ if name != "sites"}
    for name in _TIMES:
        values[name] = millis(values[name]) if values[name] is not None else None
    for name in (*_LISTS, "needs"):
        values[name] = msgspec.json.encode(values[name]).decode()
    return values


def _with_sites(db: Connection, question: Select[Any]) -> list[Session]:
    rows = db.execute(question).all()
    members: dict[str, list[str]] = {row.id: [] for row in rows}
    where = session_sites.c.session.in_(list(members))
    for session, site in db.execute(select(session_sites).where(where).order_by(session_sites.c.site)):
        members[session].append(site)
    return [_session(row._mapping, members[row.id]) for row in rows]


def _session(row: Any, sites: Iterable[str]) -> Session:
    values = dict(row) | {"sites": tuple(sites)}
    for name in _TIMES:
        values[name] = moment(values[name]) if values[name] is not None else None
    for name in _LISTS:
        values[name] = tuple(msgspec.json.decode(values[name]))
    return Session(**values | {"needs": msgspec.json.decode(values["needs"], type=Needs)})
