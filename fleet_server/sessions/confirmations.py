"""What people in the rooms confirm: that they are on duty, and what only they can see."""

from datetime import timedelta

from fleet_server.domain.checks.room_prepared import ITEMS
from fleet_server.domain.readiness import Known
from fleet_server.domain.sessions import Session
from fleet_server.errors import Invalid, NotFound
from fleet_server.live.stream import Stream
from fleet_server.signing.one_time import hash_of, new_code, new_key
from fleet_server.state.fleet import Fleet
from fleet_server.store import confirmations
from fleet_server.store.confirmations import Duty, Invitation, Tick
from fleet_server.store.database import Database
from wire.times import Clock

_DUTY_LASTS_S = 12 * 3600.0
"""A working day; who is there longer says so again."""
_LINK_OUTLASTS = timedelta(hours=1)


class ConfirmationDesk:
    """The newest word of each room is kept in memory too: each gate asks for it."""

    def __init__(self, database: Database, fleet: Fleet, stream: Stream, clock: Clock) -> None:
        self._database, self._fleet, self._stream, self._clock = database, fleet, stream, clock
        self._duties: dict[str, Duty] = {}
        self._ticks: dict[tuple[str, str], dict[str, Tick]] = {}

    async def load(self) -> None:
        """Take what still stands from the database."""
        now = self._clock.now()
        self._duties = await self._database.read(lambda db: confirmations.duties_that_last(db, now.timestamp()))
        for tick in await self._database.read(lambda db: confirmations.ticks_not_ended(db, now)):
            self._ticks.setdefault((tick.session, tick.site), {})[tick.item] = tick

    async def confirm_duty(self, site: str, name: str, phone: str) -> Duty:
        """Somebody is in the room and looks after it. Raises NotFound, or Invalid without a name."""
        if site not in self._fleet.entries:
            raise NotFound("sites.not_found", site=site)
        if not name.strip():
            raise Invalid("duty.no_name")
        now = self._fleet.now()
        duty = Duty(name.strip(), phone.strip(), now, now + _DUTY_LASTS_S)
        await self._database.write(lambda db: confirmations.add_duty(db, site, duty))
        self._duties[site] = duty
        self._stream.publish("session", site)
        return duty

    def duty_of(self, site: str) -> Duty | None:
        """Who is on duty there now."""
        duty = self._duties.get(site)
        return duty if duty is not None and duty.until > self._fleet.now() else None

    async def tick(self, session: str, site: str, item: str, by: str, done: bool) -> None:
        """Something was seen to, or is not so any more. Raises Invalid for what nobody asks."""
        if item not in ITEMS:
            raise Invalid("duty.no_item")
        tick = Tick(session, site, item, by, self._clock.now())
        ticked = self._ticks.setdefault((session, site), {})
        if done:
            await self._database.write(lambda db: confirmations.put_tick(db, tick))
            ticked[item] = tick
        else:
            await self._database.write(lambda db: confirmations.drop_tick(db, session, site, item))
            ticked.pop(item, None)
        self._stream.publish("session", site, id=session)

    def ticked(self, session: str, site: str) -> dict[str, Tick]:
        """What was seen to in a room for a session."""
        return self._ticks.get((session, site), {})

    def known(self, session: str, site: str) -> dict[str, Known]:
        """What the checks about people ask."""
        found = {}
        if (duty := self.duty_of(site)) is not None:
            found["on_duty"] = Known(duty.name, duty.at, duty.until)
        if ticked := self.ticked(session, site):
            first = min(tick.at for tick in ticked.values())
            found["prepared"] = Known(" ".join(item for item in ITEMS if item in ticked), first.timestamp())
        return found

    async def invite(self, session: Session, site: str, name: str, phone: str, by: str) -> str:
        """The code of a link for one person; it opens once. Raises NotFound for a room of another session, Invalid."""
        if site not in session.sites and site not in session.spares:
            raise NotFound("sites.not_found", site=site)
        if not name.strip():
            raise Invalid("duty.no_name")
        code, now = new_code(), self._clock.now()
        row = Invitation(
            hash_of(code), session.id, site, name.strip(), phone.strip(), by, now, session.ends_at + _LINK_OUTLASTS
        )
        await self._database.write(lambda db: confirmations.add_invitation(db, row))
        self._stream.publish("session", site, id=session.id)
        return code

    async def find(self, code: str) -> Invitation | None:
        """The link with this code, whether it can be opened or not."""
        return await self._database.read(lambda db: confirmations.find_invitation(db, hash_of(code)))

    async def open(self, code: str) -> str:
        """The key for the browser that opens a link first. Raises NotFound for everybody else."""
        key, now = new_key(), self._clock.now()
        found = await self._database.write(
            lambda db: confirmations.open_invitation(db, hash_of(code), hash_of(key), now)
        )  # fmt: skip
        if found is None:
            raise NotFound("duty.no_link")
        self._stream.publish("session", found.site, id=found.session)
        return key

    async def whose(self, key: str) -> Invitation | None:
        """Whose key this is, while it is good."""
        now, hashed = self._clock.now(), hash_of(key)
        return await self._database.read(lambda db: confirmations.invitation_of_key(db, hashed, now)) if key else None

    async def invited(self, session: str) -> list[Invitation]:
        """Every link of a session."""
        return await self._database.read(lambda db: confirmations.invitations_of(db, session))


def room_link(own_url: str, code: str) -> str:
    """The link; its code stands behind the `#`, where no log and no preview of a messenger sees it."""
    return f"{own_url}/room#{code}"
