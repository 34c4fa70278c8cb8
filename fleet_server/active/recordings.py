"""Has the rooms of a session that is over list their recordings, and asks them later whether these are still there."""

import asyncio
import logging
from datetime import datetime

from fleet_server.active.desk import OURSELVES
from fleet_server.commands.desk import CommandDesk, Wish
from fleet_server.domain.recordings import (
    AGAIN,
    GIVE_UP_AFTER,
    SEAL,
    VERIFY,
    Recordings,
    is_due,
    is_recorded,
    still_records,
    window,
)
from fleet_server.domain.sessions import Session
from fleet_server.errors import Conflict, FleetError
from fleet_server.failing import Failing
from fleet_server.sessions.desk import SessionDesk
from fleet_server.state.fleet import Fleet, SiteEntry
from fleet_server.store import recordings
from fleet_server.store.database import Database
from fleet_server.store.sessions import ended_between
from wire.fields import Value
from wire.times import Clock

log = logging.getLogger("diemcau.active")

_EVERY_S = 5.0


class RecordingDesk:
    """The commands are the record: whatever happens to the server, each room is asked until it has answered once."""

    def __init__(
        self, database: Database, fleet: Fleet, commands: CommandDesk, sessions: SessionDesk, clock: Clock
    ) -> None:
        self._database, self._fleet, self._commands = database, fleet, commands
        self._sessions, self._clock = sessions, clock
        self._done: set[tuple[str, str, str]] = set()
        """Session, site and device of what is sealed: it is not looked for again."""
        self._rests: dict[tuple[str, str, str], datetime] = {}
        """Until when one that was asked in vain is not looked for: the record need not be read for it."""
        self._over: dict[str, Session] = {}
        """Sessions that are over, and not for too long."""
        self._over_until: datetime | None = None

    async def run(self) -> None:
        """Look round for ever."""
        failing = Failing(log, "recordings_not_asked")
        while True:
            with failing:
                await self.look_round()
            await asyncio.sleep(_EVERY_S)

    async def look_round(self) -> None:
        """Ask every room that has not yet listed what it recorded of a session, and can. Raises SQLAlchemyError."""
        now = self._clock.now()
        since = self._over_until or now - GIVE_UP_AFTER
        ended = await self._database.read(lambda db: ended_between(db, since, now))
        self._over.update({session.id: session for session in ended if is_recorded(session)})
        self._over_until, live = now, self._sessions.live_sites()
        for session in list(self._over.values()):
            if session.ends_at + GIVE_UP_AFTER <= now:
                del self._over[session.id]
            if not is_due(session, None, now):
                continue
            keepers = [
                (entry, device) for site in session.sites
                if (entry := self._fleet.entries.get(site)) is not None and entry.room.present
                and site not in live
                for device in devices_with(entry, SEAL) if self._is_wanted((session.id, site, device), now)
                and not still_records(session, _reading(entry, device), now)
            ]  # fmt: skip
            if keepers:
                await self._seal(session, keepers, now)

    def _is_wanted(self, which: tuple[str, str, str], now: datetime) -> bool:
        rests_until = self._rests.get(which)
        return which not in self._done and (rests_until is None or rests_until <= now)

    async def of_session(self, session: str) -> list[Recordings]:
        """What each room has listed of a session, and what it last said of that."""
        return await self._database.read(lambda db: recordings.of_session(db, session))

    async def verify(self, session: Session, by: str, user: str, origin: str) -> list[str]:
        """Have every room that is there read its recordings of a session again; the sites that are asked.

        Raises Conflict where there is nothing to ask about, or none of the rooms can be asked now.
        """
        sealed = [room for room in await self.of_session(session.id) if room.state == "sealed"]
        if not sealed:
            raise Conflict("recordings.none_sealed")
        asked, now = [], self._clock.now()
        for room in sealed:
            wish = Wish(VERIFY, {"manifest": room.manifest})
            key = recordings.verify_key(session.id, room.site, room.device, now)
            try:
                await self._commands.request(room.site, room.device, wish, by=by, origin=origin, key=key, user=user)
                asked.append(room.site)
            except FleetError as error:
                log.info("recordings_not_asked_about site=%s reason=%s", room.site, error.key)
        if not asked:
            raise Conflict("recordings.nobody_there")
        return asked

    async def _seal(self, session: Session, keepers: list[tuple[SiteEntry, str]], now: datetime) -> None:
        known = {(room.site, room.device): room for room in await self.of_session(session.id)}
        for entry, device in keepers:
            site = entry.site.id
            last = known.get((site, device))
            if last is not None and last.state == "sealed":
                self._done.add((session.id, site, device))
                continue
            if last is not None and last.state == "asked":
                continue
            if last is not None and not is_due(session, last.at, now):
                self._rests[session.id, site, device] = last.at + AGAIN
                continue
            later = [*self._over.values(), *self._sessions.upcoming()]
            next_starts = [each.starts_at for each in later if each.id != session.id and site in each.sites]
            from_s, to_s = window(session, next_starts)
            wish = Wish(SEAL, {"from_s": float(from_s), "to_s": float(to_s)}, by_centre=True)
            key = recordings.seal_key(session.id, site, device, now)
            try:
                await self._commands.request(site, device, wish, by=OURSELVES, origin="", key=key)
            except FleetError as error:
                log.info("recordings_not_sealed site=%s device=%s reason=%s", site, device, error.key)


def devices_with(entry: SiteEntry, action: str) -> list[str]:
    """Devices of a room that offer this action."""
    return [fit.about.id for fit in entry.fits if any(spec.action == action for spec in fit.actions)]


def _reading(entry: SiteEntry, device: str) -> Value:
    """Whether the newest recording grows, as the room last said."""
    report = entry.room.report
    said = next((each for each in report.devices if each.id == device), None) if report is not None else None
    readings = said.readings if said is not None else ()
    return next((reading.value for reading in readings if reading.key == "recording_grows"), None)
