"""Queries about links in messages, by which an incident can be acknowledged without signing in."""

from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select, update

from fleet_server.store.alert_tables import ack_links
from fleet_server.store.database import millis, moment


class AckLink(Struct, frozen=True):
    """Good for one incident, by the name that the message went to, once."""

    hash: str
    incident: int
    name: str
    expires_at: datetime


def add(db: Connection, link: AckLink, now: datetime) -> None:
    """A new one; those that have run out are let go of."""
    db.execute(delete(ack_links).where(ack_links.c.expires_at < millis(now)))
    values = {name: getattr(link, name) for name in link.__struct_fields__}
    db.execute(insert(ack_links).values(values | {"expires_at": millis(link.expires_at), "used": False}))


def find(db: Connection, hash: str, now: datetime) -> AckLink | None:
    """One that is still good."""
    good = (ack_links.c.hash == hash) & (ack_links.c.expires_at > millis(now)) & ack_links.c.used.is_(False)
    row = db.execute(select(ack_links).where(good)).first()
    return AckLink(row.hash, row.incident, row.name, moment(row.expires_at)) if row is not None else None


def use(db: Connection, hash: str) -> bool:
    """Whether it was good until now; it is not any more."""
    fresh = (ack_links.c.hash == hash) & ack_links.c.used.is_(False)
    return db.execute(update(ack_links).where(fresh).values(used=True)).rowcount == 1
