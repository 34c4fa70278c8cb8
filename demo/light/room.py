"""One light room: the agent's own classes around devices that are data."""

import asyncio
import logging
import sqlite3
from collections.abc import Mapping
from concurrent.futures import Executor
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any

from demo.light.device import LightDevice, readings_of
from demo.light.kinds import kinds
from demo.light.link import LightLink
from edge_agent.admission import Admission
from edge_agent.agent import ACTING
from edge_agent.certificate_request import new_request
from edge_agent.clock_trust import ClockTrust
from edge_agent.commands import Commands
from edge_agent.config import DeviceConfig, RoomConfig
from edge_agent.identity import FOLDER, IdentityKeeper
from edge_agent.journal import Journal
from edge_agent.log import RoomLog
from edge_agent.renewal import Renewals
from edge_agent.reporter import Reporter
from edge_agent.room import View, happenings
from edge_agent.store import SCHEMA, Transactions
from wire.description import ReadingSpec, Role
from wire.ids import uuid7
from wire.messages import Ack, Certificate, Command, Config
from wire.mqtt import Received
from wire.times import Clock, SystemClock

log = logging.getLogger("diemcau.demo")

DEVICES: tuple[tuple[str, Role, str], ...] = (
    ("pc-1", "pc", "pc"), ("camera-1", "camera", "camera_onvif"), ("mixer-1", "mixer", "mixer_osc"),
    ("audio-1", "audio", "audio_alsa"), ("display-1", "display", "display_pjlink"), ("light-1", "light", "light"),
    ("line-1", "line", "line"), ("storage-1", "storage", "storage"), ("decoder-1", "decoder", "snmp"),
    ("relay-1", "relay", "relay_gpio"), ("ups-1", "ups", "ups_nut"),
)  # fmt: skip
"""Id, role and driver, the same as in a whole room."""
_AFTER_A_REPORT_S = 1.05


class LightDevices:
    """What the agent's `Reporter` and `Commands` expect of `Devices`."""

    def __init__(self, workers: Mapping[str, LightDevice]) -> None:
        self.workers = workers
        self.specs: Mapping[str, tuple[ReadingSpec, ...]] = {
            device.device.driver: readings_of(device.device.driver) for device in workers.values()
        }


class LightRoom:
    """One room. All methods are called on the event loop's thread."""

    def __init__(self, site: str, folder: Path, centre_url: str, clock: Clock | None = None) -> None:
        """`folder` holds the room's identity; `centre_url` is where its line is measured. Raises NotEnrolled."""
        self.site, self._clock = site, clock or SystemClock()
        self._chance = Random(site)
        self.keeper = IdentityKeeper(folder / FOLDER)
        store = Transactions(_in_memory())
        self._log = RoomLog(store, self._clock)
        self._journal = Journal(store, self._log, self._clock, folder / ACTING)
        boot_id = uuid7()
        self.link = LightLink(self.keeper, boot_id, version("diemcau"), self._connected, self._receive)
        self._trust = ClockTrust(self._clock)
        self.devices: Mapping[str, LightDevice] = {}
        self.devices = {id: self._new_device(id, role, driver, centre_url) for id, role, driver in DEVICES}
        light_devices: Any = LightDevices(self.devices)
        config = RoomConfig(str(folder), tuple(device.device for device in self.devices.values()))
        self._reporter = Reporter(
            light_devices, self.link, self._log, boot_id, config.revision, self._clock, self._trust.asked
        )
        self._commands = Commands(light_devices, self._journal, self._log, self._clock, self._trust)
        self.admission = Admission(self.keeper, boot_id, self._log, self._clock, self._trust)
        self._renewals = Renewals(self.keeper, self.link, self._clock, self._trust, new_request)
        self._trust.begins(self._log.event("agent_started", version=version("diemcau")))
        self._tick: asyncio.TimerHandle | None = None
        self._published: asyncio.TimerHandle | None = None

    async def run(self, stop: asyncio.Event, connecting: Executor) -> None:
        """Keep the connection, report and obey until `stop` is set and `wake` was called."""
        loop = asyncio.get_running_loop()
        self._tick = loop.call_later(self._chance.uniform(0, self._reporter.interval_s), self._drift)
        try:
            await self.link.run_async(stop, connecting)
        finally:
            for handle in (self._tick, self._published):
                if handle is not None:
                    handle.cancel()
            self.keeper.close()

    def _new_device(self, id: str, role: Role, driver: str, centre_url: str) -> LightDevice:
        settings = {"url": centre_url, "mbit_s": round(self._chance.uniform(4.4, 5.8), 1)} if role == "line" else {}
        config = DeviceConfig(id, role, driver, settings=settings)
        return LightDevice(
            config, kinds()[driver], self._chance, self._journal, self._clock, self._changed, lambda: self.devices
        )

    def _drift(self) -> None:
        """Once an interval every device is observed anew, and the report that is due goes out."""
        interval_s = self._reporter.interval_s
        self._tick = asyncio.get_running_loop().call_later(interval_s, self._drift)
        for device in self.devices.values():
            device.drift()
        self._renewals.check()
        self._publish()

    def _changed(self, before: View | None, after: View) -> None:
        """A device was observed: its events go into the log, and what counts into a report at once."""
        specs = {spec.key: spec for spec in readings_of(after.device.driver)}
        for event in happenings(before, after, specs):
            self._log.event(event.event, event.device, **event.params)
        self._publish_soon()

    def _connected(self) -> None:
        self._reporter.connected()
        self._publish_soon()

    def _publish_soon(self) -> None:
        if self._published is None and self.link.is_connected:
            self._published = asyncio.get_running_loop().call_soon(self._publish)  # type: ignore[assignment]

    def _publish(self) -> None:
        """Publish what is due. A change within a second of the last report goes out when that second is over."""
        if self._published is not None:
            self._published.cancel()
            self._published = None
        self._reporter.publish_due()
        if self._reporter.has_unpublished_change:
            self._published = asyncio.get_running_loop().call_later(_AFTER_A_REPORT_S, self._publish)

    def _receive(self, received: Received) -> None:
        """Handle one message as the agent does, and acknowledge it."""
        message = self.admission.let_in(received)
        if isinstance(message, Command):
            self._commands.take(message)
        elif isinstance(message, Ack):
            if message.log_id == self._log.log_id:
                self._trust.answered(message.through, message.at)
            if not self._trust.is_measured:
                self._log.event("clock_asked")
            self._log.acknowledged(message)
            self._reporter.acknowledged()
        elif isinstance(message, Config):
            self.keeper.pin(message.signing_keys, message.at)
            self._configure(message)
        elif isinstance(message, Certificate):
            self._renewals.answered(message)
        self.link.acknowledge(received)
        self._publish_soon()

    def _configure(self, config: Config) -> None:
        if config.interval_s < self._reporter.interval_s and self._tick is not None:
            self._tick.cancel()
            self._tick = asyncio.get_running_loop().call_soon(self._drift)  # type: ignore[assignment]
        self._reporter.interval_s = config.interval_s
        self._commands.proved = config.proved
        self._renewals.told(config)
        for device in config.devices:
            if device.id not in self.devices:
                log.info(
                    "device_refused site=%s device=%s: a light room takes no further devices", self.site, device.id
                )
        self._reporter.config_revision = config.revision


def _in_memory() -> sqlite3.Connection:
    """The agent's tables in memory: 40 kB a room, and nothing to keep once the process has ended."""
    db = sqlite3.connect(":memory:", isolation_level=None, cached_statements=16)
    db.executescript(SCHEMA)
    return db
