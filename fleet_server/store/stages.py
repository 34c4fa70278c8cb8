"""Queries about the stages of sessions: which were begun, which have ended, and what they found."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, insert, select, update

from fleet_server.domain.stages import Stage
from fleet_server.store.database import millis, moment
from fleet_server.store.session_tables import stages


class StageRow(Struct, frozen=True):
    """One stage that was begun, or that was missed."""

    session: str
    stage: Stage
    began_at: datetime
    ended_at: datetime | None = None
    late: bool = False
    missed: bool = False
    snapshot: str | None = None


def begin(db: Connection, row: StageRow) -> bool:
    """Write down that a stage begins, or was missed; False where that stands there already."""
    if _find(db, row.session, row.stage) is not None:
        return False
    values = {name: getattr(row, name) for name in ("session", "late", "missed", "snapshot")}
    times = {"began_at": millis(row.began_at), "ended_at": millis(row.ended_at) if row.ended_at else None}
    db.execute(insert(stages).values(**values, **times, **_key(row.stage)))
    return True


def end(db: Connection, session: str, stage: Stage, snapshot: str, at: datetime) -> bool:
    """Write down what a stage found; False where it has ended before, and then nothing is changed."""
    open_one = _is(session, stage) & stages.c.ended_at.is_(None)
    return db.execute(update(stages).where(open_one).values(ended_at=millis(at), snapshot=snapshot)).rowcount == 1


def ended(db: Connection, sessions: Collection[str]) -> dict[str, set[Stage]]:
    """Session -> its stages that have an end, or were missed."""
    found: dict[str, set[Stage]] = {}
    question = select(stages).where(stages.c.session.in_(list(sessions)) & stages.c.ended_at.is_not(None))
    for row in db.execute(question):
        found.setdefault(row.session, set()).add(Stage(moment(row.due_at), row.minutes_before))
    return found


def without_end(db: Connection) -> list[StageRow]:
    """Every stage that was begun and has no end."""
    return [
        _row(row) for row in db.execute(select(stages).where(stages.c.ended_at.is_(None)).order_by(stages.c.due_at))
    ]


def of_session(db: Connection, session: str) -> list[StageRow]:
    """Every stage that was begun or missed, by its time."""
    rows = db.execute(select(stages).where(stages.c.session == session).order_by(stages.c.due_at))
    return [_row(row) for row in rows]


def _row(row: Any) -> StageRow:
    return StageRow(
        row.session, Stage(moment(row.due_at), row.minutes_before), moment(row.began_at),
        moment(row.ended_at) if row.ended_at is not None else None, row.late, row.missed, row.snapshot,
    )  # fmt: skip


def _find(db: Connection, session: str, stage: Stage) -> str | None:
    found = db.execute(select(stages.c.session).where(_is(session, stage))).first()
    return found[0] if found else None


def _is(session: str, stage: Stage) -> ColumnElement[bool]:
    key = _key(stage)
    return (
        (stages.c.session == session)
        & (stages.c.minutes_before == key["minutes_before"])
        & (stages.c.due_at == key["due_at"])
    )


def _key(stage: Stage) -> dict[str, int]:
    return {"minutes_before": stage.minutes_before, "due_at": millis(stage.due_at)}
