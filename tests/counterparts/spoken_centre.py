"""A centre that is only words on the wire: it commands, configures and listens, as a server would not."""

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.counterparts.identity import PUBLIC, told
from tests.counterparts.waiting import wait_for
from wire.codec import config_revision, decode_as
from wire.messages import About, Ack, Command, Config, DesiredDevice, EventEntry, LogBatch, Report, StepEntry
from wire.times import SystemClock
from wire.topics import Said, Told, topic_of

FINAL = {"succeeded", "failed", "refused", "interrupted"}


class SpokenCentre:
    """The centre's end of one room's wire; it takes in the log as a server does."""

    def __init__(self, site: str, broker_port: int) -> None:
        self._site = site
        self.steps: dict[str, list[StepEntry]] = {}
        self.events: list[EventEntry] = []
        self.report: Report | None = None
        self.about: About | None = None
        self._known: set[tuple[str, int]] = set()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "centre", protocol=paho.MQTTv5)
        self._client.on_message = self._take
        self._client.connect("127.0.0.1", broker_port)
        self._client.subscribe(topic_of(site, Said.REPORT).replace("report", "#"), qos=1)
        self._client.loop_start()

    def _take(self, client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        payload = bytes(message.payload)
        if message.topic == topic_of(self._site, Said.REPORT):
            self.report = decode_as(Report, payload)
        elif message.topic == topic_of(self._site, Said.ABOUT):
            self.about = decode_as(About, payload)
        elif message.topic == topic_of(self._site, Said.LOG):
            batch = decode_as(LogBatch, payload)
            for entry in batch.entries:
                if (batch.log_id, entry.n) in self._known:
                    continue
                self._known.add((batch.log_id, entry.n))
                if isinstance(entry, StepEntry):
                    self.steps.setdefault(entry.command, []).append(entry)
                elif isinstance(entry, EventEntry):
                    self.events.append(entry)
            ack = Ack(self._site, batch.log_id, batch.entries[-1].n, SystemClock().now())
            client.publish(topic_of(self._site, Told.ACK), told(ack), qos=1)

    def configure(self, *devices: DesiredDevice, proved: dict[str, tuple[str, ...]] | None = None) -> str:
        """Tell the room what to watch beside its own file, and what was proved; the revision of that."""
        wanted = Config(self._site, "0" * 16, SystemClock().now(), 2.0, devices, proved or {}, PUBLIC)
        config = msgspec.structs.replace(wanted, revision=config_revision(wanted))
        self.say(Told.CONFIG, told(config), retain=True)
        return config.revision

    def wait_for_config(self, revision: str, within_s: float = 15.0) -> None:
        """Until the room says that this configuration is in force; it says so with its next report."""
        wait_for(
            lambda: self.report is not None and self.report.config_revision == revision, within_s, "it is not in force"
        )

    def command(self, command: Command) -> StepEntry:
        """Ask, and wait for the last step.

        A room leaves commands until it knows what time it is, and we ask once. What it said before we listened comes
        again.
        """
        wait_for(lambda: not self.waits(), 40, "the room says nothing of its log")
        self.send(command)
        return self.ends(command.id)

    def send(self, command: Command) -> None:
        """Ask, signed and for the life of the agent that has reported last."""
        report = wait_for(lambda: self.report, 20, "no report")
        assert report is not None
        self.say(Told.COMMAND, told(msgspec.structs.replace(command, boot_id=report.boot_id)))

    def ends(self, command: str, within_s: float = 40.0) -> StepEntry:
        """The last step of a command, once it is a final one."""

        def last() -> StepEntry | None:
            steps = self.steps.get(command, [])
            return steps[-1] if steps and steps[-1].state in FINAL else None

        found = wait_for(last, within_s, f"no end; it is at {self.steps.get(command)}")
        assert found is not None
        return found

    def waits(self) -> bool:
        """Whether the room has never said anything of its log: then it cannot know what time it is."""
        return not self._known

    def say(self, kind: Told, payload: bytes, retain: bool = False) -> None:
        """Publish anything at all."""
        said = self._client.publish(topic_of(self._site, kind), payload, qos=1, retain=retain)
        said.wait_for_publish(30)
        assert said.is_published(), f"the broker has not taken {kind}"

    def states(self) -> dict[str, str]:
        """Device -> its state, as the room reports it."""
        return {device.id: device.state for device in self.report.devices} if self.report is not None else {}

    def refused(self) -> dict[str, str]:
        """Device -> why the room refused to watch it."""
        return {
            str(event.device): str(event.params["reason"]) for event in self.events if event.event == "device_refused"
        }

    def leave(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()
