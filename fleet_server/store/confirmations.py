"""Queries about what people confirm: who is on duty, what they have ticked off, and the links by which they do it."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select, update

from fleet_server.store.database import millis, moment
from fleet_server.store.session_tables import duties, invitations, sessions, ticks
from fleet_server.store.upsert import upsert
from wire.ids import uuid7


class Duty(Struct, frozen=True):
    """Somebody has said that they are in the room and look after it; times are seconds since the epoch."""

    name: str
    phone: str
    at: float
    until: float


class DutyRow(Struct, frozen=True):
    """The same with its room."""

    site: str
    duty: Duty


class Tick(Struct, frozen=True):
    """One thing that somebody in the room has seen to."""

    session: str
    site: str
    item: str
    by: str
    at: datetime


class Invitation(Struct, frozen=True):
    """A link for one person, one room, one session. Code and key are kept as hashes."""

    hash: str
    session: str
    site: str
    name: str
    phone: str
    by: str
    made_at: datetime
    expires_at: datetime
    opened_at: datetime | None = None
    key_hash: str | None = None


def add_duty(db: Connection, site: str, duty: Duty) -> None:
    """Somebody has confirmed to be on duty."""
    db.execute(
        insert(duties).values(
            id=uuid7(), site=site, name=duty.name, phone=duty.phone, at=round(duty.at * 1000),
            until=round(duty.until * 1000),
        )
    )  # fmt: skip


def duties_that_last(db: Connection, now: float) -> dict[str, Duty]:
    """Site -> who is on duty there, the last to confirm."""
    rows = db.execute(select(duties).where(duties.c.until > round(now * 1000)).order_by(duties.c.id))
    return {row.site: Duty(row.name, row.phone, row.at / 1000, row.until / 1000) for row in rows}


def duties_between(db: Connection, sites: Collection[str], since: datetime, until: datetime) -> list[DutyRow]:
    """Who was on duty in these rooms in this time, the first to confirm first."""
    then = (duties.c.at < millis(until)) & (duties.c.until > millis(since))
    rows = db.execute(select(duties).where(then & duties.c.site.in_(list(sites))).order_by(duties.c.at))
    return [DutyRow(row.site, Duty(row.name, row.phone, row.at / 1000, row.until / 1000)) for row in rows]


def put_tick(db: Connection, tick: Tick) -> None:
    """Something was seen to; the last to say so stands."""
    upsert(db, ticks, ["session", "site", "item"], [_values(tick)])


def drop_tick(db: Connection, session: str, site: str, item: str) -> None:
    """It is not so any more."""
    db.execute(delete(ticks).where((ticks.c.session == session) & (ticks.c.site == site) & (ticks.c.item == item)))


def ticks_of(db: Connection, session: str) -> list[Tick]:
    """What was ticked off for a session."""
    return [_tick(row) for row in db.execute(select(ticks).where(ticks.c.session == session).order_by(ticks.c.at))]


def ticks_not_ended(db: Connection, now: datetime) -> list[Tick]:
    """The same for every session that runs or is to come."""
    open_ones = select(sessions.c.id).where(sessions.c.ends_at > millis(now))
    return [_tick(row) for row in db.execute(select(ticks).where(ticks.c.session.in_(open_ones)))]


def add_invitation(db: Connection, row: Invitation) -> None:
    """A new one; earlier ones of the same person for the same room and session are void."""
    void = (
        (invitations.c.session == row.session) & (invitations.c.site == row.site) & (invitations.c.name == row.name)
    )  # fmt: skip
    db.execute(delete(invitations).where(void))
    db.execute(insert(invitations).values(_values(row)))


def open_invitation(db: Connection, hash: str, key_hash: str, now: datetime) -> Invitation | None:
    """Take a link that nobody has opened yet and that has not run out, for whoever has this key; None for others."""
    unopened = (
        (invitations.c.hash == hash) & invitations.c.opened_at.is_(None) & (invitations.c.expires_at > millis(now))
    )
    opened = update(invitations).where(unopened).values(opened_at=millis(now), key_hash=key_hash)
    return find_invitation(db, hash) if db.execute(opened).rowcount == 1 else None


def find_invitation(db: Connection, hash: str) -> Invitation | None:
    """The one with this code."""
    row = db.execute(select(invitations).where(invitations.c.hash == hash)).first()
    return _invitation(row._mapping) if row else None


def invitation_of_key(db: Connection, key_hash: str, now: datetime) -> Invitation | None:
    """The one that was opened with this key and has not run out."""
    mine = (invitations.c.key_hash == key_hash) & (invitations.c.expires_at > millis(now))
    row = db.execute(select(invitations).where(mine)).first()
    return _invitation(row._mapping) if row else None


def invitations_of(db: Connection, session: str) -> list[Invitation]:
    """Every link that was made for a session."""
    rows = db.execute(select(invitations).where(invitations.c.session == session).order_by(invitations.c.made_at))
    return [_invitation(row._mapping) for row in rows]


_MOMENTS = ("at", "made_at", "expires_at", "opened_at")


def _values(row: Struct) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in row.__struct_fields__}
    return values | {name: millis(values[name]) for name in _MOMENTS if values.get(name) is not None}


def _tick(row: Any) -> Tick:
    return Tick(row.session, row.site, row.item, row.by, moment(row.at))


def _invitation(row: Any) -> Invitation:
    values = dict(row)
    return Invitation(**values | {name: moment(values[name]) for name in _MOMENTS if values.get(name) is not None})
