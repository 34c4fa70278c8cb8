"""Who is on duty in which room: they say so themselves, and it ends by itself."""

from fleet_server.domain.readiness import Duty
from fleet_server.errors import Invalid, NotFound
from fleet_server.live.stream import Stream
from fleet_server.state.fleet import Fleet
from fleet_server.store import duties
from fleet_server.store.database import Database

_LASTS_S = 12 * 3600.0
"""A working day; who is there longer says so again."""


class DutyDesk:
    """The newest word of each room is kept in memory too: each gate asks for it."""

    def __init__(self, database: Database, fleet: Fleet, stream: Stream) -> None:
        self._database, self._fleet, self._stream = database, fleet, stream
        self._known: dict[str, Duty] = {}

    async def load(self) -> None:
        """Take those whose word still stands from the database."""
        now = self._fleet.now()
        self._known = await self._database.read(lambda db: duties.not_ended(db, now))

    async def confirm(self, site: str, name: str, phone: str) -> Duty:
        """Somebody is in the room and looks after it. Raises NotFound, or Invalid without a name."""
        if site not in self._fleet.entries:
            raise NotFound("sites.not_found", site=site)
        if not name.strip():
            raise Invalid("duty.no_name")
        now = self._fleet.now()
        duty = Duty(name.strip(), phone.strip(), now, now + _LASTS_S)
        await self._database.write(lambda db: duties.add(db, site, duty))
        self._known[site] = duty
        self._stream.publish("session", site)
        return duty

    def of_site(self, site: str) -> Duty | None:
        """Who is on duty there now."""
        duty = self._known.get(site)
        return duty if duty is not None and duty.until > self._fleet.now() else None
