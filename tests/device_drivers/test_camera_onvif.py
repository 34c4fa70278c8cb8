"""The camera driver against ipycam, which we did not write, and against what no emulator offers."""

import asyncio
import os
import signal
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from demo.processes import Processes
from demo.this_machine import start_camera
from device_drivers.camera_onvif import driver as driver_module
from device_drivers.camera_onvif.driver import CameraOnvif
from device_drivers.camera_onvif.layout import without_password
from device_drivers.camera_onvif.simulated_flash import Fault, image_of
from device_drivers.camera_onvif.simulator import SimulatedCamera
from device_drivers.camera_onvif.soap import Services, wsdl_of
from device_drivers.camera_onvif.surface import OPERATIONS, Surface
from device_drivers.camera_onvif.upgrade import Upgrade, names
from device_drivers.equipment import EquipmentLoop
from device_drivers.errors import (
    ActFailed,
    BadAnswer,
    DriverError,
    NotAnswering,
    NotOffered,
    WrongClock,
    WrongCredentials,
)
from tests.conftest import need
from tests.counterparts.waiting import wait_for
from wire.times import SystemClock


def camera_at(settings: dict[str, Any]) -> CameraOnvif:
    return CameraOnvif(msgspec.convert({"timeout_s": 2.0} | settings, CameraOnvif.Settings), SystemClock())


def state_of(driver: CameraOnvif) -> str:
    try:
        driver.observe()
    except DriverError as error:
        return error.state
    return "ok"


@pytest.fixture
def ipycam(processes: Processes, tmp_path: Path) -> dict[str, Any]:
    import importlib.util
    import shutil

    need(importlib.util.find_spec("ipycam") and shutil.which("ffmpeg"), "ipycam with ffmpeg")
    settings = start_camera(processes, tmp_path / "camera")
    wait_for(lambda: state_of(camera_at(settings)) == "ok", 40, "ipycam does not come up")
    return settings


@pytest.fixture
def camera(equipment: EquipmentLoop) -> SimulatedCamera:
    made = SimulatedCamera()
    equipment.run(made.plug_in())
    return made


def test_a_camera_that_is_not_ours_is_read(ipycam: dict[str, Any]) -> None:
    driver = camera_at(ipycam)
    found = driver.observe()
    assert found.identity.make and found.identity.model
    assert found.readings["profiles"] == 2
    assert abs(float(found.readings["clock_skew"] or 0)) < 5
    assert str(found.readings["stream"]).startswith("rtsp://")
    wait_for(lambda: driver.observe().readings["frame"], 20, "ipycam has no frame yet")
    found = driver.observe()
    assert 20 < float(found.readings["brightness"] or 0) < 80 and float(found.readings["contrast"] or 0) > 10
    driver.close()


def test_a_camera_that_is_not_ours_refuses_what_it_lacks_and_is_not_asked_again(ipycam: dict[str, Any]) -> None:
    driver = camera_at(ipycam)
    assert "reboot" in {spec.action for spec in driver.observe().actions}
    with pytest.raises(NotOffered):
        driver.act("reboot", {}, lambda detail, **params: None)
    assert "reboot" not in {spec.action for spec in driver.observe().actions}


def test_a_camera_that_is_not_ours_is_told_apart_when_its_password_is_wrong_or_it_freezes(
    ipycam: dict[str, Any], processes: Processes
) -> None:
    assert state_of(camera_at(ipycam | {"password": "other"})) == "wrong_credentials"
    child = next(child for name, child in processes._running if name == "camera")
    driver = camera_at(ipycam)
    driver.observe()
    os.kill(child.pid, signal.SIGSTOP)
    try:
        assert state_of(driver) == "not_answering"
    finally:
        os.kill(child.pid, signal.SIGCONT)
    wait_for(lambda: state_of(driver) == "ok", 10)


def test_another_identity_is_noticed_after_the_camera_was_away(ipycam: dict[str, Any], processes: Processes) -> None:
    driver = camera_at(ipycam)
    before = driver.observe().identity.model
    answer = httpx.post(
        f"http://127.0.0.1:{ipycam['port']}/api/config", json={"model": "Other-2"}, auth=("admin", "camera"), timeout=5
    )
    assert answer.status_code == 200
    child = next(child for name, child in processes._running if name == "camera")
    os.kill(child.pid, signal.SIGSTOP)
    assert state_of(driver) == "not_answering"
    os.kill(child.pid, signal.SIGCONT)
    wait_for(lambda: state_of(driver) == "ok", 10)
    assert before != "Other-2" and driver.observe().identity.model == "Other-2"


@pytest.mark.parametrize("days", [-4_000, -1, 1, 4_000])
def test_a_clock_off_by_years_is_a_reading_and_no_wall(camera: SimulatedCamera, days: int) -> None:
    camera.clock_off = timedelta(days=days)
    found = camera_at(camera.settings()).observe()
    assert abs(float(found.readings["clock_skew"] or 0) - days * 86_400) < 5


def test_a_refusal_is_a_matter_of_clocks_when_clocks_differ(camera: SimulatedCamera) -> None:
    camera.clock_off = timedelta(days=-4_000)
    with pytest.raises(WrongClock):
        camera_at(camera.settings() | {"password": "other"}).observe()
    camera.clock_off = timedelta(0)
    with pytest.raises(WrongCredentials):
        camera_at(camera.settings() | {"password": "other"}).observe()


def test_a_dark_a_still_and_a_living_picture_are_told_apart(camera: SimulatedCamera) -> None:
    driver = camera_at(camera.settings())
    driver.observe()
    lit = driver.observe().readings
    assert float(lit["brightness"] or 0) > 30 and lit["frame_unchanged"] == 0.0
    camera.picture = "dark"
    assert float(driver.observe().readings["brightness"] or 0) < 12
    camera.picture = "still"
    driver.observe()
    wait_for(lambda: float(driver.observe().readings["frame_unchanged"] or 0) > 0.3, 5)


def test_a_reboot_is_proved_by_going_and_coming_back(camera: SimulatedCamera) -> None:
    camera.reboot_s = 3.0
    steps: list[str] = []
    result = camera_at(camera.settings()).act("reboot", {}, lambda detail, **params: steps.append(detail))
    assert steps == ["asked", "gone", "back"] and float(result["away_s"] or 0) >= 0.4
    assert camera.reboots == 1


def test_a_reboot_whose_answer_is_lost_is_seen_all_the_same(camera: SimulatedCamera) -> None:
    """It goes before it has answered: it did what it was told."""
    driver = camera_at(camera.settings())
    driver.observe()
    camera.drops = "SystemReboot"
    steps: list[str] = []
    driver.act("reboot", {}, lambda detail, **params: steps.append(detail))
    assert steps == ["asked", "gone", "back"] and camera.reboots == 1


def test_a_camera_whose_media_come_up_late_is_back_once_they_answer(
    camera: SimulatedCamera, equipment: EquipmentLoop
) -> None:
    driver = camera_at(camera.settings())
    driver.observe()
    steps: list[str] = []

    async def begin_late() -> None:
        await asyncio.sleep(3.0)
        camera.media_is_up = True

    def progress(detail: str, **params: Any) -> None:
        steps.append(detail)
        if detail == "gone":
            camera.media_is_up = False
            equipment.later(begin_late())

    camera.reboot_s = 1.5
    driver.act("reboot", {}, progress)
    assert steps == ["asked", "gone", "back"] and camera.media_is_up


def test_a_question_that_is_lost_is_no_reboot(camera: SimulatedCamera, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_module, "_GOES_AWAY_WITHIN_S", 3.0)
    camera.ignores_reboot = True
    driver = camera_at(camera.settings())
    driver.observe()

    def progress(detail: str, **params: Any) -> None:
        camera.drops = "GetSystemDateAndTime"

    with pytest.raises(ActFailed, match="did_not_go_away"):
        driver.act("reboot", {}, progress)


@pytest.mark.parametrize("time_is_for", ["anybody", "who_is_not_named", "who_is_named"])
def test_a_clock_that_is_off_is_read_whomever_the_camera_tells_its_time(
    camera: SimulatedCamera, time_is_for: Any
) -> None:
    camera.time_is_for = time_is_for
    assert camera_at(camera.settings()).observe().readings["clock_skew"] is not None
    camera.clock_off = timedelta(days=-20_000)  # after a power cut
    driver = camera_at(camera.settings())
    if time_is_for == "who_is_named":
        with pytest.raises(WrongCredentials):
            driver.observe()  # nobody can know its time
    else:
        assert float(driver.observe().readings["clock_skew"] or 0) == pytest.approx(-20_000 * 86_400, abs=60)


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("rtsp://10.0.0.9:554/Streaming/Channels/101?transportmode=unicast", "rtsp://10.0.0.9:554/Streaming/Channels/101"),
        ("rtsp://admin:s3cret@10.0.0.9/1", "rtsp://10.0.0.9/1"), ("rtsp://admin:s3/cr?et@10.0.0.9/1", None),
        ("rtsp://10.0.0.9:554/user=admin_password=s3cret_channel=1_stream=0.sdp", "rtsp://10.0.0.9:554"),
        ("rtsp://10.0.0.9/live?user=admin&password=s3cret", "rtsp://10.0.0.9/live"), (None, None),
    ],
)  # fmt: skip
def test_no_password_is_told_with_a_stream(told: str | None, shown: str | None) -> None:
    """Xiongmai puts it into the path."""
    found = without_password(told)
    assert "s3" not in (found or "") and "cret" not in (found or "")
    assert found == shown or shown is None


def test_a_preset_and_an_ntp_server_are_set_and_read_back(camera: SimulatedCamera) -> None:
    driver = camera_at(camera.settings())
    driver.act("go_to_preset", {"preset": "citizen"}, lambda detail, **params: None)
    assert camera.moved_to == "citizen"
    for server in ("10.1.2.3", "ntp.example.vn"):
        driver.act("set_ntp", {"server": server}, lambda detail, **params: None)
        assert camera.ntp == server


def test_a_setting_that_is_not_kept_fails(camera: SimulatedCamera) -> None:
    camera._SetNTP = lambda body: "<tds:SetNTPResponse/>"  # type: ignore[method-assign]
    with pytest.raises(ActFailed) as failed:
        camera_at(camera.settings()).act("set_ntp", {"server": "10.1.2.3"}, lambda detail, **params: None)
    assert failed.value.reason == "not_kept"


def test_a_camera_that_names_another_host_is_still_asked_only_at_its_own(camera: SimulatedCamera) -> None:
    camera._address = lambda path: f"http://192.0.2.7:9{path}"  # type: ignore[method-assign]
    assert camera_at(camera.settings()).observe().readings["frame"] is True


@pytest.mark.parametrize("wants", ["digest", "digest_alone"])
def test_a_camera_that_wants_http_digest_is_read(camera: SimulatedCamera, wants: Any) -> None:
    camera.soap_wants = wants
    driver = camera_at(camera.settings())
    for _ in range(2):
        seen = driver.observe()
        assert seen.readings["frame"] is True and seen.identity.model == camera.model
    assert camera.door.refusals == 0
    camera.clock_off = timedelta(days=-20_000)
    assert camera_at(camera.settings()).observe().readings["profiles"] == 1.0, "Digest goes by no clock"


def test_a_wrong_password_for_http_digest_is_told_as_one_and_locks_nobody_out(camera: SimulatedCamera) -> None:
    camera.soap_wants = "digest"
    driver = camera_at(camera.settings() | {"password": "wrong"})
    for _ in range(4):
        with pytest.raises(WrongCredentials):
            driver.observe()
    assert camera.door.refusals <= 3, "and it is not asked again and again"


def test_pictures_at_another_port_of_the_camera_are_found_and_a_closed_one_takes_nothing_else_away(
    camera: SimulatedCamera, equipment: EquipmentLoop
) -> None:
    pictures = SimulatedCamera()
    equipment.run(pictures.plug_in())
    camera.pictures_at = pictures.port
    driver = camera_at(camera.settings())
    assert driver.observe().readings["frame"] is True
    equipment.run(pictures.unplug())
    for _ in range(2):
        seen = driver.observe().readings
        assert seen["frame"] is False and seen["profiles"] == 1.0, "the camera itself is there"


def test_an_address_of_pictures_without_a_sound_port_is_looked_for_where_the_camera_is(
    camera: SimulatedCamera,
) -> None:
    camera.pictures_at = "eighty"
    assert camera_at(camera.settings()).observe().readings["frame"] is True


def test_pictures_are_looked_for_at_no_other_host(camera: SimulatedCamera) -> None:
    services = Services("127.0.0.1", camera.port, "admin", "camera", 2.0)
    for named in ("http://192.0.2.9:81/snapshot.jpg", "rtsp://127.0.0.1:81/snapshot.jpg", "http://localhost:81/x"):
        assert services._port_of_pictures(named) is None
    assert services._port_of_pictures("http://127.0.0.1/snapshot.jpg") == 80
    services.close()


def test_entities_in_an_answer_are_not_expanded(camera: SimulatedCamera) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "' + "b" * 1_000 + '"><!ENTITY c "' + "&a;" * 1_000 + '">]>'
    real = camera._soap
    camera._soap = lambda body, head: (  # type: ignore[method-assign]
        "200 OK", "application/soap+xml", real(body, head)[2].replace(b"?>", b"?>" + bomb.encode(), 1),
    )  # fmt: skip
    with pytest.raises(BadAnswer):
        camera_at(camera.settings()).observe()


def test_a_camera_that_dribbles_its_answer_does_not_hold_us(camera: SimulatedCamera, equipment: EquipmentLoop) -> None:
    camera.frozen = True
    with pytest.raises(NotAnswering):
        camera_at(camera.settings() | {"timeout_s": 0.5}).observe()


def test_the_descriptions_hold_what_we_ask_for_and_little_else() -> None:
    surface = Surface({wsdl_of(name): operations for name, operations in OPERATIONS.items()})
    media = surface.load(str(wsdl_of("media")))
    assert b'name="GetProfiles"' in media and b'name="GetAudioDecoders"' not in media
    schema = wsdl_of("media").parent / "onvif.xsd"
    left = surface.load(str(schema))
    assert b'name="VideoResolution"' in left and b"documentation" not in left
    assert len(left) < schema.stat().st_size / 5
    with pytest.raises(KeyError):
        surface.load("/etc/hostname")


VERSION = "V5.7.15 build 210628"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    made = tmp_path / "image"
    made.write_bytes(image_of(VERSION, 400_000))
    return made


def upgraded(camera: SimulatedCamera, image: Path, steps: list[str], **settings: Any) -> Any:
    camera.flash.writes_s = max(camera.flash.writes_s, 3.0)  # longer away than a stall, or nobody sees that it is gone
    driver = camera_at(camera.settings() | settings)
    driver.image = lambda sha256: image if sha256 == "a" * 64 else None
    wanted = {"image": "a" * 64, "version": "V5.7.15"}
    try:
        return driver.act("upgrade_firmware", wanted, lambda detail, **params: steps.append(detail))
    finally:
        driver.close()


@pytest.mark.parametrize("fault", ["", "restarts_at_the_last_byte"])
def test_firmware_is_proved_by_what_the_camera_runs_when_it_is_back(
    camera: SimulatedCamera, image: Path, fault: Fault
) -> None:
    camera.flash.fault = fault
    steps: list[str] = []
    result = upgraded(camera, image, steps)
    assert result["firmware"] == camera.firmware == VERSION
    assert steps == (["image_goes", "gone"] if fault else ["image_goes", "image_taken", "gone"])
    assert upgraded(camera, image, steps)["firmware"] == VERSION and steps[3:] == [], "it has it: nothing is sent"


@pytest.mark.parametrize(
    ("fault", "reason"), [("fails", "camera_failed"), ("keeps_the_old", "old_firmware"), ("", "image_refused")]
)
def test_firmware_that_does_not_run_in_the_end_is_a_failure_with_its_reason(
    camera: SimulatedCamera, image: Path, fault: Fault, reason: str
) -> None:
    camera.flash.fault = fault
    if not fault:
        image.write_bytes(b"no image of this maker" * 10_000)
    with pytest.raises(ActFailed) as failed:
        upgraded(camera, image, [])
    assert failed.value.reason == reason and camera.firmware == "V5.7.13"


def carried_out(camera: SimulatedCamera, image: Path, within_s: float) -> str:
    """Why an upgrade failed that has less time than the driver gives it."""
    driver = camera_at(camera.settings())
    driver.observe()
    begun = driver._services.service("devicemgmt", "/onvif/device_service").StartFirmwareUpgrade()
    upgrade = Upgrade(driver._services, SystemClock(), driver._firmware, lambda detail, **params: None)
    with pytest.raises(ActFailed) as failed:
        upgrade.carry_out(begun, image, "V5.7.15", within_s)
    return failed.value.reason


def test_a_question_that_is_lost_before_it_restarts_is_no_old_firmware(camera: SimulatedCamera, image: Path) -> None:
    camera.flash.answers_on_s, steps = 4.0, []

    def lose(detail: str, **params: Any) -> None:
        steps.append(detail)
        if detail == "image_taken":
            camera.drops = "GetDeviceInformation"

    driver = camera_at(camera.settings())
    driver.image = lambda sha256: image
    camera.flash.writes_s = 3.0
    result = driver.act("upgrade_firmware", {"image": "a" * 64, "version": "V5.7.15"}, lose)
    assert result["firmware"] == VERSION and camera.drops == "" and steps == ["image_goes", "image_taken", "gone"]


def test_a_camera_that_never_restarts_has_no_new_firmware(camera: SimulatedCamera, image: Path) -> None:
    camera.flash.fault = "never_restarts"
    assert carried_out(camera, image, 3.0) == "did_not_go_away"


@pytest.mark.parametrize("moment", ["image", "writing"])
def test_a_power_cut_in_the_middle_leaves_the_old_firmware_and_says_so(
    camera: SimulatedCamera, image: Path, equipment: EquipmentLoop, moment: str
) -> None:
    camera.flash.block_s, camera.flash.writes_s = (0.1, 1.0) if moment == "image" else (0.0, 3.0)
    found: list[ActFailed] = []

    def act() -> None:
        try:
            upgraded(camera, image, [])
        except ActFailed as error:
            found.append(error)

    acting = threading.Thread(target=act)
    acting.start()
    flash = camera.flash
    wait_for(lambda: flash.taken > 100_000 if moment == "image" else flash.is_writing, 10)
    equipment.later(flash.lose_power(4.0))
    acting.join(30)
    assert [error.reason for error in found] == ["upload_broke" if moment == "image" else "old_firmware"]
    assert camera.firmware == "V5.7.13"
    flash.block_s = 0.0
    assert upgraded(camera, image, [])["firmware"] == VERSION, "the next try"


def test_a_camera_that_a_power_cut_has_killed_is_told_as_gone(
    camera: SimulatedCamera, image: Path, equipment: EquipmentLoop
) -> None:
    camera.flash.slots, camera.flash.writes_s = 1, 3.0
    found: list[str] = []
    acting = threading.Thread(target=lambda: found.append(carried_out(camera, image, 6.0)))
    acting.start()
    wait_for(lambda: camera.flash.is_writing, 10)
    equipment.later(camera.flash.lose_power(0.5))
    acting.join(30)
    assert found == ["did_not_come_back"] and camera.flash.is_dead


def test_without_its_image_or_with_a_wrong_password_nothing_is_begun(camera: SimulatedCamera, image: Path) -> None:
    driver = camera_at(camera.settings())
    with pytest.raises(ActFailed) as failed:
        driver.act("upgrade_firmware", {"image": "b" * 64, "version": "V6"}, lambda detail, **params: None)
    assert failed.value.reason == "image_not_here"
    with pytest.raises(WrongCredentials):
        upgraded(camera, image, [], password="other")
    assert camera.flash.taken == 0


def test_a_camera_that_does_not_say_that_it_takes_firmware_is_not_offered_any(ipycam: dict[str, Any]) -> None:
    assert "upgrade_firmware" not in {spec.action for spec in camera_at(ipycam).observe().actions}


@pytest.mark.parametrize(
    ("firmware", "version", "named"),
    [("V5.7.15 build 210628", "V5.7.15", True), ("V5.7.15", "V5.7.1", False), ("V5.7.15.2", "V5.7.15", False),
     ("2.840.0000000.16.R, Build 2022", "2.840.0000000.16.R", True), ("", "1", False)],
)  # fmt: skip
def test_a_version_is_named_whole_or_not_at_all(firmware: str, version: str, named: bool) -> None:
    assert names(firmware, version) is named
