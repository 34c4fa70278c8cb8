"""Queries about sessions, their decisions and waivers."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, insert, select

from fleet_server.domain.gate import Waiver
from fleet_server.domain.sessions import Session
from fleet_server.store.database import millis, moment
from fleet_server.store.tables import decisions, session_sites, sessions, waivers
from wire.ids import uuid7


class DecisionRow(Struct, frozen=True):
    """Who decided what, when, and on which verdicts (JSON)."""

    decision: str
    by: str
    reason: str
    at: datetime
    rests_on: str


def add(db: Connection, session: Session) -> None:
    """A new session with its sites."""
    db.execute(
        insert(sessions).values(
            id=session.id, title=session.title, kind=session.kind, chair=session.chair,
            starts_at=millis(session.starts_at), ends_at=millis(session.ends_at),
        )
    )  # fmt: skip
    db.execute(insert(session_sites), [{"session": session.id, "site": site} for site in session.sites])


def not_ended(db: Connection, now: datetime) -> list[Session]:
    """Sessions that run or are to come, by their start."""
    rows = db.execute(select(sessions).where(sessions.c.ends_at > millis(now)).order_by(sessions.c.starts_at))
    return _with_sites(db, rows.all())


def newest(db: Connection, most: int) -> list[Session]:
    """The latest sessions, those to come first."""
    return _with_sites(db, db.execute(select(sessions).order_by(sessions.c.starts_at.desc()).limit(most)).all())


def find(db: Connection, session: str) -> Session | None:
    """A session by its id."""
    found = _with_sites(db, db.execute(select(sessions).where(sessions.c.id == session)).all())
    return found[0] if found else None


def decide(db: Connection, session: str, decision: DecisionRow, granted: Iterable[Waiver]) -> None:
    """Write a decision and the waivers that it grants, together."""
    db.execute(
        insert(decisions).values(
            id=uuid7(), session=session, decision=decision.decision, by=decision.by, reason=decision.reason,
            at=millis(decision.at), rests_on=decision.rests_on,
        )
    )  # fmt: skip
    for waiver in granted:
        db.execute(
            insert(waivers).values(
                id=uuid7(), session=session, site=waiver.site, check=waiver.check, reason=waiver.reason,
                by=waiver.by, until=millis(waiver.until),
            )
        )  # fmt: skip


def last_decision(db: Connection, session: str) -> DecisionRow | None:
    """The decision that stands."""
    table = decisions.c
    row = db.execute(
        select(table.decision, table.by, table.reason, table.at, table.rests_on)
        .where(table.session == session)
        .order_by(table.at.desc(), table.id.desc())
        .limit(1)
    ).first()
    return DecisionRow(row[0], row[1], row[2], moment(row[3]), row[4]) if row else None


def waivers_of(db: Connection, session: str) -> list[Waiver]:
    """Every waiver that was granted for a session."""
    table = waivers.c
    rows = db.execute(
        select(table.site, table.check, table.reason, table.by, table.until).where(table.session == session)
    )
    return [Waiver(row[0], row[1], row[2], row[3], moment(row[4])) for row in rows]


def _with_sites(db: Connection, rows: Iterable[Any]) -> list[Session]:
    listed = list(rows)
    members: dict[str, list[str]] = {row[0]: [] for row in listed}
    where = session_sites.c.session.in_(list(members))
    for session, site in db.execute(select(session_sites).where(where).order_by(session_sites.c.site)):
        members[session].append(site)
    return [
        Session(row[0], row[1], row[2], row[3], moment(row[4]), moment(row[5]), tuple(members[row[0]]))
        for row in listed
    ]
