"""Whether the database takes anything."""

from datetime import datetime

from sqlalchemy import Connection

from fleet_server.store.beat_tables import beats
from fleet_server.store.database import millis
from fleet_server.store.upsert import upsert


def beat(db: Connection, name: str, at: datetime) -> None:
    """Write that it does."""
    upsert(db, beats, ["name"], [{"name": name, "at": millis(at)}])
