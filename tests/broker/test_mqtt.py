"""The rules of delivery, on both brokers."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.counterparts.waiting import wait_for
from wire.mqtt import Broker, MqttSession, Received, Will


class End:
    """One end of the wire with what it has heard."""

    def __init__(self, port: int, name: str, subscription: str, will: Will | None = None) -> None:
        self.heard: list[Received] = []
        self.changes: list[bool] = []
        self.answer = True
        self.stop = threading.Event()
        self.session = MqttSession(
            lambda: Broker("127.0.0.1", port, name, keepalive_s=5), subscription, self._take, self.changes.append, will
        )
        self.thread = threading.Thread(target=self.session.run, args=(self.stop,))
        self.thread.start()

    def _take(self, received: Received) -> None:
        if received.payload == b"poison":
            raise RuntimeError("a receiver that fails")
        self.heard.append(received)
        if self.answer:
            self.session.acknowledge((received,))

    def up(self) -> "End":
        wait_for(lambda: self.session.is_connected, 15, "not connected")
        return self

    def close(self) -> None:
        self.stop.set()
        self.thread.join(10)
        assert not self.thread.is_alive()


def test_whoever_has_just_begun_is_at_work_until_the_time_is_over() -> None:
    session = MqttSession(lambda: Broker("127.0.0.1", 1, "new"), "a/#", lambda _: None, lambda _: None)
    assert session.is_at_work(within_s=60)
    assert not session.is_at_work(within_s=0)


@pytest.fixture
def ends(any_broker_port: int) -> Iterator["Ends"]:
    made = Ends(any_broker_port)
    yield made
    for end in made.all:
        end.close()


class Ends:
    """Makes ends on one broker."""

    def __init__(self, port: int) -> None:
        self.port, self.all = port, list[End]()

    def new(self, name: str, subscription: str, will: Will | None = None) -> End:
        self.all.append(End(self.port, name, subscription, will))
        return self.all[-1].up()


def test_a_message_arrives_with_what_is_left_of_its_expiry(ends: Ends) -> None:
    speaker = ends.new("speaker", "nothing/s")
    listener = ends.new("listener", "a/#")
    assert speaker.session.publish("a/b", b"now", expiry_s=600)
    wait_for(lambda: listener.heard, 5)
    assert (listener.heard[0].topic, listener.heard[0].payload, listener.heard[0].retained) == ("a/b", b"now", False)
    assert listener.heard[0].expiry_left_s == 600


def test_a_retained_message_says_that_it_is_one(ends: Ends) -> None:
    speaker = ends.new("speaker", "a/kept")
    assert speaker.session.publish("a/kept", b"kept", retain=True, expiry_s=600)
    wait_for(lambda: speaker.heard, 10, "the broker does not have it")
    witness = ends.new("witness", "a/#")
    wait_for(lambda: witness.heard, 5)
    assert witness.heard[0].retained and (witness.heard[0].expiry_left_s or 0) <= 600


def test_what_was_not_acknowledged_comes_again_when_the_reader_is_back(ends: Ends) -> None:
    speaker = ends.new("speaker", "nothing/s")
    listener = ends.new("listener", "a/#")
    listener.answer = False
    speaker.session.publish("a/b", b"keep me")
    wait_for(lambda: listener.heard, 5)
    listener.close()
    ends.all.remove(listener)
    again = ends.new("listener", "a/#")
    wait_for(lambda: again.heard, 10, "an unacknowledged message was dropped")
    assert again.heard[0].payload == b"keep me"


def test_nothing_is_published_or_kept_when_there_is_no_connection(ends: Ends) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = probe.getsockname()[1]
    lonely = End(nobody, "lonely", "x")
    assert lonely.session.publish("a/b", b"lost") is False
    lonely.close()


def test_a_failing_receiver_does_not_end_the_session(ends: Ends) -> None:
    speaker = ends.new("speaker", "nothing/s")
    listener = ends.new("listener", "a/#")
    speaker.session.publish("a/b", b"poison")
    speaker.session.publish("a/b", b"after")
    wait_for(lambda: listener.heard, 5)
    assert listener.heard[0].payload == b"after" and listener.session.faults == 1


def test_the_will_is_said_after_its_delay_when_a_client_is_gone_without_a_word(ends: Ends) -> None:
    witness = ends.new("witness", "will/#")
    code = (
        "import sys, time, threading\n"
        "from wire.mqtt import *\n"
        "s = MqttSession(lambda: Broker('127.0.0.1', int(sys.argv[1]), 'mortal'), 'none', print, print,"
        " Will('will/x', b'gone', 1))\n"
        "s.run(threading.Event())\n"
    )
    import subprocess
    import sys

    child = subprocess.Popen([sys.executable, "-c", code, str(ends.port)], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline().strip() == b"True"
    child.kill()
    child.wait()
    killed_s = time.monotonic()
    wait_for(lambda: witness.heard, 10, "no will")
    assert witness.heard[0].payload == b"gone"
    assert time.monotonic() - killed_s > 0.5
