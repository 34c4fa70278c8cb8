"""One room's agent, put together. `start` and `stop` are all that its host needs."""

import logging
import queue
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from threading import Event

from device_drivers import registry
from edge_agent.commands import Commands
from edge_agent.config import RoomConfig
from edge_agent.documents import Documents
from edge_agent.journal import Journal
from edge_agent.link import RoomLink
from edge_agent.log import RoomLog
from edge_agent.poller import Poller
from edge_agent.power import PowerTree
from edge_agent.reporter import Reporter
from edge_agent.room import View, happenings
from edge_agent.store import Store
from edge_agent.supervisor import Supervisor
from edge_agent.worker import DeviceWorker, driver_of
from wire.codec import decode
from wire.errors import WireError
from wire.ids import uuid7
from wire.messages import Ack, Command, Config
from wire.mqtt import Received
from wire.times import Clock, SystemClock
from wire.topics import parse

log = logging.getLogger("diemcau.agent")


class Agent:
    """Watches and serves one room until it is stopped."""

    def __init__(self, config: RoomConfig, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        folder = Path(config.folder)
        self._store = Store(folder)
        self._documents = Documents(folder)
        self._log = RoomLog(self._store, self._clock)
        self._journal = Journal(self._store, self._log, self._clock)
        self._supervisor = Supervisor(self._clock)
        self._specs = {device.driver: registry.description_of(device.driver).readings for device in config.devices}
        power = PowerTree(config.power)
        self.workers: dict[str, DeviceWorker] = {}
        for device in config.devices:
            make = partial(driver_of, device, self._clock)
            self.workers[device.id] = DeviceWorker(
                device, make, self._journal, self._clock, self._found, power, self.workers
            )
        self._poller = Poller(self.workers.values())
        boot_id = uuid7()
        self._link = RoomLink(config, boot_id, version("diemcau"), lambda: self._reporter.connected())
        self._reporter = Reporter(
            self.workers, self._specs, self._link, self._log, boot_id, config.revision, self._clock
        )
        self._commands = Commands(self.workers, self._journal, self._log, self._clock)
        self.unreadable = 0

    def start(self) -> None:
        """Settle what the last life left open, then begin."""
        if kept := self._documents.get("config"):
            self._reporter.interval_s = kept["interval_s"]
            self._reporter.config_revision = kept["revision"]
        self._commands.settle()
        self._log.event("agent_started", version=version("diemcau"))
        start = self._supervisor.start
        for name, worker in self.workers.items():
            start(f"device:{name}", worker.run)
            if registry.driver_class(worker.device.driver).watches:
                start(f"watch:{name}", partial(self._watch, worker))
        start("inbox", self._read_inbox)
        start("reporter", self._reporter.run)
        start("link", self._link.run)
        self._poller.start()

    def stop(self) -> list[str]:
        """End in order; names of threads that hang in a driver and were left behind."""
        self._poller.stop()
        for worker in self.workers.values():
            worker.poke()
        self._reporter.wake()
        left = self._supervisor.end()
        if left:
            log.warning("threads_left names=%s", ",".join(left))
        self._documents.close()
        self._store.close()
        return left

    def _watch(self, worker: DeviceWorker, stop: Event, beat: Callable[[], None]) -> None:
        beat()
        driver_of(worker.device, self._clock).watch(stop, worker.poke)

    def _found(self, before: View | None, after: View) -> None:
        specs = {spec.key: spec for spec in self._specs[after.device.driver]}
        for happening in happenings(before, after, specs):
            self._log.event(happening.event, happening.device, **happening.params)
        self._reporter.wake()

    def _read_inbox(self, stop: Event, beat: Callable[[], None]) -> None:
        while not stop.is_set():
            beat()
            try:
                received = self._link.inbox.get(timeout=1.0)
            except queue.Empty:
                continue
            try:
                self._take(received)
            except WireError as error:
                self.unreadable += 1
                log.warning("message_unreadable topic=%s error=%s", received.topic[:120], error)
            self._link.acknowledge(received)
            self._reporter.wake()

    def _take(self, received: Received) -> None:
        message = decode(parse(received.topic)[1], received.payload)
        if isinstance(message, Command):
            self._commands.take(message)
        elif isinstance(message, Ack):
            self._log.acknowledged(message)
            self._reporter.acknowledged()
        elif isinstance(message, Config):
            self._documents.put("config", {"interval_s": message.interval_s, "revision": message.revision})
            self._reporter.interval_s = message.interval_s
            self._reporter.config_revision = message.revision
