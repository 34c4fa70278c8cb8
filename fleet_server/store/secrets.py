"""Queries about the passwords of rooms' equipment, which the database holds sealed."""

from datetime import datetime

from sqlalchemy import Connection, delete, select

from fleet_server.store.database import millis
from fleet_server.store.tables import secrets
from fleet_server.store.upsert import upsert


def all_secrets(db: Connection) -> dict[tuple[str, str], str]:
    """Site and name -> what is sealed."""
    return {(row[0], row[1]): row[2] for row in db.execute(select(secrets.c.site, secrets.c.name, secrets.c.sealed))}


def put(db: Connection, site: str, name: str, sealed: str, at: datetime, by: str) -> None:
    """It replaces the one before."""
    row = {"site": site, "name": name, "sealed": sealed, "at": millis(at), "by": by}
    upsert(db, secrets, ("site", "name"), [row])


def drop(db: Connection, site: str, name: str) -> bool:
    """Whether there was one."""
    return db.execute(delete(secrets).where((secrets.c.site == site) & (secrets.c.name == name))).rowcount == 1
