"""Queries about incidents."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, func, insert, select

from fleet_server.domain.causes import Cause
from fleet_server.domain.findings import Outcome
from fleet_server.domain.priorities import Priority
from fleet_server.domain.setbacks import Key
from fleet_server.store.alert_tables import incident_steps, incidents
from fleet_server.store.database import millis, moment
from fleet_server.store.upsert import upsert

_TIMES = ("opened_at", "cleared_at", "acknowledged_at", "snoozed_until")


class IncidentRow(Struct, frozen=True):
    """One incident."""

    number: int
    site: str | None
    """None: of the centre, or of the whole fleet."""
    cause: Cause
    priority: Priority
    session: str | None
    """The session that is at stake."""
    opened_at: datetime
    spells: int = 1
    """How often it came, until now."""
    cleared_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    assigned_to: str = ""
    snoozed_until: datetime | None = None
    told: int = 0
    """The highest priority at which people were told; 0: nobody was."""

    @property
    def place(self) -> tuple[str | None, Key]:
        """What it is about."""
        return self.site, self.cause.key


class IncidentStep(Struct, frozen=True):
    """One line of its story."""

    at: datetime
    what: str
    by: str = ""
    note: str = ""


def next_number(db: Connection) -> int:
    """The number of a new one."""
    return (db.execute(select(func.max(incidents.c.number))).scalar() or 0) + 1


def save(db: Connection, rows: Iterable[IncidentRow]) -> None:
    """New ones, and those that are otherwise now."""
    if values := [_values(row) for row in rows]:
        upsert(db, incidents, ["number"], values)


def add_steps(db: Connection, steps: Sequence[tuple[int, IncidentStep]]) -> None:
    """More lines of their stories, by number."""
    if not steps:
        return
    about = incident_steps.c.incident.in_({number for number, _ in steps})
    newest = select(incident_steps.c.incident, func.max(incident_steps.c.nr)).where(about)
    last: dict[int, int] = dict(db.execute(newest.group_by(incident_steps.c.incident)).all())
    values = []
    for number, step in steps:
        last[number] = last.get(number, 0) + 1
        values.append({
            "incident": number, "nr": last[number], "at": millis(step.at), "what": step.what, "by": step.by,
            "note": step.note,
        })  # fmt: skip
    db.execute(insert(incident_steps), values)


def steps_of(db: Connection, number: int) -> list[IncidentStep]:
    """Its story, from the beginning."""
    rows = db.execute(
        select(incident_steps).where(incident_steps.c.incident == number).order_by(incident_steps.c.nr)
    )  # fmt: skip
    return [IncidentStep(moment(row.at), row.what, row.by, row.note) for row in rows]


def find(db: Connection, number: int) -> IncidentRow | None:
    """One by its number."""
    row = db.execute(select(incidents).where(incidents.c.number == number)).first()
    return _incident(row) if row is not None else None


def open_ones(db: Connection) -> list[IncidentRow]:
    """All that are open, the oldest first."""
    return _all(db.execute(select(incidents).where(incidents.c.cleared_at.is_(None)).order_by(incidents.c.number)))


def cleared_since(db: Connection, since: datetime) -> list[IncidentRow]:
    """Those that were cleared since then: they may come back."""
    cleared = incidents.c.cleared_at >= millis(since)
    return _all(db.execute(select(incidents).where(cleared).order_by(incidents.c.number)))


def newest(db: Connection, most: int, site: str | None = None) -> list[IncidentRow]:
    """The last ones, cleared or not; of one site where one is named."""
    question = select(incidents).order_by(incidents.c.number.desc()).limit(most)
    return _all(db.execute(question.where(incidents.c.site == site) if site is not None else question))


def _all(rows: Iterable[Row[Any]]) -> list[IncidentRow]:
    return [_incident(row) for row in rows]


def _values(row: IncidentRow) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in row.__struct_fields__ if name not in ("cause", "priority")}
    for name in _TIMES:
        values[name] = millis(values[name]) if values[name] is not None else None
    cause = row.cause
    return values | {
        "check": cause.key[0], "device": cause.key[1], "outcome": str(cause.outcome), "counts": cause.counts,
        "role": cause.role, "says": cause.says, "params": msgspec.json.encode(cause.params).decode(),
        "held": msgspec.json.encode(cause.held).decode(), "priority": int(row.priority),
    }  # fmt: skip


def _incident(row: Row[Any]) -> IncidentRow:
    held = tuple((check, device) for check, device in msgspec.json.decode(row.held))
    cause = Cause(
        (row.check, row.device), Outcome(row.outcome), row.counts, row.role, row.says, msgspec.json.decode(row.params),
        held,
    )  # fmt: skip
    opened, *others = (moment(at) if (at := getattr(row, name)) is not None else None for name in _TIMES)
    assert opened is not None
    cleared, acknowledged, snoozed = others
    return IncidentRow(
        row.number, row.site, cause, Priority(row.priority), row.session, opened, row.spells, cleared, acknowledged,
        row.acknowledged_by, row.assigned_to, snoozed, row.told,
    )  # fmt: skip
