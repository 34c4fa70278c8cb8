"""One room's agent, put together. `start` and `stop` are all that its host needs."""

import logging
import math
import queue
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from threading import Event
from typing import Any

import msgspec

from edge_agent.admission import Admission
from edge_agent.clock_trust import ClockTrust
from edge_agent.commands import Commands
from edge_agent.config import RoomConfig
from edge_agent.devices import Devices
from edge_agent.discovery import discover, unknown_of
from edge_agent.documents import Documents
from edge_agent.firmware import KEY, FirmwareFetcher
from edge_agent.identity import FOLDER, IdentityKeeper
from edge_agent.journal import Journal
from edge_agent.link import RoomLink
from edge_agent.log import RoomLog
from edge_agent.poller import Poller
from edge_agent.release import ReleaseFetcher
from edge_agent.renewal import Renewals
from edge_agent.reporter import DEFAULT_INTERVAL_S, Reporter
from edge_agent.room import View, happenings
from edge_agent.store import Store
from edge_agent.supervisor import Supervisor
from edge_agent.unkept import Unkept
from edge_agent.watchdog import Watchdog
from wire.ids import uuid7
from wire.messages import Ack, Certificate, Command, Config
from wire.mqtt import Received
from wire.service_manager import ServiceManager
from wire.times import Clock, SystemClock

log = logging.getLogger("diemcau.agent")


REPORTED, ACTING = "reported", "acting"
"""File and folder by which the installer of releases knows how we are."""
_CONFIG = "config"
_ASK_AGAIN_S = 60.0
_SECRETS_EVERY_S = 30.0


class Agent:
    """Watches and serves one room until it is stopped."""

    def __init__(self, config: RoomConfig, clock: Clock | None = None, release_key: Path = KEY) -> None:
        """`release_key`: public key of whoever signs firmware. Raises NotEnrolled, StoreBroken."""
        self._config = config
        self._clock = clock or SystemClock()
        folder = Path(config.folder)
        self._keeper = IdentityKeeper(folder / FOLDER)
        self._store = Store(folder)
        self._documents = Documents(folder, comes_again=True)
        self._log = RoomLog(self._store, self._clock)
        self._journal = Journal(self._store, self._log, self._clock, folder / ACTING)
        self._supervisor = Supervisor(self._clock)
        self._manager = ServiceManager()
        self._poller = Poller()
        self._release = ReleaseFetcher(folder, self._log, self._clock, self._is_acting)
        self._firmware = FirmwareFetcher(folder, self._log, self._clock, release_key)
        self.devices = Devices(
            config, self._journal, self._clock, self._supervisor, self._poller, self._found, self._keeper.unseal,
            self._firmware.image,
        )  # fmt: skip
        boot_id = uuid7()
        self._link = RoomLink(self._keeper, boot_id, version("diemcau"), lambda: self._reporter.connected())
        self._trust = ClockTrust(self._clock)
        self._reporter = Reporter(
            self.devices, self._link, self._log, boot_id, config.revision, self._clock, self._trust.asked
        )
        self._commands = Commands(self.devices, self._journal, self._log, self._clock, self._trust)
        self.admission = Admission(self._keeper, boot_id, self._log, self._clock, self._trust)
        self._renewals = Renewals(self._keeper, self._link, self._clock, self._trust)
        self._unkept = Unkept()
        self._reported = False
        self._asked_again_s = float("-inf")
        self._wanted: tuple[Config, float] | None = None
        """What the centre wants, and when it was last put in force."""

    @property
    def keeper(self) -> IdentityKeeper:
        """Our identity."""
        return self._keeper

    def start(self) -> None:
        """Settle what the last life left open, then begin."""
        self._trust.begins(self._log.event("agent_started", version=version("diemcau")))
        if self._store.was_replaced:
            self._log.event("store_replaced")
        self._poller.start()
        self.devices.start()
        if (kept := self._documents.get(_CONFIG)) is not None:
            self._take_kept(kept)
        self._commands.settle()
        start = self._supervisor.start
        start("inbox", self._read_inbox)
        start("reporter", self._reporter.run)
        start("link", self._link.run)
        start("renewal", self._renewals.run)
        start("release", self._release.run)
        start("firmware", self._firmware.run)
        start("watchdog", Watchdog(self._store, self._link, self._manager).run)
        if self._config.discovery.every_s:
            start("discovery", self._discover)
        self._manager.ready()

    def stop(self) -> list[str]:
        """End in order; names of threads that hang in a driver and were left behind."""
        self._manager.stopping()
        self._poller.stop()
        self.devices.poke()
        self._reporter.wake()
        left = self._supervisor.end()
        if left:
            log.warning("threads_left names=%s", ",".join(left))
        self._documents.close()
        self._keeper.close()
        self._store.close()
        return left

    def _discover(self, stop: Event, beat: Callable[[], None]) -> None:
        """Look round now and then, only where the room's file allows it."""
        wanted = self._config.discovery
        while not stop.is_set():
            beat()
            self._reporter.found = unknown_of(discover(wanted.area), self._config.devices, self.devices.workers)
            self._reporter.wake()
            stop.wait(wanted.every_s)

    def _found(self, before: View | None, after: View) -> None:
        specs = {spec.key: spec for spec in self.devices.specs[after.device.driver]}
        with self._unkept:  # what cannot be kept stands in the report all the same
            for happening in happenings(before, after, specs):
                self._log.event(happening.event, happening.device, **happening.params)
        self._reporter.wake()

    def _read_inbox(self, stop: Event, beat: Callable[[], None]) -> None:
        while not stop.is_set():
            beat()
            try:
                received = self._link.inbox.get(timeout=1.0)
            except queue.Empty:
                self._look_at_secrets()
                for worker in self.devices.workers.values():
                    worker.drop_expired()
                continue
            try:
                self._take(received)
            except Exception:
                self._hear_it_again()
                raise
            self._link.acknowledge(received)
            self._reporter.wake()

    def _hear_it_again(self) -> None:
        """What could not be taken comes again with the next connection, and not before."""
        now_s = self._clock.monotonic()
        if now_s - self._asked_again_s >= _ASK_AGAIN_S:
            self._asked_again_s = now_s
            self._link.reconnect()

    def _take(self, received: Received) -> None:
        message = self.admission.let_in(received)
        if isinstance(message, Command):
            self._commands.take(message)
        elif isinstance(message, Ack):
            if message.log_id == self._log.log_id:  # of another log the numbers say nothing
                self._trust.answered(message.through, message.at)
                self._has_reported()
            if not self._trust.is_measured:  # the answer came too late to say what time it is: ask once more
                self._log.event("clock_asked")
            self._log.acknowledged(message)
            self._reporter.acknowledged()
        elif isinstance(message, Config):
            self._keeper.pin(message.signing_keys, message.at)
            self._take_config(message)
            self._documents.put(_CONFIG, msgspec.to_builtins(message))
        elif isinstance(message, Certificate):
            self._renewals.answered(message)

    def _is_acting(self) -> bool:
        return any(worker.executes for worker in self.devices.workers.values())

    def _has_reported(self) -> None:
        """Say once, in a file, that the centre has taken what we said: by it a new release is known to work."""
        if self._reported:
            return
        try:
            (Path(self._config.folder) / REPORTED).write_text(f"{version('diemcau')}\n", encoding="ascii")
            self._reported = True
        except OSError as error:
            log.error("reported_not_written error=%s", error)

    def _look_at_secrets(self) -> None:
        """A secret may be put into the room after the device that needs it, or be changed."""
        if self._wanted is not None and self._clock.monotonic() - self._wanted[1] >= _SECRETS_EVERY_S:
            self._take_config(self._wanted[0])

    def _take_config(self, config: Config) -> None:
        self._wanted = (config, self._clock.monotonic())
        self._reporter.interval_s = config.interval_s
        # A room that is asked to report more often than usual is to say what is, not what was at its last poll.
        self._poller.hurry(config.interval_s if config.interval_s < DEFAULT_INTERVAL_S else math.inf)
        self._commands.proved = config.proved
        self._renewals.told(config)
        self._release.told(config.release)
        self._firmware.told(config.firmware)
        self.devices.want(config.devices, self._refused)
        self._reporter.config_revision = config.revision  # last: what is not in force is not said to be

    def _take_kept(self, kept: dict[str, Any]) -> None:
        """The configuration as it was kept; one of another version is as good as none, and comes again."""
        try:
            self._take_config(msgspec.convert(kept, Config))
        except msgspec.ValidationError as error:
            log.warning("config_not_kept error=%s", error)

    def _refused(self, device: str, reason: str) -> None:
        log.warning("device_refused device=%s reason=%s", device, reason)
        self._log.event("device_refused", device, reason=reason)
