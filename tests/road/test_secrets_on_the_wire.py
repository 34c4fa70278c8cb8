"""A password of a room's equipment goes from a form at the centre to the equipment, and can be read nowhere between."""

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as paho
import pytest
from nacl.public import PrivateKey
from paho.mqtt.enums import CallbackAPIVersion

from demo.processes import Processes
from edge_agent.agent import Agent
from edge_agent.identity import FOLDER, SEALING, write_private
from fleet_server.store.identities import EnrolmentRow, EnrolmentState, add_enrolment
from tests.counterparts.databases import database_in, everything_in
from tests.counterparts.room import RoomUnderTest
from tests.counterparts.spoken_centre import SpokenCentre
from tests.counterparts.standing import StandingFleet
from tests.counterparts.waiting import wait_for
from wire.ids import uuid7
from wire.messages import DesiredDevice, Secret
from wire.sealing import seal

SITE = "38-1"
WORD, ANOTHER = "Tu-khoa-cua-UPS-5150", "Tu-khoa-moi-cua-UPS-6260"
FINAL = {"succeeded", "failed", "refused", "expired", "interrupted"}
FAMILY = """\
family: ups_generic
match: {{driver: ups_nut, roles: [ups]}}
defaults: {{ups: room, port: {port}}}
takes: {{address: host, username: username, password: password}}
"""


class Overheard:
    """Every message that goes through the broker."""

    def __init__(self, port: int) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, f"listener-{uuid7()}", protocol=paho.MQTTv5)
        self._client.on_message = lambda _client, _data, message: self.messages.append(
            (message.topic, bytes(message.payload))
        )
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("#", qos=1)
        self._client.loop_start()

    def configs(self) -> bytes:
        return b"\n".join(payload for topic, payload in self.messages if topic.endswith("dn/config"))

    def all(self) -> bytes:
        return b"\n".join(payload for _, payload in self.messages)

    def leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def public_of(key: PrivateKey) -> str:
    return base64.b64encode(bytes(key.public_key)).decode()


def give_sealing_key(room: RoomUnderTest, key: PrivateKey) -> None:
    """As enrolment does: the private half never leaves the machine."""
    room.belong()
    write_private(room.folder / FOLDER / f"{SEALING}.key", base64.b64encode(bytes(key)).decode())


def start_without(room: RoomUnderTest, *names: str) -> Agent:
    """An agent whose own file has not got these devices."""
    room.belong()
    config = room.config()
    kept = tuple(device for device in config.devices if device.id not in names)
    room.agent = Agent(msgspec.structs.replace(config, devices=kept))
    room.agent.start()
    return room.agent


@pytest.fixture
def overheard(mosquitto_port: int) -> Iterator[Overheard]:
    made = Overheard(mosquitto_port)
    yield made
    made.leave()


@pytest.mark.timeout(180)
def test_a_password_reaches_its_device_and_can_be_read_nowhere_on_its_way(
    processes: Processes, mosquitto_port: int, overheard: Overheard, new_room: Callable[..., RoomUnderTest],
    tmp_path: Path, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level("DEBUG", logger="diemcau")
    room, key = new_room(SITE), PrivateKey.generate()
    room.ups.password = WORD
    give_sealing_key(room, key)
    fleet = StandingFleet(processes, mosquitto_port, tmp_path / "server", tmp_path / "server.log")
    families = fleet.folder / "profiles" / "families"
    families.mkdir(parents=True)
    (families / "ups_generic.yaml").write_text(FAMILY.format(port=room.ups.port))
    now = datetime.now(UTC)
    accepted = EnrolmentRow(uuid7(), SITE, "x", "tests", now, now, EnrolmentState.ACCEPTED, sealing_key=public_of(key))
    database = database_in(fleet.folder)
    database.write_now(lambda db: add_enrolment(db, accepted))
    database.close()
    fleet.start()
    try:
        start_without(room, "ups-1")
        fleet.wait_until(SITE, verdict="not_ready", within_s=30)
        piece = {"has": True, "driver": "ups_nut", "address": "127.0.0.1", "username": room.ups.username}
        survey: dict[str, Any] = {"pieces": {"ups": piece | {"has_password": True}}}
        assert fleet.client.put(f"/sites/{SITE}/survey", json=survey).status_code == 200
        answer = fleet.client.put(f"/sites/{SITE}/secrets/ups-1", json={"value": WORD})
        assert (answer.status_code, answer.content) == (204, b"")
        (device,) = fleet.client.post(f"/sites/{SITE}/desired").json()
        assert device["settings"]["password"] == {"secret": "ups-1"}

        fleet.wait_until(SITE, verdict="ready", within_s=30)
        assert mute(fleet) == "succeeded", "the UPS takes commands with the right password alone"
        assert fleet.client.get(f"/sites/{SITE}/secrets").json() == ["ups-1"]
        room.ups.password = ANOTHER
        assert mute(fleet) == "failed"
        configs = len(overheard.configs())
        assert fleet.client.put(f"/sites/{SITE}/secrets/ups-1", json={"value": ANOTHER}).status_code == 204
        wait_for(lambda: len(overheard.configs()) > configs, 10, "the room is told nothing")
        wait_for(lambda: mute(fleet) == "succeeded", 30, "the new one is not used")

        assert fleet.client.delete(f"/sites/{SITE}/secrets/ups-1").status_code == 204
        own = room.folder / "secrets"
        own.mkdir(exist_ok=True)
        wait_for(lambda: "no secret" in told_events(fleet), 30, "without it the room has none")
        page = fleet.client.get(f"{fleet.address}/sites/{SITE}").text
        audit = fleet.client.get(f"{fleet.address}/audit/audit.jsonl").text
    finally:
        room.stop()
        fleet.kill()
        fleet.close()
    seen = {
        "wire": overheard.all(), "server log": fleet.says().encode(), "agent log": caplog.text.encode(),
        "page": page.encode(), "audit": audit.encode(), "database": everything_in(fleet.folder),
        "files of the room": of_files(file for file in room.folder.rglob("*") if file.is_file()),
    }  # fmt: skip
    forms = [form for word in (WORD, ANOTHER) for form in (word.encode(), base64.b64encode(word.encode())[:-4])]
    assert {where for where, text in seen.items() for form in forms if form in text} == set()
    assert b'"sealed"' in overheard.configs() and b"ups-1" in seen["database"] and seen["agent log"]
    sealed = set(boxes_in(overheard.configs()))
    assert len(sealed) == 2, "each is sealed once: a room takes another box for something new"


def mute(fleet: StandingFleet) -> str:
    """How a command ends that the UPS takes with its password alone."""
    asked = fleet.client.post(f"/sites/{SITE}/devices/ups-1/commands", json={"action": "beeper.mute"})
    if asked.status_code == 422:
        return "not_offered"  # the device is just begun anew with what the room was told
    return str(fleet.wait_for_command(asked.json()["id"], FINAL)["state"])


def told_events(fleet: StandingFleet) -> str:
    """What the room's log has told the server."""
    return fleet.client.get(f"{fleet.address}/sites/{SITE}", headers={"Accept-Language": "en"}).text


def of_files(files: Any) -> bytes:
    return b"\n".join(file.read_bytes() for file in files)


def boxes_in(text: bytes) -> list[bytes]:
    return [part.split(b'"')[1] for part in text.split(b'"sealed":')[1:]]


@pytest.fixture
def centre(mosquitto_port: int) -> Iterator[SpokenCentre]:
    """A centre of which the test says every word."""
    made = SpokenCentre(SITE, mosquitto_port)
    yield made
    made.leave()


def test_what_was_sealed_for_another_machine_or_under_another_name_is_refused_and_the_rest_goes_on(
    new_room: Callable[..., RoomUnderTest], centre: SpokenCentre
) -> None:
    room, ours, theirs = new_room(SITE), PrivateKey.generate(), PrivateKey.generate()
    give_sealing_key(room, ours)
    room.start()
    wait_for(lambda: centre.states().get("ups-1") == "ok", 20)
    here = {"host": "127.0.0.1", "port": float(room.ups.port)}

    def probe(name: str, secret: Secret) -> DesiredDevice:
        return DesiredDevice(name, "decoder", "probe", here | {"make": secret}, poll_s=1.0)

    right = seal(public_of(ours), "make", "Kept sealed")
    cut = base64.b64encode(base64.b64decode(right)[:-1]).decode()
    centre.configure(
        probe("decoder-2", Secret("make", seal(public_of(theirs), "make", "Not for you"))),
        probe("decoder-3", Secret("make", right)),
        probe("decoder-4", Secret("another", right)),
        probe("decoder-5", Secret("make", cut)),
        probe("decoder-6", Secret("make", "bm8gYm94")),
        probe("decoder-7", Secret("make", "no base64 at all!")),
    )
    wait_for(lambda: centre.states().get("decoder-3") == "ok", 20, "the right one is not watched")
    wrong = {"decoder-2", "decoder-4", "decoder-5", "decoder-6", "decoder-7"}
    wait_for(lambda: set(centre.refused()) == wrong, 20, f"refused: {centre.refused()}")
    assert not set(centre.states()) & wrong
    assert "not sealed to this machine" in centre.refused()["decoder-2"]
    assert "make" in centre.refused()["decoder-4"], "nobody puts one in another's place"
    wait_for(lambda: centre.about and any(device.make == "Kept sealed" for device in centre.about.devices), 10)
    assert "Not for you" not in str(centre.about) and "Not for you" not in str(centre.refused())


def test_a_machine_without_a_key_refuses_what_is_sealed_and_does_not_take_its_own_file_for_it(
    new_room: Callable[..., RoomUnderTest], centre: SpokenCentre
) -> None:
    room = new_room(SITE)
    secrets = Path(room.config().folder) / "secrets"
    secrets.mkdir(parents=True, exist_ok=True)
    (secrets / "make").write_text("Its own")
    room.start()
    wait_for(lambda: centre.states().get("ups-1") == "ok", 20)
    sealed = Secret("make", seal(public_of(PrivateKey.generate()), "make", "Not for you"))
    here = {"host": "127.0.0.1", "port": float(room.ups.port), "make": sealed}
    centre.configure(DesiredDevice("decoder-2", "decoder", "probe", here, poll_s=1.0))
    wait_for(lambda: "no key" in centre.refused().get("decoder-2", ""), 20, f"refused: {centre.refused()}")
    assert "decoder-2" not in centre.states()
