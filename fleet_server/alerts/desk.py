"""What people do about incidents: acknowledge, note, assign, snooze."""

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec.structs import replace

from fleet_server.alerts.watch import AlertWatch
from fleet_server.errors import Conflict, Invalid, NotFound
from fleet_server.store import incidents, notifications
from fleet_server.store.database import Database
from fleet_server.store.incidents import IncidentRow, IncidentStep
from fleet_server.store.notifications import NotificationRow
from wire.times import Clock

_LONGEST_SNOOZE = timedelta(hours=24)


class IncidentDesk:
    """Each act is a line of the incident's story, with who and when."""

    def __init__(self, database: Database, watch: AlertWatch, clock: Clock) -> None:
        self._database, self._watch, self._clock = database, watch, clock

    def open_ones(self) -> list[IncidentRow]:
        """All that are open, what matters most first."""
        return self._watch.open_ones()

    async def newest(self, most: int = 200, site: str | None = None) -> list[IncidentRow]:
        """The last ones, cleared or not."""
        return await self._database.read(lambda db: incidents.newest(db, most, site))

    async def find(self, number: int) -> IncidentRow:
        """One by its number. Raises NotFound."""
        row = await self._database.read(lambda db: incidents.find(db, number))
        if row is None:
            raise NotFound("alerts.no_incident", number=number)
        return row

    async def story(self, number: int) -> list[IncidentStep]:
        """What became of it, from the beginning."""
        return await self._database.read(lambda db: incidents.steps_of(db, number))

    async def told(self, number: int) -> list[NotificationRow]:
        """Who was told, and whether it reached them."""
        return await self._database.read(lambda db: notifications.of_incident(db, number))

    async def acknowledge(self, number: int, by: str, note: str = "") -> IncidentRow:
        """Somebody sees to it: nobody else is called. Raises NotFound, Conflict."""
        now = self._clock.now()
        return await self._do(
            number, IncidentStep(now, "acknowledged", by, note),
            lambda row: replace(
                row, acknowledged_at=row.acknowledged_at or now, acknowledged_by=row.acknowledged_by or by
            ),
        )  # fmt: skip

    async def note(self, number: int, by: str, note: str) -> IncidentRow:
        """For whoever looks next. Raises NotFound, Conflict, Invalid."""
        if not note.strip():
            raise Invalid("alerts.no_note")
        return await self._do(number, IncidentStep(self._clock.now(), "note", by, note.strip()), lambda row: row)

    async def assign(self, number: int, by: str, to: str) -> IncidentRow:
        """It is theirs. Raises NotFound, Conflict."""
        step = IncidentStep(self._clock.now(), "assigned", by, to.strip())
        return await self._do(number, step, lambda row: replace(row, assigned_to=to.strip()))

    async def snooze(self, number: int, by: str, until: datetime) -> IncidentRow:
        """Nobody is told of it until then. Raises NotFound, Conflict, Invalid."""
        now = self._clock.now()
        if not now < until <= now + _LONGEST_SNOOZE:
            raise Invalid("alerts.wrong_snooze", hours=_LONGEST_SNOOZE / timedelta(hours=1))
        step = IncidentStep(now, "snoozed", by, until.isoformat())
        # What was held back is told anew when it is over.
        return await self._do(number, step, lambda row: replace(row, snoozed_until=until, told=0))

    async def _do(self, number: int, step: IncidentStep, change: Callable[[IncidentRow], IncidentRow]) -> IncidentRow:
        await self.find(number)
        after = await self._watch.changed(number, change, step)
        if after is None:
            raise Conflict("alerts.cleared", number=number)
        return after
