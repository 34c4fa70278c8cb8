"""The broker's side of identities: its lists are written anew, and connections of whoever is out are taken away."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from fleet_server.authority.certificates import revocation_list
from fleet_server.authority.files import AuthorityFiles
from fleet_server.broker import mosquitto
from fleet_server.broker.kick import kick
from fleet_server.config import Settings
from fleet_server.store import identities
from fleet_server.store.database import Database
from wire.mqtt import Broker
from wire.times import Clock

log = logging.getLogger("diemcau.identities")

_KICK_AFTER_S = (1.0, 5.0, 15.0)
"""The broker reads its lists again within a second; a room that was faster is put out once more."""
_SUCCESSOR_WAITS_S = (0.5, 2.0)
"""When the machine before a new one is put out: the new one is told that it is accepted only after that."""
_LOOK_AT_CERTIFICATES_S = 21_600.0


def revoked_text(db: Connection, authority: AuthorityFiles, now: datetime) -> str:
    """What each authority that is accepted has revoked, as PEM."""
    return "".join(
        revocation_list(each, identities.revoked(db, each.name, now), now) for each in authority.accepted
    )  # fmt: skip


class Doors:
    """Does nothing where the broker is used without TLS: there nobody has an identity at it."""

    def __init__(
        self, database: Database, authority: AuthorityFiles, settings: Settings, clock: Clock,
        broker: Callable[[], Broker], is_in: Callable[[str], bool],
    ) -> None:  # fmt: skip
        """`is_in`: whether a machine of the site has a valid identity by now."""
        self._database, self._authority, self._settings = database, authority, settings
        self._clock, self._broker, self._is_in = clock, broker, is_in
        self._tasks: set[asyncio.Task[None]] = set()
        self._publishing = asyncio.Lock()
        self.changing_hands: set[str] = set()
        """Sites where a machine is being put out for another: neither is given anything until it is gone."""

    async def publish(self) -> None:
        """Tell the broker who is out, and renew its certificate where it is time."""
        if not self._settings.broker_tls:
            return
        async with self._publishing:
            now = self._clock.now()
            folder, names = self._settings.broker_folder, self._settings.names
            crl = await self._database.read(lambda db: revoked_text(db, self._authority, now))
            await asyncio.to_thread(mosquitto.write_lists, folder, self._authority, names, crl)
            if not await asyncio.to_thread(mosquitto.tell, folder):
                log.warning("broker_not_told folder=%s: have it read its lists again", folder)

    async def hand_over(self, site: str) -> None:
        """The machine before is out and cannot come back; then the new one is given its identity."""
        try:
            await self.publish()
            if self._settings.broker_tls:
                await self._kick(site, _SUCCESSOR_WAITS_S)
        finally:
            self.changing_hands.discard(site)

    def put_out(self, site: str) -> None:
        """Take the connection of a revoked machine away; with its certificate it cannot come back."""
        if self._settings.broker_tls:
            task = asyncio.create_task(self._kick(site, _KICK_AFTER_S))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def keep_certificates(self) -> None:
        """The broker's certificate is renewed in time, for ever."""
        while True:
            await asyncio.sleep(_LOOK_AT_CERTIFICATES_S)
            try:
                await self.publish()
            except (OSError, SQLAlchemyError) as error:  # it is tried again, and renewed months before its end
                log.error("certificates_not_renewed error=%s", error)

    async def _kick(self, site: str, after_s: tuple[float, ...]) -> None:
        waited_s = 0.0
        for at_s in after_s:
            await asyncio.sleep(at_s - waited_s)
            waited_s = at_s
            if self._is_in(site) and site not in self.changing_hands:
                return  # another machine has been let in since
            if not await asyncio.to_thread(kick, self._broker(), site):
                log.warning("kick_failed site=%s", site)
