"""Firmware on the whole road: signed here, fetched by the room, taken by its camera, whatever is cut in between."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo.processes import Processes
from device_drivers.camera_onvif.simulated_flash import image_of
from device_drivers.equipment import EquipmentLoop
from fleet_server.store.commands import with_key
from release.build import new_key
from tests.counterparts.databases import database_in
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.forked import run_to_end
from tests.counterparts.room import RoomUnderTest
from tests.counterparts.waiting import wait_for

NewRoom = Callable[..., RoomUnderTest]
SITE = "38-1"
OLD, NEW = "V5.7.13", "V5.7.15 build 210628"
FAMILY = """
family: tried_camera
match: {driver: camera_onvif, make: "Tried", model: "Model"}
firmware: {reads: "(?P<v>V[0-9.]+)"}
actions: {upgrade_firmware: {proved: true, source: a test}}
"""


class Province:
    """A server with a signed image, and rooms whose cameras run something older."""

    def __init__(self, processes: Processes, broker_port: int, folder: Path, new_room: NewRoom) -> None:
        self.folder, self.fleet = folder, FleetUnderTest(processes, broker_port, folder / "server")
        families = self.fleet.folder / "profiles/families"
        families.mkdir(parents=True)
        (families / "tried_camera.yaml").write_text(FAMILY, encoding="utf-8")
        new_key(folder / "province.key")
        self.fleet.environment["DIEMCAU_RELEASE_KEY"] = str(folder / "province.key.pub")
        self.rooms = {site: self._room(new_room(site)) for site in (SITE, "38-2")}

    def _room(self, room: RoomUnderTest) -> RoomUnderTest:
        room.camera.make, room.camera.model, room.camera.firmware = "Tried", "Model", OLD
        room.release_key = self.folder / "province.key.pub"
        room.start()
        return room

    def run(self, *words: str) -> str:
        """A command of an administrator."""
        environment = {"DIEMCAU_RELEASE_KEY": str(self.folder / "province.key.pub"), "PATH": "/usr/bin:/bin"}
        done = run_to_end("--folder", str(self.fleet.folder), "--lang", "en", *words, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def signed(self, image: bytes) -> None:
        """Sign an image and put it on the shelf, by the commands of the guide."""
        (self.folder / "maker.dav").write_bytes(image)
        out = str(self.folder / "signed.tar")
        key = str(self.folder / "province.key")
        assert "Signed" in self.run(
            "firmware", "sign", str(self.folder / "maker.dav"), "--key", key, "--family", "tried_camera",
            "--version", "V5.7.15", "--out", out,
        )  # fmt: skip
        assert "V5.7.15" in self.run("firmware", "add", out)

    def begin(self, rate_kbit_s: int = 100_000) -> None:
        """The campaign, this site first."""
        (item,) = self.fleet.client.get("/firmware").json()["items"]
        assert {target["site"] for target in item["targets"]} == set(self.rooms)
        asked = {"image": item["image"], "canary": SITE, "rate_kbit_s": rate_kbit_s}
        answer = self.fleet.client.post("/firmware/campaign", json=asked)
        assert answer.status_code == 201, answer.text

    def campaign(self) -> dict[str, Any]:
        """As the API tells it."""
        found: dict[str, Any] = self.fleet.client.get("/firmware").json()["campaign"]
        return found

    def step(self, site: str = SITE) -> dict[str, Any]:
        """How one room stands."""
        found: dict[str, Any] = next(room for room in self.campaign()["rooms"] if room["site"] == site)
        return found

    def tries(self) -> list[str]:
        """What became of each time that a camera was told."""
        database = database_in(self.fleet.folder)
        try:
            return [str(row.state) for row in database.read_now(lambda db: with_key(db, "firmware:"))]
        finally:
            database.close()


@pytest.fixture
def province(processes: Processes, mosquitto_port: int, tmp_path: Path, new_room: NewRoom) -> Province:
    made = Province(processes, mosquitto_port, tmp_path, new_room)
    made.fleet.start()
    for site in made.rooms:
        made.fleet.wait_until(site, verdict="ready")
    return made


@pytest.mark.timeout(300)
def test_an_image_reaches_a_camera_whatever_is_cut_on_the_way(province: Province, equipment: EquipmentLoop) -> None:
    """The line while it is fetched, the server and then the camera's power while it goes into the camera."""
    room, camera = province.rooms[SITE], province.rooms[SITE].camera
    province.signed(image_of(NEW, 3_000_000))
    camera.flash.block_s = 0.02
    province.begin(rate_kbit_s=8_000)
    parts = lambda: (room.folder / "firmware").glob("*/bundle.part")  # noqa: E731
    wait_for(lambda: any(part.stat().st_size > 200_000 for part in parts()), 30, "it is not fetched")
    province.fleet.kill()
    province.fleet.start()
    wait_for(lambda: camera.flash.taken > 300_000, 60, "the camera is not told")
    province.fleet.kill()
    equipment.later(camera.flash.lose_power(3.0))
    province.fleet.start()
    camera.flash.block_s = 0.0
    wait_for(lambda: province.step()["step"] == "taken", 90, "it is not tried again")
    assert camera.firmware == NEW and province.rooms["38-2"].camera.firmware == OLD
    assert province.tries() == ["failed", "succeeded"]
    assert province.step("38-2")["step"] == "waiting", "the first one is watched"
    province.fleet.client.post("/firmware/campaign/act", json={"act": "stop"})


@pytest.mark.timeout(300)
def test_an_agent_that_dies_in_the_middle_begins_again(province: Province) -> None:
    room = province.rooms[SITE]
    province.signed(image_of(NEW, 3_000_000))
    room.camera.flash.block_s = 0.05
    province.begin()
    wait_for(lambda: room.camera.flash.taken > 300_000, 60, "the camera is not told")
    room.cut_line()
    room.stop()
    room.camera.flash.block_s = 0.0
    room.mend_line()
    room.start()
    wait_for(lambda: province.step()["step"] == "taken", 150, "it is not tried again")
    assert room.camera.firmware == NEW


@pytest.mark.timeout(300)
def test_a_camera_that_refuses_the_image_stops_the_campaign_and_everybody_sees_why(province: Province) -> None:
    province.signed(b"for another maker's camera" * 1_000)
    province.begin()
    wait_for(lambda: province.campaign()["state"] == "stopped", 60, "it goes on")
    assert province.campaign()["why"] == SITE
    assert (province.step()["step"], province.step()["detail"]) == ("back", "image_refused")
    assert province.rooms[SITE].camera.firmware == OLD and province.step("38-2")["step"] == "waiting"
