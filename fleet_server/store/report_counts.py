"""How often rooms and checks appear in the record of sessions."""

from datetime import datetime

from sqlalchemy import Connection, func, select

from fleet_server.domain.reports import Alerted, Used
from fleet_server.store.alert_tables import incidents, notifications
from fleet_server.store.database import millis, moment
from fleet_server.store.session_tables import session_sites, sessions, setbacks, waivers


def used_between(db: Connection, first: datetime, last: datetime) -> dict[str, Used]:
    """Site -> sessions that began there in this time, and what became worse in them."""
    began = sessions.c.starts_at.between(millis(first), millis(last) - 1)
    held = began & sessions.c.cancelled_at.is_(None) & sessions.c.is_rehearsal.is_(False)
    counted = select(session_sites.c.site, func.count()).join(sessions, sessions.c.id == session_sites.c.session)
    of_sessions: dict[str, int] = dict(db.execute(counted.where(held).group_by(session_sites.c.site)).all())
    worse = select(setbacks.c.site, func.count()).join(sessions, sessions.c.id == setbacks.c.session)
    of_setbacks: dict[str, int] = dict(db.execute(worse.where(held).group_by(setbacks.c.site)).all())
    return {site: Used(count, of_setbacks.get(site, 0)) for site, count in of_sessions.items()}


def waived_between(db: Connection, first: datetime, last: datetime) -> dict[tuple[str, str], int]:
    """Site and check -> how often the check was waived for a session that began in this time."""
    began = sessions.c.starts_at.between(millis(first), millis(last) - 1)
    counted = select(waivers.c.site, waivers.c.check, func.count()).join(sessions, sessions.c.id == waivers.c.session)
    rows = db.execute(counted.where(began).group_by(waivers.c.site, waivers.c.check))
    return {(site, check): count for site, check, count in rows}


def alerted_between(db: Connection, first: datetime, last: datetime) -> list[tuple[str | None, Alerted]]:
    """Site and incident, of those that were opened in this time and that somebody was told of."""
    sent = (
        select(notifications.c.incident, func.count().label("messages"))
        .where(notifications.c.state == "sent").group_by(notifications.c.incident).subquery()
    )  # fmt: skip
    opened = incidents.c.opened_at.between(millis(first), millis(last) - 1)
    rows = db.execute(
        select(incidents.c.site, incidents.c.opened_at, incidents.c.acknowledged_at, sent.c.messages)
        .join(sent, sent.c.incident == incidents.c.number).where(opened)
    )  # fmt: skip
    return [
        (row.site, Alerted(
            moment(row.opened_at), row.messages,
            moment(row.acknowledged_at) if row.acknowledged_at is not None else None,
        ))
        for row in rows
    ]  # fmt: skip
