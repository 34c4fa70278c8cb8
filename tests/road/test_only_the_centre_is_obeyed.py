"""A room obeys its own centre, in this life of its agent, in time; all else has no effect, and the room says so."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import paho.mqtt.client as paho
import pytest
from nacl.signing import SigningKey

from edge_agent.agent import Agent
from edge_agent.identity import FOLDER, Identity, save_new
from edge_agent.log import RoomLog
from edge_agent.store import Store
from tests.counterparts.identity import KEY, NEXT_KEY, PUBLIC
from tests.counterparts.room import RoomUnderTest
from tests.counterparts.spoken_centre import SpokenCentre
from tests.counterparts.waiting import wait_for
from wire.codec import config_revision, decode_as, encode
from wire.fields import Params
from wire.ids import uuid7
from wire.messages import Ack, Command, Config, EventEntry, LogBatch, StepEntry
from wire.signing import public_key_of, sign
from wire.times import SystemClock
from wire.topics import Said, Told, topic_of

SITE = "38-1"
THIRD_KEY, STRANGER = SigningKey(b"one that signs after the next..."), SigningKey(b"one that no room has pinned.....")


class ClockThatIsSet(SystemClock):
    """The computer's clocks, but for a hand on the wall clock."""

    ahead_s = 0.0

    def now(self) -> datetime:
        """What the hand has made of it."""
        return super().now() + timedelta(seconds=self.ahead_s)


class CentreOfKeys(SpokenCentre):
    """A centre that signs with a key of the test's choice, and acknowledges only while it `answers`."""

    def __init__(self, site: str, broker_port: int) -> None:
        self.site, self.key, self.answers = site, KEY, True
        self.batch: LogBatch | None = None
        self.acknowledged = 0
        super().__init__(site, broker_port)

    def _take(self, client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        if message.topic != topic_of(self.site, Said.LOG):
            super()._take(client, _data, message)
            return
        self.batch = batch = decode_as(LogBatch, bytes(message.payload))
        for entry in batch.entries:
            if (batch.log_id, entry.n) in self._known:
                continue
            self._known.add((batch.log_id, entry.n))
            if isinstance(entry, StepEntry):
                self.steps.setdefault(entry.command, []).append(entry)
            elif isinstance(entry, EventEntry):
                self.events.append(entry)
        if self.answers:
            ack = Ack(self.site, batch.log_id, batch.entries[-1].n, SystemClock().now())
            client.publish(topic_of(self.site, Told.ACK), self.signed(ack), qos=1)
            self.acknowledged += 1

    def signed(self, message: Ack | Command | Config) -> bytes:
        """The message with the signature of the key that signs now."""
        return sign(self.key, message.kind, encode(message))

    def reasons(self) -> list[str]:
        """Why the room has refused messages, as its log says."""
        return [str(event.params["reason"]) for event in self.events if event.event == "message_refused"]

    def boot_id(self) -> str:
        """The life of the agent that has reported last."""
        report = wait_for(lambda: self.report, 20, "no report")
        assert report is not None
        return report.boot_id


class Obeying:
    """A room that is well, its centre, and a hand on the room's clock."""

    def __init__(self, room: RoomUnderTest, centre: CentreOfKeys) -> None:
        self.room, self.centre, self.clock = room, centre, ClockThatIsSet()

    def start(self) -> None:
        """A new life of the agent; wait until it has been answered, where the centre answers."""
        before = self.centre.report.boot_id if self.centre.report is not None else ""
        heard = self.centre.acknowledged
        self.room.belong()
        self.room.agent = Agent(self.room.config(), self.clock)
        self.room.agent.start()

        def is_well() -> bool:
            report = self.centre.report
            return (
                report is not None and report.boot_id != before and self.centre.states().get("ups-1") == "ok"
                and (self.centre.acknowledged > heard if self.centre.answers else self.centre.batch is not None)
            )  # fmt: skip

        wait_for(is_well, 20, "the room is not well")

    def restart(self) -> None:
        """One life of the agent ends in order, the next begins."""
        self.room.stop()
        self.start()

    def command(
        self, action: str = "test.battery.start.quick", *, site: str = SITE, boot_id: str = "",
        starts_s: float = 0.0, lasts_s: float = 60.0, params: Params | None = None,
    ) -> Command:  # fmt: skip
        """A command to the UPS, by default for this life of the agent."""
        begin = datetime.now(UTC) + timedelta(seconds=starts_s)
        return Command(
            uuid7(), site, boot_id or self.centre.boot_id(), "ups-1", action, params or {}, begin,
            begin + timedelta(seconds=lasts_s), "test",
        )  # fmt: skip

    def says(self, message: Ack | Command | Config, key: SigningKey | None = None) -> None:
        """Publish a message on this room's topic, signed with this key, or with the centre's."""
        self.centre.say(message.kind, sign(key or self.centre.key, message.kind, encode(message)))

    def configured(self, interval_s: float, *keys: str, said_s: float = 0.0, site: str = SITE) -> Config:
        """A configuration, said so many seconds from now."""
        at = SystemClock().now() + timedelta(seconds=said_s)
        wanted = Config(site, "0" * 16, at, interval_s, signing_keys=keys or PUBLIC)
        return msgspec.structs.replace(wanted, revision=config_revision(wanted))

    def in_force(self) -> str:
        """The revision that the room's next report says; one that was sent before this question does not count."""
        asked = self.centre.report
        report = wait_for(lambda: (now := self.centre.report) is not asked and now, 20, "no further report")
        assert report
        return report.config_revision

    def obeys(self, key: SigningKey | None = None) -> None:
        """What the centre says now is done; whatever was said before it has had its effect by then."""
        done = len(self.room.ups.executed)
        asked = self.command("beeper.mute")
        self.says(asked, key)
        end = self.centre.ends(asked.id)
        assert (end.state, end.detail) == ("succeeded", "succeeded")
        assert self.room.ups.executed[done:] == ["beeper.mute"], "and nothing else was"

    def refuses(self, reason: str) -> None:
        """The room's log says that something was refused for this reason, and for no other."""
        wait_for(lambda: self.centre.reasons(), 20, f"it does not say {reason}")
        assert self.centre.reasons() == [reason]


@pytest.fixture
def centre(mosquitto_port: int) -> Iterator[CentreOfKeys]:
    """A centre of which the test says every word."""
    made = CentreOfKeys(SITE, mosquitto_port)
    yield made
    made.leave()


@pytest.fixture
def room(new_room: Callable[..., RoomUnderTest], centre: CentreOfKeys) -> Obeying:
    """A room whose agent has not been started."""
    return Obeying(new_room(SITE), centre)


def body_changed(room: Obeying, asked: Command) -> bytes:
    muting = msgspec.structs.replace(asked, action="beeper.mute")
    return sign(KEY, Told.COMMAND, encode(muting)).replace(b'"beeper.mute"', f'"{asked.action}"'.encode())


def under_another_name(room: Obeying, asked: Command) -> bytes:
    form, _, signature, body = sign(STRANGER, Told.COMMAND, encode(asked)).split(b".", 3)
    return b".".join((form, sign(KEY, Told.COMMAND, body).split(b".")[1], signature, body))


@pytest.mark.parametrize(
    ("payload_of", "changed", "reason"),
    [
        (lambda room, asked: encode(asked), {}, "unsigned"),
        (body_changed, {}, "wrong_signature"),
        (under_another_name, {}, "wrong_signature"),
        (lambda room, asked: sign(KEY, Told.CONFIG, encode(asked)), {}, "wrong_signature"),
        (lambda room, asked: sign(STRANGER, Told.COMMAND, encode(asked)), {}, "unknown_key"),
        (lambda room, asked: sign(KEY, Told.COMMAND, encode(asked)), {"site": "38-2"}, "wrong_site"),
        (lambda room, asked: sign(KEY, Told.COMMAND, encode(asked)), {"boot_id": uuid7()}, "old_epoch"),
        (lambda room, asked: sign(KEY, Told.COMMAND, encode(asked)), {"lasts_s": 301.0}, "lives_too_long"),
        (
            lambda room, asked: sign(KEY, Told.COMMAND, encode(asked)),
            {"starts_s": -86_400.0, "lasts_s": 2 * 86_400.0},
            "lives_too_long",
        ),
    ],
    ids=[
        "unsigned", "body changed", "name of another key", "signed as a configuration", "key of a stranger",
        "another site", "another life", "five minutes and a second", "two days",
    ],
)  # fmt: skip
def test_a_command_that_the_centre_has_not_given_to_this_room_now_has_no_effect(
    room: Obeying, payload_of: Callable[[Obeying, Command], bytes], changed: dict[str, object], reason: str
) -> None:
    room.start()
    asked = room.command(**changed)  # type: ignore[arg-type]
    room.centre.say(Told.COMMAND, payload_of(room, asked))
    room.refuses(reason)
    assert room.room.ups.executed == []
    room.obeys()
    assert asked.id not in room.centre.steps


def test_a_flood_of_noise_is_one_line_in_the_log_and_stops_nothing(room: Obeying) -> None:
    room.start()
    for n in range(300):
        room.centre.say(Told.COMMAND, encode(room.command()) if n % 2 else b"\xff" * n)
    room.refuses("unsigned")
    room.obeys()
    assert room.centre.reasons() == ["unsigned"] and len(room.centre.steps) == 1


def test_a_command_of_five_minutes_is_obeyed(room: Obeying) -> None:
    room.start()
    asked = room.command("beeper.mute", lasts_s=300.0)
    room.says(asked)
    assert room.centre.ends(asked.id).state == "succeeded"
    assert room.room.ups.executed == ["beeper.mute"] and room.centre.reasons() == []


def test_a_stranger_cannot_end_a_command_by_its_id(room: Obeying) -> None:
    room.start()
    room.room.ups.test_s = 3.0
    asked = room.command()
    room.says(asked)
    wait_for(lambda: room.room.ups.executed, 20, "it was never begun")
    for key in (STRANGER, None):
        other = msgspec.structs.replace(asked, boot_id=uuid7(), expires_at=asked.not_before)
        room.says(other, key)
    assert room.centre.ends(asked.id).state == "succeeded"
    assert {step.state for step in room.centre.steps[asked.id]} == {"accepted", "running", "succeeded"}
    wait_for(lambda: sorted(room.centre.reasons()) == ["old_epoch", "unknown_key"], 20, "what was refused is not said")


def test_a_command_for_an_earlier_life_of_the_agent_has_no_effect_in_the_next(room: Obeying) -> None:
    room.start()
    asked = room.command(lasts_s=300.0)
    room.restart()
    room.says(asked)
    room.refuses("old_epoch")
    assert room.room.ups.executed == []
    room.obeys()
    assert asked.id not in room.centre.steps


def test_a_command_that_the_broker_has_retained_has_no_effect(room: Obeying) -> None:
    room.centre.answers = False
    room.start()
    asked = room.command(lasts_s=300.0)
    room.centre.say(Told.COMMAND, room.centre.signed(asked), retain=True)
    first = room.configured(2.0)
    room.says(first)
    room.centre.wait_for_config(first.revision)
    assert room.room.ups.executed == [], "the clock is not measured yet"
    room.centre.answers = True
    wait_for(lambda: room.centre.acknowledged, 20, "the log is not said again")
    room.room.cut_line()
    room.room.mend_line()
    room.refuses("retained")
    assert room.room.ups.executed == []
    room.obeys()
    assert asked.id not in room.centre.steps


def test_a_command_that_is_played_again_is_executed_once(room: Obeying) -> None:
    room.start()
    asked = room.command()
    payload = room.centre.signed(asked)
    for _ in range(3):
        room.centre.say(Told.COMMAND, payload)
    assert room.centre.ends(asked.id).state == "succeeded"
    room.centre.say(Told.COMMAND, payload)
    room.obeys()
    assert room.room.ups.executed == ["test.battery.start.quick", "beeper.mute"]
    assert [step.state for step in room.centre.steps[asked.id]].count("accepted") == 1


@pytest.mark.parametrize("ahead_s", [-7_200.0, 7_200.0], ids=["back", "forward"])
def test_no_command_is_obeyed_while_the_clock_is_set_two_hours_wrong(room: Obeying, ahead_s: float) -> None:
    room.start()
    room.clock.ahead_s = ahead_s
    of_now, of_its_clock = room.command(), room.command(starts_s=ahead_s)
    for asked in (of_now, of_its_clock):
        room.says(asked)
        end = room.centre.ends(asked.id)
        assert (end.state, end.detail) == ("refused", "clock_untrusted")
        assert [step.state for step in room.centre.steps[asked.id]] == ["refused"]
    assert room.room.ups.executed == []
    room.clock.ahead_s = 0.0
    room.obeys()


def test_a_clock_that_was_wrong_from_the_start_is_noticed(room: Obeying) -> None:
    room.clock.ahead_s = -7_200.0
    room.start()
    asked = room.command(starts_s=-7_200.0)
    room.says(asked)
    end = room.centre.ends(asked.id)
    assert (end.state, end.detail) == ("refused", "clock_untrusted")
    room.clock.ahead_s = 0.0
    room.obeys()


def test_a_command_waits_until_the_centre_has_answered(room: Obeying) -> None:
    room.centre.answers = False
    room.start()
    asked = room.command()
    room.says(asked)
    later = room.configured(2.0)
    room.says(later)
    room.centre.wait_for_config(later.revision)
    assert room.room.ups.executed == []
    room.centre.answers = True
    wait_for(lambda: room.centre.acknowledged, 20, "the log is not said again")
    room.obeys()
    assert asked.id not in room.centre.steps, "it was neither refused nor executed"
    room.says(asked)
    assert room.centre.ends(asked.id).state == "succeeded"
    assert room.room.ups.executed == ["beeper.mute", "test.battery.start.quick"]


@pytest.mark.parametrize(
    ("key", "reason"), [(None, "unsigned"), (STRANGER, "unknown_key")], ids=["unsigned", "key of a stranger"]
)
def test_a_stranger_cannot_acknowledge_the_log(room: Obeying, key: SigningKey | None, reason: str) -> None:
    room.centre.answers = False
    room.start()
    batch = room.centre.batch
    assert batch is not None
    ack = Ack(SITE, batch.log_id, 1_000_000, SystemClock().now())
    room.centre.say(Told.ACK, encode(ack) if key is None else sign(key, Told.ACK, encode(ack)))
    asked = room.command()
    room.says(asked)
    room.refuses(reason)
    assert room.room.ups.executed == [] and asked.id not in room.centre.steps
    assert room.centre.batch.entries[0] == batch.entries[0], "nothing of the log is forgotten"


# The numbers of another log say nothing of when this one's entries were made.
def test_an_acknowledgement_of_another_log_does_not_say_what_time_it_is(room: Obeying) -> None:
    room.centre.answers = False
    room.start()
    room.says(Ack(SITE, uuid7(), 1_000_000, SystemClock().now() - timedelta(hours=2)))
    asked = room.command()
    room.says(asked)
    later = room.configured(2.0)
    room.says(later)
    room.centre.wait_for_config(later.revision)
    room.centre.answers = True
    wait_for(lambda: room.centre.acknowledged, 20, "the log is not said again")
    room.obeys()
    assert asked.id not in room.centre.steps, "it was to wait until the clock is measured"


# The answer to an entry of an earlier life may have been signed hours ago; to one of this life it was not.
def test_an_acknowledgement_from_an_earlier_life_does_not_say_what_time_it_is(room: Obeying) -> None:
    store = Store(room.room.folder)
    kept = RoomLog(store, SystemClock())
    for _ in range(60):
        kept.event("device_lost", "ups-1")
    store.close()
    room.centre.answers = False
    room.start()
    batch = room.centre.batch
    assert batch is not None and len(batch.entries) < 60, "the newest entries wait for the next batch"
    room.says(Ack(SITE, kept.log_id, batch.entries[-1].n, SystemClock().now() - timedelta(hours=2)))
    asked = room.command()
    room.says(asked)
    later = room.configured(2.0)
    room.says(later)
    room.centre.wait_for_config(later.revision)
    room.centre.answers = True
    wait_for(lambda: room.centre.acknowledged, 20, "the log is not said again")
    room.obeys()
    assert asked.id not in room.centre.steps, "it was to wait until the clock is measured"


def test_what_a_centre_said_while_its_clock_was_ahead_does_not_shut_the_room_to_it(room: Obeying) -> None:
    room.start()
    room.obeys()
    ahead, right = room.configured(3.0, said_s=7 * 3_600.0), room.configured(2.0)
    for config in (ahead, right):
        room.says(config)
        room.centre.wait_for_config(config.revision)
    room.says(room.configured(3.0, said_s=-60.0))
    room.refuses("older_config")
    assert room.in_force() == right.revision


def test_an_older_configuration_does_not_replace_a_newer_one(room: Obeying) -> None:
    room.start()
    older, newer = room.configured(3.0, said_s=-60.0), room.configured(2.0)
    for config in (older, newer):
        room.says(config)
        room.centre.wait_for_config(config.revision)
    room.says(older)
    room.refuses("older_config")
    assert room.in_force() == newer.revision
    room.restart()
    assert room.in_force() == newer.revision
    room.centre.events.clear()
    room.says(older)
    room.refuses("older_config")
    assert room.in_force() == newer.revision
    room.obeys()


def test_a_configuration_that_comes_again_is_no_older_one(room: Obeying) -> None:
    room.start()
    config = room.configured(2.0)
    for _ in range(2):
        room.says(config)
        room.obeys()
    room.restart()
    room.says(config)
    room.obeys()
    assert room.in_force() == config.revision and room.centre.reasons() == []


@pytest.mark.parametrize(
    ("key", "site", "reason"),
    [(STRANGER, SITE, "unknown_key"), (KEY, "38-2", "wrong_site"), (None, SITE, "unsigned")],
    ids=["key of a stranger", "another site", "unsigned"],
)
def test_a_configuration_that_the_centre_has_not_given_to_this_room_has_no_effect(
    room: Obeying, key: SigningKey | None, site: str, reason: str
) -> None:
    room.start()
    ours = room.configured(2.0)
    room.says(ours)
    room.centre.wait_for_config(ours.revision)
    other = room.configured(3.0, public_key_of(STRANGER), said_s=1.0, site=site)
    room.centre.say(Told.CONFIG, encode(other) if key is None else sign(key, Told.CONFIG, encode(other)))
    room.refuses(reason)
    assert room.in_force() == ours.revision
    room.obeys()
    room.restart()
    assert room.in_force() == ours.revision
    room.obeys()


def test_a_key_is_obeyed_once_a_configuration_has_pinned_it(room: Obeying) -> None:
    only_first = Identity(SITE, "127.0.0.1", room.room.line.port, PUBLIC[:1], broker_tls=False)
    save_new(room.room.folder / FOLDER, only_first)
    room.start()
    early = room.command()
    room.says(early, NEXT_KEY)
    room.refuses("unknown_key")
    config = room.configured(2.0)
    room.says(config, KEY)
    room.centre.wait_for_config(config.revision)
    room.obeys(NEXT_KEY)
    room.obeys(KEY)
    assert early.id not in room.centre.steps


def test_a_key_that_was_replaced_is_obeyed_no_more(room: Obeying) -> None:
    room.start()
    first = room.configured(2.0)
    room.says(first, KEY)
    room.centre.wait_for_config(first.revision)
    room.obeys(NEXT_KEY)
    room.centre.key = NEXT_KEY
    second = room.configured(2.0, public_key_of(NEXT_KEY), public_key_of(THIRD_KEY), said_s=0.001)
    room.says(second, KEY)
    room.centre.wait_for_config(second.revision)
    replaced = room.command()
    for restarts in (False, True):
        if restarts:
            room.centre.events.clear()
            room.restart()
            replaced = room.command()
        room.says(replaced, KEY)
        room.refuses("unknown_key")
        room.obeys(NEXT_KEY)
        room.obeys(THIRD_KEY)
        assert replaced.id not in room.centre.steps
