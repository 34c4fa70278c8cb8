"""Many rooms on one connection that have a line and nothing else: they say what they are, and measure when told."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import paho.mqtt.client as paho
from msgspec import Struct, field
from paho.mqtt.enums import CallbackAPIVersion

from device_drivers.errors import ActFailed, DriverError
from device_drivers.line.stream import Centre
from device_drivers.registry import description_of
from tests.counterparts.identity import PUBLIC
from wire.codec import decode, encode, revision_of
from wire.fields import Params
from wire.ids import uuid7
from wire.messages import About, Ack, Command, DeviceAbout, LogBatch, Message, Presence, StepEntry
from wire.signing import PinnedKeys
from wire.topics import one_room, parse, topic_of

_AGAIN_S = 2.0
_KEYS = PinnedKeys(PUBLIC)
_LINE = description_of("line")


class _Log(Struct):
    """A room's log."""

    log_id: str = field(default_factory=uuid7)
    entries: list[StepEntry] = field(default_factory=list)
    through: int = 0


class LightRooms:
    """Rooms that measure with the real streams, a few at a time; `idle` ones take a command and do nothing."""

    def __init__(self, sites: list[str], broker_port: int, centre: str, idle: bool = False, at_once: int = 8) -> None:
        self.commands: list[tuple[str, Command]] = []
        """What they were told, each once, in the order of arrival."""
        self.failed: list[tuple[str, str]] = []
        """Which of them did not measure, and why."""
        self._centre, self._idle = centre, idle
        self._logs, self._lock, self._seen = {site: _Log() for site in sites}, threading.Lock(), set[str]()
        self._measuring = ThreadPoolExecutor(at_once)
        self._stopped = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, f"light-{uuid7()}", protocol=paho.MQTTv5)
        self._client.max_inflight_messages_set(200)
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", broker_port, 60)
        self._client.subscribe([(one_room(site), paho.SubscribeOptions(qos=1)) for site in sites])
        self._client.loop_start()
        device = DeviceAbout("line-1", "line", "line", make="VNPT", model="FiberXtra 5M", actions=_LINE.actions)
        about = About(revision_of(device), (device,), {"line": _LINE.readings})
        for site in sites:
            self._say(site, Presence("online", "0", uuid7()))
            self._say(site, about)
        self._again = threading.Thread(target=self._say_again, daemon=True)
        self._again.start()

    def leave(self) -> None:
        """Disconnect."""
        self._stopped.set()
        self._measuring.shutdown(cancel_futures=True)
        self._again.join()
        self._client.disconnect()
        self._client.loop_stop()

    def ticket_of(self, site: str) -> str:
        """The ticket that a room was last told; empty before."""
        found = [str(command.params["ticket"]) for told, command in self.commands if told == site]
        return found[-1] if found else ""

    def step(self, site: str, command: Command, state: Any, detail: str, **params: Any) -> None:
        """One more entry of a room's log."""
        with self._lock:
            entries = self._logs[site].entries
            entries.append(StepEntry(len(entries) + 1, datetime.now(UTC), command.id, state, detail, params))
        self._say_log(site)

    def _hear(self, _client: Any, _data: Any, message: Any) -> None:
        site, kind = parse(message.topic)
        told = decode(kind, _KEYS.open(kind, bytes(message.payload)))
        if isinstance(told, Ack):
            if told.log_id == self._logs[site].log_id:
                self._logs[site].through = told.through
        elif isinstance(told, Command) and told.id not in self._seen:
            self._seen.add(told.id)
            self.commands.append((site, told))
            if not self._idle:
                self._measuring.submit(self._measure, site, told)

    def _measure(self, site: str, command: Command) -> None:
        self.step(site, command, "accepted", "accepted")
        self.step(site, command, "running", "started")
        try:
            self.step(site, command, "succeeded", "succeeded", **self._rates(str(command.params["ticket"])))
        except ActFailed as error:
            self.failed.append((site, error.reason))
            self.step(site, command, "failed", error.reason)
        except DriverError as error:
            self.failed.append((site, str(error)))
            self.step(site, command, "failed", "not_answering", said=str(error)[:100])

    def _rates(self, ticket: str) -> Params:
        centre = Centre(self._centre, None, ticket)
        down, up = centre.take(), centre.bring()
        return {"down_mbit_s": down.mbit_s, "up_mbit_s": up.mbit_s, "method": "tcp_1"}

    def _say(self, site: str, message: Message) -> None:
        self._client.publish(topic_of(site, message.kind), encode(message), qos=1)

    def _say_log(self, site: str) -> None:
        with self._lock:
            log = self._logs[site]
            entries = tuple(log.entries[log.through :][:100])
        if entries:
            self._say(site, LogBatch(log_id=log.log_id, entries=entries, from_=entries[0].n))

    def _say_again(self) -> None:
        while not self._stopped.wait(_AGAIN_S):
            for site in self._logs:
                self._say_log(site)
