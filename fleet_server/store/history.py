"""Queries about how rooms were."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, select, update

from fleet_server.domain.findings import Outcome
from fleet_server.domain.history import Trouble
from fleet_server.domain.readiness import CheckResult, Verdict
from fleet_server.domain.setbacks import Key
from fleet_server.store.database import millis, moment
from fleet_server.store.history_tables import site_days, troubles
from fleet_server.store.upsert import upsert
from wire.ids import uuid7

_VERDICTS = tuple(str(verdict) for verdict in Verdict)


class Sampled(Struct, frozen=True):
    """Which day it is somewhere, and how the room is."""

    site: str
    day: str
    at_work: bool
    verdict: Verdict


def add_minutes(db: Connection, minutes: Mapping[Sampled, int]) -> None:
    """Add minutes to the days that they belong to."""
    rows: dict[tuple[str, str, bool], dict[str, Any]] = {}
    for sampled, count in minutes.items():
        key = (sampled.site, sampled.day, sampled.at_work)
        row = rows.setdefault(
            key, dict(zip(("site", "day", "at_work"), key, strict=True)) | dict.fromkeys(_VERDICTS, 0)
        )
        row[str(sampled.verdict)] += count
    if rows:
        upsert(db, site_days, ["site", "day", "at_work"], list(rows.values()), adding=_VERDICTS)


def minutes_between(db: Connection, first: date, last: date) -> dict[str, dict[str, int]]:
    """Site -> verdict -> minutes at work, from the first day to the last."""
    sums = [func.sum(site_days.c[name]).label(name) for name in _VERDICTS]
    in_it = site_days.c.at_work & site_days.c.day.between(first.isoformat(), last.isoformat())
    rows = db.execute(select(site_days.c.site, *sums).where(in_it).group_by(site_days.c.site))
    return {row.site: {name: int(row._mapping[name]) for name in _VERDICTS} for row in rows}


def open_them(
    db: Connection, site: str, checks: Iterable[CheckResult], families: Mapping[str, str], at: datetime
) -> None:
    """New troubles. `families`: device -> the family of its profile."""
    for check in checks:
        device = check.device or ""
        db.execute(
            insert(troubles).values(
                id=uuid7(), site=site, check=check.check, device=device, family=families.get(device, ""),
                outcome=str(check.outcome), counts=_counts(check), opened_at=millis(at), mended=False,
            )
        )  # fmt: skip


def worsen(db: Connection, site: str, checks: Iterable[CheckResult]) -> None:
    """An open trouble is worse than it was."""
    for check in checks:
        values = {"outcome": str(check.outcome), "counts": _counts(check)}
        db.execute(update(troubles).where(_is_open(site, (check.check, check.device or ""))).values(values))


def close(db: Connection, site: str, keys: Iterable[Key], at: datetime, *, mended: bool) -> None:
    """Troubles are over."""
    for key in keys:
        db.execute(update(troubles).where(_is_open(site, key)).values(cleared_at=millis(at), mended=mended))


def open_troubles(db: Connection) -> dict[str, dict[Key, Outcome]]:
    """Site -> what is open there."""
    found: dict[str, dict[Key, Outcome]] = {}
    for row in db.execute(select(troubles).where(troubles.c.cleared_at.is_(None))):
        found.setdefault(row.site, {})[row.check, row.device] = Outcome(row.outcome)
    return found


def troubles_between(db: Connection, first: datetime, last: datetime) -> list[Trouble]:
    """Troubles that were open at some moment of this time, the oldest first."""
    begun = troubles.c.opened_at < millis(last)
    not_over = troubles.c.cleared_at.is_(None) | (troubles.c.cleared_at > millis(first))
    rows: Sequence[Any] = db.execute(select(troubles).where(begun & not_over).order_by(troubles.c.opened_at)).all()
    return [
        Trouble(
            row.site, row.check, row.device, row.family, Outcome(row.outcome), row.counts, moment(row.opened_at),
            moment(row.cleared_at) if row.cleared_at is not None else None, row.mended,
        )
        for row in rows
    ]  # fmt: skip


def forget(db: Connection, before: datetime) -> None:
    """Let go of what is older."""
    db.execute(delete(site_days).where(site_days.c.day < before.date().isoformat()))
    db.execute(delete(troubles).where(troubles.c.cleared_at < millis(before)))


def _counts(check: CheckResult) -> bool:
    return check.counts and check.outcome is not Outcome.WARN


def _is_open(site: str, key: Key) -> Any:
    same = (troubles.c.site == site) & (troubles.c.check == key[0]) & (troubles.c.device == key[1])
    return same & troubles.c.cleared_at.is_(None)
