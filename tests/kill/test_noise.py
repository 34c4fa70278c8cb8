"""Whatever comes over the wires kills no thread and fills no memory. `DIEMCAU_NOISE=50`: fifty times as much of it."""

import logging
import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import paho.mqtt.client as paho
import psutil
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from demo.processes import Processes
from device_drivers import registry
from device_drivers.equipment import EquipmentLoop
from device_drivers.errors import DriverError
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.identity import KEY, told
from tests.counterparts.mutating import MutatingProxy, mutated
from tests.counterparts.room import RoomUnderTest
from tests.counterparts.spoken_room import SpokenRoom, about_of_room, report_of_room
from tests.counterparts.waiting import wait_for
from tests.device_drivers.conformance.test_every_driver import Rig
from wire.codec import encode
from wire.ids import uuid7
from wire.messages import Ack, Command, Config, EventEntry, LogBatch, Presence, Renewal
from wire.signing import sign
from wire.times import SystemClock
from wire.topics import Said, Told, topic_of

TIMES = int(os.environ.get("DIEMCAU_NOISE", "1"))
PACKETS = 20_000 * TIMES
ANSWERS = 120 * TIMES
SITE = "38-1"
GROWS_BY = 1.05
SLACK_BYTES = 8_000_000
"""What the allocator keeps for itself; the law is about what goes on growing."""


class Crowd:
    """A connection that says many things fast."""

    def __init__(self, port: int) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, f"crowd-{uuid7()}", protocol=paho.MQTTv5)
        self._client.max_queued_messages_set(0)
        self._client.max_inflight_messages_set(200)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._said = 0

    def say(self, topic: str, payload: bytes) -> None:
        info = self._client.publish(topic, payload[:65_000], qos=1)
        self._said += 1
        if self._said % 500 == 0:
            info.wait_for_publish(20)

    def leave(self) -> None:
        self._client.publish("none", b"", qos=1).wait_for_publish(20)
        self._client.disconnect()
        self._client.loop_stop()


def said_by_a_room(chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Messages of a room with faults in them, on its topics and on others."""
    about = about_of_room()
    now = SystemClock().now()
    right = [
        (Said.PRESENCE, encode(Presence("online", "0", uuid7()))), (Said.ABOUT, encode(about)),
        (Said.REPORT, encode(report_of_room(about, uuid7(), 7))), (Said.RENEWAL, encode(Renewal(uuid7(), "x" * 400))),
        (Said.LOG, encode(LogBatch(uuid7(), (EventEntry(1, now, "agent_started", params={"a": 1.0}),), 1))),
    ]  # fmt: skip
    while True:
        kind, payload = chance.choice(right)
        topic = topic_of(chance.choice([SITE, "38-2", "38-nobody"]), kind)
        yield topic, mutated(payload, chance) if chance.random() < 0.9 else chance.randbytes(chance.randint(0, 3_000))


def told_to_a_room(chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """What a broken or hostile centre would tell: unsigned, changed, or signed by the right key and senseless."""
    now = SystemClock().now()
    right = [
        told(Command(uuid7(), SITE, uuid7(), "ups-1", "beeper.mute", {}, now, now, "x")),
        told(Ack(SITE, uuid7(), 5, now)), told(Config(SITE, "0" * 16, now, 15.0)),
    ]  # fmt: skip
    while True:
        kind = chance.choice([Told.COMMAND, Told.ACK, Told.CONFIG, Told.CERTIFICATE])
        payload = chance.choice(right)
        if chance.random() < 0.3:
            payload = sign(KEY, kind, mutated(payload.split(b".", 3)[3], chance))
        else:
            payload = mutated(payload, chance)
        yield topic_of(SITE, kind), payload


@pytest.mark.timeout(120 + 40 * TIMES)
def test_a_server_lives_through_whatever_rooms_say(fleet: FleetUnderTest, mosquitto_port: int) -> None:
    assert fleet.child is not None
    server, crowd, noise = psutil.Process(fleet.child.pid), Crowd(mosquitto_port), said_by_a_room(random.Random(1))
    for _ in range(PACKETS // 4):
        crowd.say(*next(noise))
    threads, memory = server.num_threads(), server.memory_info().rss
    for _ in range(PACKETS - PACKETS // 4):
        crowd.say(*next(noise))
    crowd.leave()
    room = SpokenRoom(SITE, mosquitto_port)
    room.report()
    fleet.wait_until(SITE, within_s=60, verdict="ready")
    room.leave()
    counted = fleet.client.get("/intake").json()["not_taken"]
    assert counted["wire.unreadable"] > PACKETS / 10, counted
    assert fleet.health()["status"] == "ok"
    assert server.num_threads() <= threads + 6, "asyncio's own pool grows to six, and no further"
    assert server.memory_info().rss <= memory * GROWS_BY + SLACK_BYTES


@pytest.mark.timeout(120 + 40 * TIMES)
def test_an_agent_lives_through_whatever_it_is_told(
    room: RoomUnderTest, fleet: FleetUnderTest, mosquitto_port: int
) -> None:
    fleet.wait_until(SITE, within_s=40, verdict="ready")
    own, crowd, noise = psutil.Process(), Crowd(mosquitto_port), told_to_a_room(random.Random(2))
    for _ in range(PACKETS // 4):
        crowd.say(*next(noise))
    names, memory = {thread.name for thread in threading.enumerate()}, own.memory_info().rss
    for _ in range(PACKETS - PACKETS // 4):
        crowd.say(*next(noise))
    crowd.leave()
    asked = wait_for(lambda: fleet.command(SITE, "ups-1", "beeper.mute"), 30)
    assert fleet.wait_for_command(asked["id"], {"succeeded"}, within_s=60)["state"] == "succeeded"
    assert room.ups.executed == ["beeper.mute"], "nothing else was obeyed"
    assert room.agent is not None and sum(room.agent.admission.refused.values()) > PACKETS / 4
    gone = names - {thread.name for thread in threading.enumerate()}
    assert not {name for name in gone if name.startswith(("device:", "link", "inbox", "reporter", "watch:"))}
    assert own.memory_info().rss <= memory * GROWS_BY + SLACK_BYTES


@pytest.mark.timeout(120 + 60 * TIMES)
@pytest.mark.parametrize("name", ["camera_onvif", "display_pjlink", "mixer_osc", "snmp", "ups_nut"])
def test_a_driver_lives_through_whatever_its_device_answers(
    name: str, equipment: EquipmentLoop, processes: Processes, tmp_path: Path
) -> None:
    logging.disable(logging.CRITICAL)
    rig = Rig(name, equipment)
    settings = rig.equipment.settings()
    assert settings is not None
    proxy = MutatingProxy(settings["port"], rig.equipment.transport == "udp", seed=3)
    kind = registry.driver_class(name)
    quick = {"timeout_s": 0.15} if "timeout_s" in kind.Settings.__struct_fields__ else {}
    driver = kind(msgspec.convert(settings | quick | {"port": proxy.port}, kind.Settings), SystemClock())
    own, memory, threads, polls = psutil.Process(), 0, 0, 0
    try:
        while proxy.changed < ANSWERS:
            try:
                driver.observe()
            except DriverError:
                polls += 1
            if memory == 0 and proxy.changed > ANSWERS // 4:
                memory, threads = own.memory_info().rss, own.num_threads()
    finally:
        driver.close()
        proxy.close()
        logging.disable(logging.NOTSET)
    assert polls > 0, "no answer was found wrong"
    assert own.memory_info().rss <= memory * GROWS_BY + SLACK_BYTES
    wait_for(lambda: own.num_threads() <= threads + 4, 15, "threads are left behind")
