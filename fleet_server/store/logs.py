"""Queries about the rooms' logs: each entry is committed at most once."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, insert, select

from fleet_server.store.database import millis
from fleet_server.store.tables import log_entries, log_positions
from fleet_server.store.upsert import upsert
from wire.messages import LogBatch, LogEntry, StepEntry, SummaryEntry


class LogRow(Struct, frozen=True):
    """An entry as pages show it; times in milliseconds since the epoch, `at` by the room's own clock."""

    n: int
    at: int
    received_at: int
    kind: str
    event: str
    device: str | None
    params: dict[str, object]


def through(db: Connection, site: str, log_id: str) -> int:
    """The last entry of this log that is committed; 0 for none."""
    where = (log_positions.c.site == site) & (log_positions.c.log_id == log_id)
    return db.execute(select(log_positions.c.through).where(where)).scalar() or 0


def commit(db: Connection, site: str, batch: LogBatch, received_at: int) -> Sequence[LogEntry]:
    """Write the entries that are new; these are returned in the log's order."""
    known = through(db, site, batch.log_id)
    fresh = [entry for entry in batch.entries if entry.n > known]
    if fresh:
        db.execute(insert(log_entries), [_row(site, batch.log_id, entry, received_at) for entry in fresh])
        position = {"site": site, "log_id": batch.log_id, "through": fresh[-1].n}
        upsert(db, log_positions, ["site", "log_id"], [position])
    return fresh


def newest(db: Connection, site: str, most: int) -> list[LogRow]:
    """The last entries of a site, newest first."""
    table = log_entries.c
    columns = (table.n, table.at, table.received_at, table.kind, table.event, table.device, table.params)
    rows = db.execute(
        select(*columns).where(table.site == site).order_by(table.received_at.desc(), table.n.desc()).limit(most)
    )
    return [LogRow(*row[:6], msgspec.json.decode(row[6], type=dict[str, object])) for row in rows]


def _row(site: str, log_id: str, entry: LogEntry, received_at: int) -> dict[str, object]:
    kind, event, device = "event", "", None
    params: dict[str, object]
    if isinstance(entry, StepEntry):
        kind, event = "step", str(entry.state)
        params = {"command": entry.command, "detail": entry.detail, **entry.params}
    elif isinstance(entry, SummaryEntry):
        kind, event = "summary", "summarised"
        params = {"first": entry.first, **entry.events}
    else:
        event, device = entry.event, entry.device
        params = dict(entry.params)
    return {
        "site": site, "log_id": log_id, "n": entry.n, "at": millis(entry.at), "received_at": received_at,
        "kind": kind, "event": event, "device": device, "params": msgspec.json.encode(params).decode(),
    }  # fmt: skip
