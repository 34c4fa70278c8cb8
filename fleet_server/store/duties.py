"""Queries about who is on duty."""

from sqlalchemy import Connection, insert, select

from fleet_server.domain.readiness import Duty
from fleet_server.store.tables import duties
from wire.ids import uuid7


def add(db: Connection, site: str, duty: Duty) -> None:
    """Somebody has confirmed to be on duty."""
    db.execute(
        insert(duties).values(
            id=uuid7(), site=site, name=duty.name, phone=duty.phone, at=round(duty.at * 1000),
            until=round(duty.until * 1000),
        )
    )  # fmt: skip


def not_ended(db: Connection, now: float) -> dict[str, Duty]:
    """Site -> who is on duty there, the last to confirm."""
    rows = db.execute(select(duties).where(duties.c.until > round(now * 1000)).order_by(duties.c.id))
    return {row.site: Duty(row.name, row.phone, row.at / 1000, row.until / 1000) for row in rows}
