"""The devices of a room while the agent runs: those of its own file, and those that the centre wants watched too."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import msgspec
from msgspec import Struct

from device_drivers import registry
from device_drivers.driver import Driver, Sighting
from device_drivers.errors import Misconfigured
from edge_agent.config import DeviceConfig, RoomConfig
from edge_agent.journal import Journal
from edge_agent.poller import Poller
from edge_agent.power import PowerTree
from edge_agent.room import View
from edge_agent.supervisor import Supervisor
from edge_agent.worker import DeviceWorker, driver_of
from wire.description import ReadingSpec
from wire.errors import WireError
from wire.messages import DesiredDevice, Secret
from wire.times import Clock

log = logging.getLogger("diemcau.devices")

SECRETS = "secrets"
"""Folder of the room's own files, one for each secret that a desired device names."""

_MOST = 64
"""As many as `about` and a report hold; one more, and the centre could not read of any."""

Refused = Callable[[str, str], None]


class Devices:
    """`workers` and `specs` change only here, by replacement, so that whoever reads them sees one moment."""

    def __init__(
        self, config: RoomConfig, journal: Journal, clock: Clock, supervisor: Supervisor, poller: Poller,
        found: Callable[[View | None, View], None], unseal: Callable[[str, str], str],
        image: Callable[[str], Path | None],
    ) -> None:  # fmt: skip
        """`image`: a firmware image that is here, by its SHA-256."""
        self._secrets = Secrets(Path(config.folder) / SECRETS, unseal)
        self._config, self._journal, self._clock = config, journal, clock
        self._supervisor, self._poller, self._found, self._image = supervisor, poller, found, image
        self._power = PowerTree(config.power)
        self._desired: dict[str, DeviceConfig] = {}
        self._wrong: dict[str, str] = {}
        self.workers: Mapping[str, DeviceWorker] = {}
        self.specs: Mapping[str, tuple[ReadingSpec, ...]] = {}
        for device in config.devices:
            self._add(device)

    def start(self) -> None:
        """Begin to watch them."""
        for worker in self.workers.values():
            self._begin(worker)

    def poke(self) -> None:
        """Observe all of them soon."""
        for worker in self.workers.values():
            worker.poke()

    def want(self, desired: tuple[DesiredDevice, ...], refused: Refused) -> None:
        """Watch these beside our own. What cannot be is told with its reason; a room's own file stands above them."""
        own = {device.id for device in self._config.devices}
        wanted: dict[str, DeviceConfig] = {}
        wrong: dict[str, str] = {}
        for device in desired:
            if device.id in own:
                continue
            try:
                if len(own) + len(wanted) >= _MOST:
                    raise Misconfigured(f"{device.id}: a room has {_MOST} devices at most")
                wanted[device.id] = _config_of(device, self._secrets)
            except Misconfigured as error:
                wrong[device.id] = str(error)[:200]
            except Exception as error:  # what a driver's libraries can say as they load; the others are watched
                log.exception("driver_fault device=%s error=%s", device.id, type(error).__name__)
                wrong[device.id] = f"{device.id}: driver {device.driver} cannot be loaded: {type(error).__name__}"
        before, self._wrong = self._wrong, wrong
        for name, reason in wrong.items():
            if before.get(name) != reason:  # the same configuration comes again with every connection
                refused(name, reason)
        for name in [name for name, known in self._desired.items() if wanted.get(name) != known]:
            if self.workers[name].acting is None:  # else at the next look: two would act on one device
                self._remove(name)
        for name, known in wanted.items():
            if name not in self._desired:
                self._desired[name] = known
                self._begin(self._add(known))
                log.info("device_wanted device=%s driver=%s", name, known.driver)

    def sighting(self, device: str, key: str) -> Sighting | None:
        """The newest value of a reading, for a driver that rests on another device."""
        worker = self.workers.get(device)
        view = worker.view() if worker is not None else None
        seen = view.observation if view is not None and view.state == "ok" else None
        value = seen.readings.get(key) if seen is not None else None
        return Sighting(value, seen.older.get(key, seen.seen_s)) if seen is not None and value is not None else None

    def _add(self, device: DeviceConfig) -> DeviceWorker:
        make = partial(self._driver_of, device)
        worker = DeviceWorker(device, make, self._journal, self._clock, self._found, self._power, lambda: self.workers)
        self.specs = {**self.specs, device.driver: registry.description_of(device.driver).readings}
        self.workers = {**self.workers, device.id: worker}  # last: whoever sees it finds what its driver reads
        return worker

    def _begin(self, worker: DeviceWorker) -> None:
        name = worker.device.id
        self._supervisor.start(f"device:{name}", worker.run)
        if registry.driver_class(worker.device.driver).watches:
            self._supervisor.start(f"watch:{name}", partial(self._watch, worker))
        self._poller.add(worker)

    def _remove(self, name: str) -> None:
        self._desired.pop(name)
        self._poller.remove(name)
        workers = dict(self.workers)
        workers.pop(name).retire()
        self.workers = workers

    def _watch(self, worker: DeviceWorker, stop: Event, beat: Callable[[], None]) -> None:
        beat()
        self._driver_of(worker.device).watch(EitherEvent(stop, worker.retired), worker.poke)

    def _driver_of(self, device: DeviceConfig) -> Driver:
        driver = driver_of(device, self._clock)
        driver.neighbour, driver.image = self.sighting, self._image
        return driver


class EitherEvent(Event):
    """Set when one of two is: the agent stops, or one device is no longer wanted."""

    def __init__(self, first: Event, second: Event) -> None:
        super().__init__()
        self._both = (first, second)

    def is_set(self) -> bool:
        """Whether either is set."""
        return any(event.is_set() for event in self._both)

    def wait(self, timeout: float | None = None) -> bool:
        """Like `Event.wait`, to within a quarter of a second."""
        waited_s = 0.0
        while not self.is_set() and (timeout is None or waited_s < timeout):
            pause_s = min(_TICK_S, _TICK_S if timeout is None else timeout - waited_s)
            self._both[1].wait(pause_s)
            waited_s += pause_s
        return self.is_set()


_TICK_S = 0.25


class Secrets(Struct, frozen=True):
    """Where passwords come from: the room's own folder, or the centre, sealed to this machine."""

    folder: Path
    unseal: Callable[[str, str], str]

    def value_of(self, secret: Secret) -> str:
        """Raises Misconfigured."""
        try:
            if secret.sealed:
                return self.unseal(secret.secret, secret.sealed)
            return (self.folder / secret.secret).read_text(encoding="utf-8").strip()
        except WireError as error:
            raise Misconfigured(f"{error}; enter it at the centre again") from error
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"the room has no secret {secret.secret!r}; put it into its secrets") from error


def _config_of(device: DesiredDevice, secrets: Secrets) -> DeviceConfig:
    """A desired device as a room.toml would have it. Raises Misconfigured."""
    description, kind = registry.description_of(device.driver), registry.driver_class(device.driver)
    if device.role not in description.roles:
        raise Misconfigured(f"{device.id}: driver {device.driver} is for: {', '.join(description.roles)}")
    settings = {key: _plain(value, secrets) for key, value in device.settings.items()}
    try:
        msgspec.convert(settings, kind.Settings)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"{device.id}: {error}") from error
    return DeviceConfig(device.id, device.role, device.driver, device.poll_s, settings=settings)


def _plain(value: Any, secrets: Secrets) -> Any:
    """A setting as a room.toml would have it."""
    if isinstance(value, Secret):
        return secrets.value_of(value)
    if isinstance(value, tuple):
        return [_plain(item, secrets) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)  # JSON does not tell 1 from 1.0, a setting such as a port does
    return value
