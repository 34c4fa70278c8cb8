"""The room's end of the wire: presence, about, report and log go up; what comes down lands in a queue."""

import queue
from collections.abc import Callable
from threading import Event

from edge_agent.identity import IdentityKeeper
from wire.codec import encode
from wire.messages import REPORT_EXPIRY_S, About, LogBatch, Presence, Renewal, Report, RoomMessage
from wire.mqtt import MqttSession, Received, Will
from wire.topics import Said, one_room, topic_of

WILL_DELAY_S = 10


class RoomLink:
    """Publishes for one room. `inbox` holds what the room was told; when it is full the broker keeps the rest."""

    def __init__(
        self, keeper: IdentityKeeper, boot_id: str, version: str, connected: Callable[[], None],
        session: type[MqttSession] = MqttSession, receive: Callable[[Received], None] | None = None,
    ) -> None:  # fmt: skip
        """`receive` is called for each message instead of `inbox.put_nowait`."""
        self._keeper = keeper
        self._site, self._boot_id, self._version = keeper.identity.site, boot_id, version
        self.inbox: queue.Queue[Received] = queue.Queue(maxsize=500)
        self._on_connected = connected
        lost = encode(Presence("lost", version, boot_id))
        self._session = session(
            keeper.broker,
            one_room(self._site),
            receive=receive or self.inbox.put_nowait,
            connected=self._changed,
            will=Will(topic_of(self._site, Said.PRESENCE), lost, WILL_DELAY_S),
        )

    @property
    def is_connected(self) -> bool:
        """Whether something published now has a chance."""
        return self._session.is_connected

    def is_at_work(self, within_s: float) -> bool:
        """Whether the broker has answered within this time, or, where it is out of reach, we go on trying."""
        return self._session.is_at_work(within_s)

    def run(self, stop: Event, beat: Callable[[], None]) -> None:
        """Hold the connection until `stop`, then say that we leave."""
        leaving = Event()

        def watch() -> None:
            beat()
            if stop.is_set() and not leaving.is_set():
                self.publish_offline()
                leaving.set()

        self._session.run(_Both(stop, leaving, self._session), watch)

    def publish_offline(self) -> None:
        """Publish that this agent stops in order."""
        self._say(Presence("offline", self._version, self._boot_id), retain=True)

    def say_about(self, about: About) -> bool:
        """Publish what the room consists of."""
        return self._say(about, retain=True)

    def say_report(self, report: Report) -> bool:
        """Publish the room at this moment."""
        return self._say(report, retain=True, expiry_s=REPORT_EXPIRY_S)

    def say_log(self, batch: LogBatch) -> bool:
        """Publish entries of the log."""
        return self._say(batch)

    def say_renewal(self, renewal: Renewal) -> bool:
        """Ask for the next certificate."""
        return self._say(renewal)

    def reconnect(self) -> None:
        """Leave and come back, with the identity as it is then."""
        self._session.reconnect()

    def acknowledge(self, received: Received) -> None:
        """Tell the broker that this is stored, or done with."""
        self._session.acknowledge((received,))

    def _changed(self, up: bool) -> None:
        if up:
            self._keeper.connected()
            self._say(Presence("online", self._version, self._boot_id), retain=True)
            self._on_connected()

    def _say(self, message: RoomMessage, *, retain: bool = False, expiry_s: int | None = None) -> bool:
        topic = topic_of(self._site, message.kind)
        return self._session.publish(topic, encode(message), retain=retain, expiry_s=expiry_s)


class _Both(Event):
    """Set once we were told to stop and, where connected, have said goodbye."""

    def __init__(self, stop: Event, leaving: Event, session: MqttSession) -> None:
        super().__init__()
        self._stop, self._leaving, self._session = stop, leaving, session

    def is_set(self) -> bool:
        return self._stop.is_set() and (self._leaving.is_set() or not self._session.is_connected)

    def wait(self, timeout: float | None = None) -> bool:
        self._stop.wait(timeout)
        return self.is_set()
