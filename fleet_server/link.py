"""The server's end of the wire: paho's thread on one side, the event loop on the other. Only this file crosses."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable

from fleet_server.errors import SignerGone
from wire.announcements import GateNews
from wire.messages import Ack, Certificate, Command, Config
from wire.mqtt import Broker, MqttSession, Received
from wire.signing import Signer, signed
from wire.topics import ALL_ROOMS, gate_topic, topic_of

log = logging.getLogger("diemcau.link")

MOST_UNACKNOWLEDGED = 4_000
_ASK_SIGNER_AGAIN_S = 5.0
"""A signing process that hangs must not have us hang with each message."""
_BUSY, _LINGER_S = 64, 0.1
"""After a batch so large the next may gather for so long: a room's newer report then spares us its older one."""


class FleetLink:
    """Messages in batches for the loop; publishing from the loop. At most so many wait unacknowledged."""

    def __init__(self, broker: Callable[[], Broker], signer: Signer) -> None:
        self._signer, self._is_mute, self._mute_until_s = signer, False, 0.0
        self._waiting: deque[Received] = deque()
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._woken = False
        self._is_busy = False
        self.breaks = 0
        """How often the connection was lost or came up; each is a reason to learn anew."""
        self._session = MqttSession(
            broker,
            ALL_ROOMS,
            receive=self._receive,
            connected=self._changed,
            most_unacknowledged=MOST_UNACKNOWLEDGED,
        )
        self._thread = threading.Thread(target=self._session.run, args=(self._stop,), name="link", daemon=True)

    @property
    def is_connected(self) -> bool:
        """Whether the broker has us."""
        return self._session.is_connected

    def is_at_work(self, within_s: float) -> bool:
        """Whether the broker has answered within this time, or, where it is out of reach, we go on trying."""
        return self._session.is_at_work(within_s)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    async def stop(self) -> None:
        """Disconnect in order."""
        self._stop.set()
        await asyncio.to_thread(self._thread.join, 5)

    def hear_again(self) -> None:
        """Connect anew: what rooms that were unknown until now have retained comes again."""
        self._session.reconnect()

    async def batch(self, most: int = MOST_UNACKNOWLEDGED) -> list[Received]:
        """What has come, at least one message; or nothing when the connection came or went."""
        if not self._waiting:
            self._wake.clear()
            self._woken = False
            if not self._waiting:
                await self._wake.wait()
        if self._is_busy:
            await asyncio.sleep(_LINGER_S)
        found = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        self._is_busy = len(found) >= _BUSY
        return found

    def acknowledge(self, stored: list[Received]) -> None:
        """Tell the broker that these are stored."""
        self._session.acknowledge(stored)

    def say(
        self, told: Ack | Command | Config | Certificate, *, retain: bool = False, expiry_s: int | None = None
    ) -> bool:
        """Sign and send; False when there is no connection, or nobody who signs."""
        payload = self.signed(told)
        return payload is not None and self._session.publish(
            topic_of(told.site, told.kind), payload, retain=retain, expiry_s=expiry_s
        )  # fmt: skip

    def announce(self, payload: bytes, session: str, expiry_s: int) -> bool:
        """Say signed news of a session, retained; False when there is no connection."""
        return self._session.is_connected and self._session.publish(
            gate_topic(session), payload, retain=True, expiry_s=expiry_s
        )  # fmt: skip

    def signed(self, told: Ack | Command | Config | Certificate | GateNews) -> bytes | None:
        """The message as it is sent; None when there is no connection, or nobody who signs."""
        if not self._session.is_connected or (self._is_mute and self._loop.time() < self._mute_until_s):
            return None
        try:
            payload = signed(self._signer, told)
        except SignerGone as error:
            if not self._is_mute:
                log.error("nothing_signed error=%s", error)
            self._is_mute, self._mute_until_s = True, self._loop.time() + _ASK_SIGNER_AGAIN_S
            return None
        self._is_mute = False
        return payload

    def say_command(self, command: Command, expires_in_s: int) -> bool:
        """Send a command; never retained, and the broker drops it when it has run out."""
        return self.say(command, expiry_s=max(1, expires_in_s))

    def say_config(self, config: Config) -> bool:
        """Tell a room how it should be; the broker keeps it for one that is away."""
        return self.say(config, retain=True)

    def _receive(self, received: Received) -> None:
        self._waiting.append(received)
        if not self._woken:  # one wake-up for a whole burst
            self._woken = True
            self._loop.call_soon_threadsafe(self._wake.set)

    def _changed(self, _up: bool) -> None:
        self.breaks += 1
        self._loop.call_soon_threadsafe(self._wake.set)
