"""When the room speaks: a report on every change that counts and each interval, the log until it is acknowledged."""

import logging
from collections.abc import Callable
from threading import Event
from typing import Any

from edge_agent.devices import Devices
from edge_agent.link import RoomLink
from edge_agent.log import RoomLog
from edge_agent.room import View, about_of, report_of, without_choices, worth_a_report
from wire.description import ReadingSpec
from wire.errors import TooLarge, WireError
from wire.messages import About, FoundDevice, Report
from wire.times import Clock

log = logging.getLogger("diemcau.reporter")

_LEAST_S = 1.0
_LOOK_EVERY_S = 1.0
_LOG_AGAIN_S = 10.0
DEFAULT_INTERVAL_S = 15.0


class Reporter:
    """Looks once a second and whenever it is woken. Only its own thread publishes reports and log."""

    def __init__(
        self,
        devices: Devices,
        link: RoomLink,
        log: RoomLog,
        boot_id: str,
        config_revision: str,
        clock: Clock,
        asking: Callable[[int], None],
    ) -> None:
        """`asking` is told the last number of each batch of the log that goes out."""
        self._asking = asking
        self._devices, self._link, self._log = devices, link, log
        self._boot_id, self._clock = boot_id, clock
        self.config_revision = config_revision
        self.interval_s = DEFAULT_INTERVAL_S
        self.found: tuple[FoundDevice, ...] = ()
        """What discovery saw last."""
        self._wake = Event()
        self._introduce = True
        self._seq = 0
        self._sent: tuple[Report, float] | None = None
        self._log_sent_s: float | None = None
        self._about_sent = ""
        self._unsaid: set[str] = set()
        self._described: tuple[Any, About] | None = None
        """What the description rests on, and the description."""
        self.has_unpublished_change = False
        """A change came within a second of the last report."""

    def wake(self) -> None:
        """Something may be worth saying."""
        self._wake.set()

    def connected(self) -> None:
        """A new connection: say everything from the start."""
        self._introduce = True
        self._wake.set()

    def acknowledged(self) -> None:
        """The server has taken log entries: the next may go."""
        self._log_sent_s = None
        self._wake.set()

    def now(self) -> Report:
        """The room at this moment, with the next number."""
        views = self._views()
        return report_of(
            views, now_s=self._clock.monotonic(), at=self._clock.now(), boot_id=self._boot_id, seq=self._seq + 1,
            about=self._about(views).revision, config=self.config_revision,
        )  # fmt: skip

    def run(self, stop: Event, beat: Callable[[], None]) -> None:
        """Speak until `stop`."""
        while not stop.is_set():
            beat()
            self._wake.wait(_LOOK_EVERY_S)
            self._wake.clear()
            self.publish_due()

    def publish_due(self) -> None:
        """Publish the description, a report and a batch of the log, each where it is due and there is a connection."""
        if not self._link.is_connected:
            return
        if self._introduce:
            self._introduce, self._sent, self._about_sent, self._log_sent_s = False, None, "", None
        now_s = self._clock.monotonic()
        report = self.now()
        if self._is_due(report, now_s):
            if report.about_revision != self._about_sent and self._said("about", self._introduced):
                self._about_sent = report.about_revision
            if self._said("report", lambda: self._link.say_report(report)):
                self._seq, self._sent = report.seq, (report, now_s)
        if self._log_sent_s is None or now_s - self._log_sent_s >= _LOG_AGAIN_S:
            batch = self._log.batch()
            if batch is not None:
                self._asking(batch.entries[-1].n)
                self._log_sent_s = now_s  # before: its answer, which asks for the next at once, may be here first
                if not self._said("log", lambda: self._link.say_log(batch)):
                    self._log_sent_s = None

    def _introduced(self) -> bool:
        """Whether the room was described: where it has too much to say, without what may be chosen for each action."""
        about = self._about(self._views())
        try:
            return self._link.say_about(about)
        except TooLarge:
            return self._link.say_about(without_choices(about))

    def _said(self, what: str, say: Callable[[], bool]) -> bool:
        """What cannot be said must not keep the rest from being said."""
        try:
            is_said = say()
        except WireError as error:
            if what not in self._unsaid:
                log.error("not_said what=%s error=%s", what, error)
                self._unsaid.add(what)
            return False
        if is_said and what in self._unsaid:
            log.info("said_again what=%s", what)
            self._unsaid.discard(what)
        return is_said

    def _is_due(self, report: Report, now_s: float) -> bool:
        self.has_unpublished_change = False
        if self._sent is None:
            return True
        before, sent_s = self._sent
        if now_s - sent_s >= self.interval_s:
            return True
        if not worth_a_report(before, report, self._by_device()):
            return False
        self.has_unpublished_change = now_s - sent_s < _LEAST_S  # the next call publishes it
        return not self.has_unpublished_change

    def _views(self) -> list[View]:
        return [worker.view() for worker in self._devices.workers.values()]

    def _about(self, views: list[View]) -> About:
        """The description; made anew, with its hash, only when something in it may have changed."""
        parts = [(view.device, view.observation and view.observation.identity,
                  view.observation and view.observation.actions) for view in views]  # fmt: skip
        rests_on = (parts, self._devices.specs, self.found)
        if self._described is None or self._described[0] != rests_on:
            self._described = rests_on, about_of(views, self._devices.specs, self.found)
        return self._described[1]

    def _by_device(self) -> dict[str, dict[str, ReadingSpec]]:
        specs = self._devices.specs
        return {
            name: {spec.key: spec for spec in specs[worker.device.driver]}
            for name, worker in self._devices.workers.items()
        }
