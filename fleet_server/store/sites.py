"""Queries about sites and the newest row of each."""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import Connection, insert, select, update

from fleet_server.store.tables import enrolments, site_state, sites
from fleet_server.store.upsert import upsert


class SiteRow(Struct, frozen=True):
    """A site as imported."""

    id: str
    code: str
    name: str
    kind: str
    parent: str | None
    lat: float
    lon: float
    line_down_mbit_s: float | None
    line_up_mbit_s: float | None


class StateRow(Struct, frozen=True):
    """What the server last knew of a site; times in milliseconds since the epoch."""

    site: str
    present: bool
    about: bytes | None
    report: bytes | None
    received_at: int | None
    verdict: str
    since: int
    kept: bytes | None = None
    """What is remembered of its provisioning, as JSON."""
    boots: bytes | None = None
    """Which lives of its agent were heard, as JSON."""


def all_sites(db: Connection) -> list[SiteRow]:
    """Every site that has not been closed, by id."""
    columns = [sites.c[name] for name in SiteRow.__struct_fields__]
    return [
        SiteRow(*row) for row in db.execute(select(*columns).where(sites.c.closed_at.is_(None)).order_by(sites.c.id))
    ]


def close_site(db: Connection, site: str, at_ms: int) -> None:
    """The site is no more, and no machine is let in for it; its record stays."""
    db.execute(update(sites).where(sites.c.id == site).values(closed_at=at_ms))
    waiting = (enrolments.c.site == site) & enrolments.c.state.in_(("open", "claimed"))
    db.execute(update(enrolments).where(waiting).values(state="expired"))


def all_states(db: Connection) -> list[StateRow]:
    """The newest row of every site that has one."""
    return [StateRow(*row) for row in db.execute(select(site_state))]


def replace_sites(db: Connection, rows: Sequence[SiteRow], *, reopen: bool = False) -> tuple[int, int]:
    """Take these sites in; how many are new and how many were known. A site that is not listed stays.

    One that was closed stays closed, unless `reopen` is said: a list that is kept elsewhere may name it for long.
    """
    known = {row[0] for row in db.execute(select(sites.c.id))}
    opened = {"closed_at": None} if reopen else {}
    for row in rows:
        values = {field: getattr(row, field) for field in row.__struct_fields__}
        if row.id in known:
            db.execute(update(sites).where(sites.c.id == row.id).values(values | opened))
        else:
            db.execute(insert(sites).values(values))
    again = sum(row.id in known for row in rows)
    return len(rows) - again, again


def save_states(db: Connection, rows: Sequence[StateRow]) -> None:
    """Replace the newest row of each of these sites."""
    if rows:
        upsert(db, site_state, ["site"], [{f: getattr(row, f) for f in row.__struct_fields__} for row in rows])
