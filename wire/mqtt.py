"""One MQTT 5 session as both ends hold it: the rules of the contract about delivery, in one place.

- One reader; each message is acknowledged by hand, by whoever has stored it.
- `clean_start` is never set and the session outlives a break, so that what waits at the broker arrives.
- Nothing is published while disconnected, and every connection has a client of its own: paho would send
  its old queue again after a reconnect, with the full expiry that had long run out.
- We reconnect ourselves, after a random time (full jitter), so that a thousand rooms do not come back in step.
"""

import logging
import random
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import paho.mqtt.client as paho
from msgspec import Struct
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from wire.tls import Tls, tls_context

log = logging.getLogger("diemcau.mqtt")

_MAX_PACKET_BYTES = 70_000
_SESSION_S = 3600
_BURST = 64
_ASK_EVERY_S, _NEVER = 10.0, "diemcau/v1/nobody"
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
"""Bounds of the random wait before a reconnect; it doubles from the first to the longest."""


class Broker(Struct, frozen=True):
    """Where the broker is, and who we are to it."""

    host: str
    port: int
    client_id: str
    tls: Tls | None = None
    """None only for a broker on the same machine."""
    keepalive_s: int = 20


class Will(Struct, frozen=True):
    """What the broker says for us when we are gone for `delay_s`."""

    topic: str
    payload: bytes
    delay_s: int


class Received(Struct, frozen=True, gc=False):
    """One message; the session must `acknowledge` it once it is stored, or the broker sends it again."""

    topic: str
    payload: bytes
    retained: bool
    expiry_left_s: int | None
    client: paho.Client
    packet_id: int


class MqttSession:
    """A connection that comes back. `run` is called by one thread; `publish` by any.

    `broker` is asked anew before each connection, for the identity may have been renewed.

    `receive` and `connected` are called by the running thread and must only hand on.
    """

    def __init__(
        self,
        broker: Callable[[], Broker],
        subscription: str,
        receive: Callable[[Received], None],
        connected: Callable[[bool], None],
        will: Will | None = None,
        most_unacknowledged: int = 100,
    ) -> None:
        self._broker_now, self._subscription, self._will = broker, subscription, will
        self._broker: Broker | None = None
        self._receive, self._connected = receive, connected
        self._most_unacknowledged = most_unacknowledged
        self._client: paho.Client | None = None
        self._up = threading.Event()
        self._again = threading.Event()
        self._heard = 0
        self._stored: deque[Received] = deque()
        self._acknowledging = threading.Lock()
        self._served_s, self._answered_s, self._asked_s = time.monotonic(), float("-inf"), float("-inf")
        """On the monotonic clock: we went on (and have just begun), the broker answered, we asked it."""
        self.faults = 0
        """Errors caught at a callback's edge: each would have ended paho's thread."""

    @property
    def is_connected(self) -> bool:
        """Whether the broker has accepted us and our subscription."""
        return self._up.is_set()

    def is_at_work(self, within_s: float) -> bool:
        """Whether, within this time, the broker has answered or, without a connection, we have gone on trying."""
        last_s = self._answered_s if self._up.is_set() else self._served_s
        return time.monotonic() - last_s < within_s

    def run(self, stop: threading.Event, beat: Callable[[], None] = lambda: None) -> None:
        """Connect, serve, reconnect; return when `stop` is set."""
        wait_s, trouble = FIRST_WAIT_S, ""
        while not stop.is_set():
            found = self._one_connection(stop, beat)
            if found == "":
                wait_s, trouble = FIRST_WAIT_S, ""
            elif found != trouble:
                trouble = found
                at = f"{self._broker.host}:{self._broker.port}" if self._broker is not None else "?"
                log.warning("broker_unreachable broker=%s error=%s", at, found)
            until = random.uniform(0, wait_s)  # noqa: S311 - jitter, no secret
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)
            while until > 0 and not stop.wait(min(1.0, until)):
                until -= 1.0
                self._served_s = time.monotonic()
                beat()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None) -> bool:
        """Send with QoS 1; False when there is no connection, and then nothing is kept."""
        client = self._client
        if client is None or not self._up.is_set():
            return False
        properties = Properties(PacketTypes.PUBLISH)
        if expiry_s is not None:
            properties.MessageExpiryInterval = expiry_s
        return client.publish(topic, payload, qos=1, retain=retain, properties=properties).rc == paho.MQTT_ERR_SUCCESS

    def acknowledge(self, stored: Iterable[Received]) -> None:
        """Tell the broker, in their order, that it may forget these; for a connection that has gone this does nothing.

        The caller sends the first, which wakes the running thread to send the others: handing the interpreter to
        and fro for each of a thousand costs more than all else that is done for them.
        """
        self._stored.extend(stored)
        self._say_stored(most=1)

    def reconnect(self) -> None:
        """Leave and come back, so that the broker says again what it retains."""
        self._again.set()

    @property
    def _name(self) -> str:
        return self._broker.client_id if self._broker is not None else ""

    def open(self) -> paho.Client:
        """A client that has sent its CONNECT, with the identity of now. Blocks for the TCP and TLS handshake.

        Raises OSError (ssl.SSLError among them) and ValueError, also where the identity cannot be used.
        """
        try:
            broker = self._broker = self._broker_now()
            client = self._new_client(broker)
        except (OSError, ValueError) as error:
            raise ValueError(f"the identity cannot be used ({type(error).__name__}: {error})") from error
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = _SESSION_S
        properties.ReceiveMaximum = self._most_unacknowledged
        properties.MaximumPacketSize = _MAX_PACKET_BYTES
        try:
            client.connect(broker.host, broker.port, broker.keepalive_s, clean_start=False, properties=properties)
        except BaseException:
            with suppress(OSError, ValueError):
                client.disconnect()
            raise
        return client

    def _one_connection(self, stop: threading.Event, beat: Callable[[], None]) -> str:
        """Serve one connection to its end. The reason when it never came up, else nothing."""
        self._again.clear()  # first: whoever wants another connection while this one is being made has to have it
        client: paho.Client | None = None
        reason, was_up = "", False
        try:
            client = self.open()
            while not stop.is_set() and not self._again.is_set():
                result = self._serve(client)
                beat()
                was_up = was_up or self._up.is_set()
                if result != paho.MQTT_ERR_SUCCESS:
                    reason = paho.error_string(result)
                    break
            else:
                self._say_goodbye(client)
        except (OSError, ValueError, ssl.SSLError) as error:
            reason = str(error) or type(error).__name__
        except Exception as error:  # noqa: BLE001 - the edge of this thread: paho on a malformed packet
            self.faults += 1
            reason = f"{type(error).__name__}: {error}"
        finally:
            self._client = None
            if client is not None:
                with suppress(OSError, ValueError):
                    client.disconnect()
            self._down()
        return "" if was_up else reason

    def _serve(self, client: paho.Client) -> int:
        """Wait for the line, take what it has in one go, and acknowledge what has been stored."""
        heard, result = self._heard, client.loop(timeout=0.5)
        until = heard + _BURST
        while result == paho.MQTT_ERR_SUCCESS and heard < self._heard < until:
            heard, result = self._heard, client.loop_read()
        self._say_stored()
        self._served_s = now_s = time.monotonic()
        if self._up.is_set() and now_s - self._asked_s >= _ASK_EVERY_S:
            # To leave what was never subscribed to is the one question that changes nothing (MQTT 5, 3.11.3: 0x11).
            self._asked_s = now_s
            client.unsubscribe(_NEVER)
        return result

    def _say_stored(self, most: int = _BURST * 4) -> None:
        with self._acknowledging:
            for received in (self._stored.popleft() for _ in range(min(most, len(self._stored)))):
                received.client.ack(received.packet_id, 1)

    def _new_client(self, broker: Broker) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2, broker.client_id, protocol=paho.MQTTv5, manual_ack=True,
            reconnect_on_failure=False,
        )  # fmt: skip
        client.max_inflight_messages_set(self._most_unacknowledged)
        client.connect_timeout = 10
        if (tls := broker.tls) is not None:
            client.tls_set_context(tls_context(tls))
        if self._will is not None:
            delay = Properties(PacketTypes.WILLMESSAGE)
            delay.WillDelayInterval = self._will.delay_s
            client.will_set(self._will.topic, self._will.payload, qos=1, retain=True, properties=delay)
        # With it paho only queues what other threads publish and wakes the running one, which alone touches the
        # socket: two threads in one TLS connection break it, and can end the whole process.
        client.on_socket_register_write = lambda *_: None
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_unsubscribe = self._on_answer
        return client

    def _say_goodbye(self, client: paho.Client) -> None:
        """Let what was published last go out, then disconnect in order."""
        self._say_stored()
        for _ in range(20):
            if not client.want_write() or client.loop(timeout=0.05) != paho.MQTT_ERR_SUCCESS:
                break
        client.disconnect()
        client.loop(timeout=0.05)

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.warning("broker_refused client=%s reason=%s", self._name, reason)
            return
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE)
        client.subscribe(self._subscription, options=options)

    def _on_subscribe(self, client: paho.Client, _data: Any, _mid: int, reasons: list[Any], _properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            log.warning("subscription_refused topic=%s reason=%s", self._subscription, reasons[0])
            return
        self._client = client
        self._answered_s = time.monotonic()
        self._up.set()
        log.info("broker_connected client=%s", self._name)
        self._guarded(lambda: self._connected(True))

    def _on_answer(self, *_: Any) -> None:
        self._answered_s = time.monotonic()

    def _on_message(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self._heard += 1
        expiry = getattr(message.properties, "MessageExpiryInterval", None)
        received = Received(message.topic, bytes(message.payload), message.retain, expiry, client, message.mid)
        try:
            self._receive(received)
        except Exception as error:  # noqa: BLE001 - whatever a receiver does, the session lives
            self._count(error)

    def _down(self) -> None:
        if self._up.is_set():
            self._up.clear()
            log.info("broker_lost client=%s", self._name)
            self._guarded(lambda: self._connected(False))

    def _guarded(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whatever a receiver does, the session lives
            self._count(error)

    def _count(self, error: Exception) -> None:
        self.faults += 1
        if self.faults == 1:
            log.error("callback_failed error=%s", type(error).__name__, exc_info=error)
