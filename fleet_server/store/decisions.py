"""Queries about what was found of a session's rooms at a moment, and what was decided on it."""

import zlib
from collections.abc import Iterable
from datetime import datetime

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, insert, select

from fleet_server.domain.gate import Gate, Waiver
from fleet_server.domain.readiness import CheckResult, Verdict
from fleet_server.store.database import millis, moment
from fleet_server.store.session_tables import decisions, snapshots, waivers
from wire.ids import uuid7


class DecisionRow(Struct, frozen=True):
    """Who decided what, when, and on which verdicts (JSON)."""

    decision: str
    by: str
    reason: str
    at: datetime
    rests_on: str
    snapshot: str | None = None


class SiteFound(Struct, frozen=True):
    """One site of a snapshot."""

    site: str
    verdict: Verdict
    admitted: bool
    report_at: float | None
    checks: tuple[CheckResult, ...]


class SnapshotRow(Struct, frozen=True):
    """A gate as it was at a moment, with every check that was asked."""

    id: str
    session: str
    at: datetime
    go: bool
    sites: tuple[SiteFound, ...]


_DECODER = msgspec.msgpack.Decoder(tuple[SiteFound, ...])


def add_snapshot(db: Connection, session: str, gate: Gate, at: datetime) -> str:
    """Keep a gate; its id. Packed: a province's session has some four thousand checks each time."""
    found = tuple(
        SiteFound(entry.site, entry.verdict, entry.admitted, entry.report_at, entry.checks) for entry in gate.sites
    )
    id, packed = uuid7(), zlib.compress(msgspec.msgpack.encode(found), 6)
    db.execute(insert(snapshots).values(id=id, session=session, at=millis(at), go=gate.go, sites=packed))
    return id


def find_snapshot(db: Connection, snapshot: str) -> SnapshotRow | None:
    """A snapshot by its id."""
    row = db.execute(select(snapshots).where(snapshots.c.id == snapshot)).first()
    if row is None:
        return None
    return SnapshotRow(row.id, row.session, moment(row.at), row.go, _DECODER.decode(zlib.decompress(row.sites)))


def standing_snapshot(db: Connection, session: str) -> SnapshotRow | None:
    """That on which the decision rests; where nobody decided, the newest."""
    decision = last_decision(db, session)
    if decision is not None and decision.snapshot is not None:
        return find_snapshot(db, decision.snapshot)
    newest = select(snapshots.c.id).where(snapshots.c.session == session).order_by(snapshots.c.at.desc()).limit(1)
    found = db.execute(newest).scalar()
    return find_snapshot(db, found) if found is not None else None


def decide(db: Connection, session: str, decision: DecisionRow, granted: Iterable[Waiver]) -> None:
    """Write a decision and the waivers that it grants, together."""
    db.execute(
        insert(decisions).values(
            id=uuid7(), session=session, decision=decision.decision, by=decision.by, reason=decision.reason,
            at=millis(decision.at), rests_on=decision.rests_on, snapshot=decision.snapshot,
        )
    )  # fmt: skip
    for waiver in granted:
        db.execute(
            insert(waivers).values(
                id=uuid7(), session=session, site=waiver.site, check=waiver.check, reason=waiver.reason,
                by=waiver.by, until=millis(waiver.until),
            )
        )  # fmt: skip


def decisions_of(db: Connection, session: str) -> list[DecisionRow]:
    """Every decision about a session, the last one last."""
    table = decisions.c
    rows = db.execute(
        select(table.decision, table.by, table.reason, table.at, table.rests_on, table.snapshot)
        .where(table.session == session)
        .order_by(table.at, table.id)
    )
    return [DecisionRow(row[0], row[1], row[2], moment(row[3]), row[4], row[5]) for row in rows]


def last_decision(db: Connection, session: str) -> DecisionRow | None:
    """The decision that stands."""
    found = decisions_of(db, session)
    return found[-1] if found else None


def last_decisions(db: Connection, sessions: Iterable[str]) -> dict[str, DecisionRow]:
    """Session -> the decision that stands, for those that have one."""
    table = decisions.c
    rows = db.execute(
        select(table.session, table.decision, table.by, table.reason, table.at, table.rests_on, table.snapshot)
        .where(table.session.in_(list(sessions)))
        .order_by(table.at, table.id)
    )
    return {row[0]: DecisionRow(row[1], row[2], row[3], moment(row[4]), row[5], row[6]) for row in rows}


def waivers_of(db: Connection, session: str) -> list[Waiver]:
    """Every waiver that was granted for a session."""
    table = waivers.c
    rows = db.execute(
        select(table.site, table.check, table.reason, table.by, table.until).where(table.session == session)
    )
    return [Waiver(row[0], row[1], row[2], row[3], moment(row[4])) for row in rows]
