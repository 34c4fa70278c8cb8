"""Passwords of rooms' equipment: kept sealed with our key, told to a room sealed to its machine's, shown to nobody."""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from fleet_server.errors import Invalid, NotFound, WrongSettings
from fleet_server.live.stream import Stream
from fleet_server.signing.secret_box import SecretBox
from fleet_server.state.fleet import Fleet
from fleet_server.store import secrets
from fleet_server.store.database import Database
from wire.errors import NoSealingKey
from wire.fields import Plain
from wire.messages import DesiredDevice, Secret
from wire.sealing import seal
from wire.times import Clock

log = logging.getLogger("diemcau.secrets")

_MOST = 256


class SecretDesk:
    """Keeps them, and puts them into what a room is told. `version` of a site changes with each of its secrets."""

    def __init__(
        self, database: Database, fleet: Fleet, stream: Stream, clock: Clock, box: SecretBox,
        sealing_keys: Callable[[], Mapping[str, str]],
    ) -> None:  # fmt: skip
        self._database, self._fleet, self._stream, self._clock, self._box = database, fleet, stream, clock, box
        self._sealing_keys = sealing_keys
        self._kept: dict[str, dict[str, str]] = {}
        self._told: dict[tuple[str, str, str, str], str] = {}
        """Sealed once for each machine: each box is another, and a room would think that something is new."""

    async def load(self) -> None:
        """Take all of them from the database, sealed as they are."""
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for (site, name), sealed in (await self._database.read(secrets.all_secrets)).items():
            found[site][name] = sealed
        self._kept = dict(found)

    async def put(self, site: str, name: str, value: str, by: str) -> None:
        """Keep a password. Raises NotFound, Invalid."""
        if site not in self._fleet.entries:
            raise NotFound("sites.not_found", site=site)
        if not value or len(value) > _MOST or not value.isprintable():
            raise Invalid("secrets.not_one", most=_MOST)
        sealed, now = self._box.seal(_purpose(site, name), value), self._clock.now()
        await self._database.write(lambda db: secrets.put(db, site, name, sealed, now, by))
        self._kept = {**self._kept, site: {**self._kept.get(site, {}), name: sealed}}
        self._stream.publish("rollout", site)

    async def drop(self, site: str, name: str) -> None:
        """Forget a password: the room goes back to its own file. Raises NotFound."""
        if not await self._database.write(lambda db: secrets.drop(db, site, name)):
            raise NotFound("secrets.not_found", name=name)
        await self.load()
        self._stream.publish("rollout", site)

    def names(self, site: str) -> set[str]:
        """Of the passwords that we keep for a site."""
        return set(self._kept.get(site, ()))

    def told(self, site: str, devices: tuple[DesiredDevice, ...]) -> tuple[DesiredDevice, ...]:
        """Desired devices with our passwords, sealed to the site's machine; what we have not got the room keeps."""
        key = self._sealing_keys().get(site)
        if key is None or site not in self._kept:
            return devices
        return tuple(
            replace(device, settings={name: self._sealed(site, key, value) for name, value in device.settings.items()})
            for device in devices
        )

    def _sealed(self, site: str, key: str, value: Plain | Secret) -> Plain | Secret:
        if not isinstance(value, Secret) or (kept := self._kept[site].get(value.secret)) is None:
            return value
        known = (site, value.secret, key, kept)
        if known not in self._told:
            try:
                opened = self._box.open(_purpose(site, value.secret), kept)
                self._told[known] = seal(key, value.secret, opened)
            except (WrongSettings, NoSealingKey) as error:
                log.error("secret_unreadable site=%s name=%s error=%s", site, value.secret, error.key)
                return value
        return replace(value, sealed=self._told[known])


def secrets_in(devices: tuple[DesiredDevice, ...]) -> list[tuple[str, str]]:
    """Device and name of each password that these devices need."""
    return [
        (device.id, value.secret)
        for device in devices
        for value in device.settings.values()
        if isinstance(value, Secret)
    ]


def _purpose(site: str, name: str) -> str:
    return f"secret {site} {name}"
