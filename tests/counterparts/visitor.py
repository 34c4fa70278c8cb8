"""A client of the broker with whatever certificate it was given, which tries what it likes and never comes back."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_agent.identity import FOLDER, Identity, IdentityKeeper
from tests.counterparts.waiting import wait_for
from wire.tls import Tls, tls_context
from wire.topics import topic_of

REFUSED = "Not authorized"


def identity_in(home: Path) -> Identity:
    """What a machine's folder holds."""
    keeper = IdentityKeeper(home / FOLDER)
    keeper.close()
    return keeper.identity


def proof_in(home: Path) -> Tls:
    """What the machine of this folder proves itself with."""
    known = identity_in(home)
    assert known.pair is not None
    files = (str(home / FOLDER / f"{known.pair.name}{end}") for end in (".pem", ".key"))
    return Tls(known.authorities, *files)


class Visitor:
    """`heard` holds `(topic, payload, retained)`; `refusal` why the broker did not let it in, or ended it."""

    def __init__(
        self, port: int, client_id: str, proof: Tls | ssl.SSLContext | None, will: tuple[str, bytes] | None = None
    ) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self.name, self.refusal, self.is_in = client_id, "", False
        self._answers: dict[int, str] = {}
        self._granted: set[int] = set()
        self._settled, self._news = threading.Event(), threading.Condition()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id, protocol=paho.MQTTv5, reconnect_on_failure=False
        )
        self._client.max_inflight_messages_set(60_000)
        if proof is not None:
            self._client.tls_set_context(tls_context(proof) if isinstance(proof, Tls) else proof)
        if will is not None:
            at_once = Properties(PacketTypes.WILLMESSAGE)
            at_once.WillDelayInterval = 0
            self._client.will_set(*will, qos=1, retain=True, properties=at_once)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._ended
        self._client.on_message = self._hear
        self._client.on_publish = self._answered
        self._client.on_subscribe = self._subscribed
        try:
            self._client.connect("127.0.0.1", port, 60)
        except OSError as error:
            self.refusal = f"{type(error).__name__}: {error}"
            return
        self._client.loop_start()
        assert self._settled.wait(10), f"{client_id}: neither let in nor refused"

    @property
    def socket(self) -> Any:
        """The connection itself."""
        return self._client.socket()

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> str:
        """Publish with QoS 1; what the broker answered."""
        return self.say_all([topic], payload, retain=retain)[topic]

    def say_all(self, topics: Iterable[str], payload: bytes, *, retain: bool = False) -> dict[str, str]:
        """Publish the same on many topics; topic -> what the broker answered."""
        sent = {topic: self._client.publish(topic, payload, qos=1, retain=retain).mid for topic in topics}
        self._until(lambda: self._answers.keys() >= set(sent.values()), 60)
        return {topic: self._answers.pop(mid, "ended") for topic, mid in sent.items()}

    def listen(self, *filters: str) -> None:
        """Subscribe, and wait until the broker has answered."""
        _, mid = self._client.subscribe([(each, paho.SubscribeOptions(qos=1)) for each in filters])
        self._until(lambda: mid in self._granted, 30)

    def told(self, kind: Any) -> list[bytes]:
        """What was said to this room of this kind, its client id being its site."""
        return [payload for topic, payload, _ in self.heard if topic == topic_of(self.name, kind)]

    def leave(self) -> None:
        """Disconnect in order."""
        self._client.disconnect()
        self._client.loop_stop()

    def vanish(self) -> None:
        """The cable is cut, as the broker sees it: the connection ends without a word."""
        with suppress(OSError):
            socket.socket.shutdown(self._client.socket(), socket.SHUT_RDWR)
        wait_for(lambda: not self.is_in, 10, f"{self.name} does not notice")
        self._client.loop_stop()

    def _until(self, answered: Callable[[], bool], within_s: float) -> None:
        """The broker has answered, or ended us: a test looks at what it said."""
        with self._news:
            assert self._news.wait_for(lambda: self.refusal or answered(), within_s), f"{self.name}: no answer"

    def _connected(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.is_in, self.refusal = not reason.is_failure, str(reason) if reason.is_failure else ""
        self._settled.set()

    def _ended(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.is_in, self.refusal = False, self.refusal or str(reason)
        self._settled.set()
        with self._news:
            self._news.notify_all()

    def _hear(self, _client: Any, _data: Any, message: Any) -> None:
        self.heard.append((message.topic, bytes(message.payload), message.retain))

    def _answered(self, _client: Any, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        with self._news:
            self._answers[mid] = str(reason)
            self._news.notify_all()

    def _subscribed(self, _client: Any, _data: Any, mid: int, _reasons: Any, _properties: Any) -> None:
        with self._news:
            self._granted.add(mid)
            self._news.notify_all()
