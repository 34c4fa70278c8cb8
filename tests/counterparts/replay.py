"""A fleet as it befell somebody, played to the alerts: who is told of what, exactly.

The clock stands still but where the replay turns it; reports are taken in as ingest does, notifications are read from
the outbox's table, where they stand before anything is sent.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fleet_server.domain.priorities import Priority
from fleet_server.store import incidents, notifications
from fleet_server.store.incidents import IncidentRow
from fleet_server.store.notifications import Delivery, NotificationRow
from tests.counterparts.centre_without_wires import CentreWithoutWires

EVERY_S = 5


class Replay:
    """Rooms that report every fifteen seconds, each in its own turn, with what has befallen them."""

    def __init__(self, centre: CentreWithoutWires) -> None:
        self.centre, self.sites = centre, list(centre.sites)
        self.said: dict[str, dict[str, Any]] = {}
        self.away: set[str] = set()

    async def start(self) -> None:
        """Every room has reported, and the NOC can be told."""
        await self.centre.start()
        for site in self.sites:
            await self.centre.report(site)
            await self.centre.set_up(site)
        self.noc = await self.centre.directory.add_recipient("NOC", "vi")
        await self.centre.directory.add_contact(self.noc.id, "email", "noc@example.vn", "tests")
        await self.play(60)

    async def play(self, seconds: int, what: Callable[[int], Awaitable[None]] | None = None) -> None:
        """Time passes; `what` is asked every five seconds."""
        for passed in range(0, seconds, EVERY_S):
            if what is not None:
                await what(passed)
            self.centre.clock.pass_by(EVERY_S)
            turn = int(self.centre.clock.passed_s) // EVERY_S % 3
            for nr, site in enumerate(self.sites):
                if site not in self.away and nr % 3 == turn:
                    await self.centre.report(site, **self.said.get(site, {}))
            await self.time_judges()
            for site in self.sites:
                self.centre.alerts._due[site] = 0.0
            await self.centre.alerts.look()

    async def time_judges(self) -> None:
        """What the timers do: rooms whose verdict time alone has changed."""
        now, fleet = self.centre.fleet.now(), self.centre.fleet
        for entry in list(fleet.entries.values()):
            if entry.judgement.changes_at <= now:
                fleet.replace([fleet.judged(entry, entry.room)])

    async def restart(self) -> None:
        """The server, with what it has written down."""
        await self.centre.start()

    def rows(self) -> list[IncidentRow]:
        """All incidents, the newest first."""
        return self.centre.database.read_now(lambda db: incidents.newest(db, 10_000))

    def told(self, *whats: str) -> list[NotificationRow]:
        """Those that were not called back before they went out, as the outbox would send them at once."""
        found = []
        for row in sorted(self.rows(), key=lambda row: row.number):
            found += self.centre.database.read_now(lambda db, row=row: notifications.of_incident(db, row.number))  # type: ignore[misc]
        return [each for each in found if each.what in (whats or ("opened", "raised", "escalated"))]

    def send_all(self) -> None:
        """As if everything that is due had been delivered."""
        now = self.centre.clock.now()

        def write(db: Any) -> None:
            for row in notifications.due(db, now):
                notifications.save(db, NotificationRow(**{
                    **{name: getattr(row, name) for name in row.__struct_fields__}, "state": Delivery.SENT,
                    "ended_at": now,
                }))  # fmt: skip

        self.centre.database.write_now(write)


def rooms(count: int) -> dict[str, str]:
    """A hub and so many communes."""
    return {"hub": "hub", **{f"r{nr:03}": "commune" for nr in range(count)}}


@asynccontextmanager
async def replay(centre: CentreWithoutWires) -> AsyncIterator[Replay]:
    """Begun, all rooms well and nobody told of anything."""
    made = Replay(centre)
    await made.start()
    assert made.rows() == [] or all(row.priority is Priority.DIGEST for row in made.rows()), "a quiet fleet"
    yield made
