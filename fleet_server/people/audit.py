"""The record of what people did: every sign-in, refusal, command, decision and change, chained so that gaps show."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from fleet_server.store import audit
from fleet_server.store.audit import AuditRow
from fleet_server.store.database import Database
from wire.times import Clock, rfc3339

Outcome = Literal["done", "refused"]


class AuditDesk:
    """Adds rows and shows them; nothing here changes one."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def record(
        self, by: str, act: str, outcome: Outcome, *, origin: str = "", site: str | None = None, **details: Any
    ) -> None:
        """One more row, on the disk when this returns."""
        now = self._clock.now()
        await self._database.write(
            lambda db: audit.add(db, now, by, act, outcome, origin=origin, site=site, details=details)
        )

    async def newest(self, most: int, before: int | None = None) -> list[AuditRow]:
        """The last rows, newest first."""
        return await self._database.read(lambda db: audit.newest(db, most, before))

    async def after(self, n: int, most: int) -> list[AuditRow]:
        """Rows after this number, in order."""
        return await self._database.read(lambda db: list(audit.rows(db, n, most)))


def lines_of(rows: list[AuditRow]) -> Iterator[str]:
    """Rows as JSON, one a line, with all that `audit verify` needs."""
    for row in rows:
        told = msgspec.structs.asdict(row) | {"at": rfc3339(row.at)}
        yield msgspec.json.encode(told).decode() + "\n"
