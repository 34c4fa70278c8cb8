"""Queries about surveys, the life of sites, desired devices and provisioning runs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, insert, select, update

from fleet_server.domain.rollout import Stage, Survey
from fleet_server.store.database import millis, moment
from fleet_server.store.tables import desired, provision_runs, site_stages, sites, surveys
from fleet_server.store.upsert import upsert
from wire.ids import uuid7
from wire.messages import DesiredDevice


class SurveyRow(Struct, frozen=True):
    """A survey, when and by whom."""

    site: str
    survey: Survey
    at: datetime
    by: str


class StageRow(Struct, frozen=True):
    """A stage that a person has said."""

    site: str
    stage: Stage
    at: datetime
    by: str
    note: str


class RunStep(Struct, frozen=True):
    """One setting of a provisioning run."""

    device: str
    key: str
    wanted: Any
    found: Any
    action: str
    state: str = "waiting"
    """waiting, set, verified, failed, rolled_back, not_rolled_back."""
    command: str | None = None
    detail: str = ""


class RunRow(Struct, frozen=True):
    """A provisioning run."""

    id: str
    site: str
    by: str
    started_at: datetime
    ended_at: datetime | None
    state: str
    """running, done, failed, rolled_back, interrupted."""
    steps: tuple[RunStep, ...]


def save_surveys(db: Connection, rows: Sequence[SurveyRow]) -> None:
    """Replace the survey of each of these sites; its line stands for a site whose file says nothing of it."""
    _take_contracts(db, rows)
    if rows:
        upsert(
            db, surveys, ["site"],
            [
                {"site": row.site, "answers": msgspec.json.encode(row.survey).decode(), "at": millis(row.at),
                 "by": row.by}
                for row in rows
            ],
        )  # fmt: skip


def _take_contracts(db: Connection, rows: Sequence[SurveyRow]) -> None:
    for row in rows:
        for column, rate in (("line_down_mbit_s", row.survey.line_down_mbit_s),
                             ("line_up_mbit_s", row.survey.line_up_mbit_s)):  # fmt: skip
            if rate:
                where = (sites.c.id == row.site) & sites.c[column].is_(None)
                db.execute(update(sites).where(where).values({column: rate}))


def all_surveys(db: Connection) -> dict[str, SurveyRow]:
    """Site -> its survey."""
    rows = [
        SurveyRow(row.site, msgspec.json.decode(row.answers, type=Survey), moment(row.at), row.by)
        for row in db.execute(select(surveys))
    ]
    return {row.site: row for row in rows}


def add_stage(db: Connection, row: StageRow) -> None:
    """A person has said how far a site has come."""
    db.execute(
        insert(site_stages).values(
            id=uuid7(), site=row.site, stage=str(row.stage), at=millis(row.at), by=row.by, note=row.note
        )
    )


def newest_stages(db: Connection) -> dict[str, StageRow]:
    """Site -> the last word on how far it has come."""
    rows = db.execute(select(site_stages).order_by(site_stages.c.id))
    return {row.site: StageRow(row.site, Stage(row.stage), moment(row.at), row.by, row.note) for row in rows}


def save_desired(db: Connection, site: str, devices: Sequence[DesiredDevice], at: datetime, by: str) -> None:
    """Replace what a room should watch beside its own file."""
    packed = msgspec.json.encode(devices).decode()
    upsert(db, desired, ["site"], [{"site": site, "devices": packed, "at": millis(at), "by": by}])


def all_desired(db: Connection) -> dict[str, tuple[DesiredDevice, ...]]:
    """Site -> the devices that the centre wants watched there."""
    rows = db.execute(select(desired.c.site, desired.c.devices))
    return {row.site: msgspec.json.decode(row.devices, type=tuple[DesiredDevice, ...]) for row in rows}


def save_run(db: Connection, run: RunRow) -> None:
    """The run as it is now."""
    values = {
        "id": run.id, "site": run.site, "by": run.by, "started_at": millis(run.started_at),
        "ended_at": millis(run.ended_at) if run.ended_at else None, "state": run.state,
        "steps": msgspec.json.encode(run.steps).decode(),
    }  # fmt: skip
    upsert(db, provision_runs, ["id"], [values])


def newest_run(db: Connection, site: str) -> RunRow | None:
    """The last run of a site."""
    found = db.execute(
        select(provision_runs).where(provision_runs.c.site == site).order_by(provision_runs.c.id.desc()).limit(1)
    ).first()
    return _run(found) if found is not None else None


def find_run(db: Connection, run: str) -> RunRow | None:
    """A run by its id."""
    found = db.execute(select(provision_runs).where(provision_runs.c.id == run)).first()
    return _run(found) if found is not None else None


def interrupt_runs(db: Connection, now: datetime) -> None:
    """What ran when the last server ended: what it had set is set, nothing is taken back by itself."""
    db.execute(
        update(provision_runs)
        .where(provision_runs.c.state == "running")
        .values(state="interrupted", ended_at=millis(now))
    )


def _run(row: Any) -> RunRow:
    return RunRow(
        row.id, row.site, row.by, moment(row.started_at),
        moment(row.ended_at) if row.ended_at is not None else None, row.state,
        msgspec.json.decode(row.steps, type=tuple[RunStep, ...]),
    )  # fmt: skip
