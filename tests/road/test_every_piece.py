"""A room without any one of its pieces is not ready, and says which in both languages."""

import time

import pytest

from device_drivers.registry import description_of
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.room import RoomUnderTest
from tests.counterparts.waiting import wait_for

POLL_S, SEEN_WITHIN_S = 1.1, 2.0
ROLES = {
    "pc": ("Máy tính", "PC"), "camera": ("Camera", "Camera"), "mixer": ("Bộ trộn âm thanh", "Audio mixer"),
    "audio": ("Âm thanh", "Sound"), "display": ("Màn hình hiển thị", "Display"), "light": ("Chiếu sáng", "Lighting"),
    "line": ("Đường truyền", "Line"), "decoder": ("Thiết bị giải mã", "Decoder"),
    "storage": ("Thiết bị lưu trữ", "Storage"), "relay": ("Rơ-le nguồn", "Power relay"),
    "ups": ("Thiết bị lưu điện (UPS)", "UPS"),
}  # fmt: skip


def said(fleet: FleetUnderTest, device: str, lang: str) -> str:
    """What the site's page would say of this device's answer."""
    site = fleet.client.get("/sites/38-1", headers={"Accept-Language": lang}).json()
    found = next(c for c in site["checks"] if c["check"] == "answers" and c["device"] == device)
    text: str = found["message"]["text"]
    return text if found["outcome"] == "fail" else ""


@pytest.mark.timeout(240)
def test_a_room_is_not_ready_without_any_one_of_its_pieces_and_says_which(
    fleet: FleetUnderTest, room: RoomUnderTest
) -> None:
    fleet.wait_until("38-1", verdict="ready", within_s=30)
    assert {device.role for device in room.devices} == set(ROLES)
    late = {}
    for device in room.devices:
        gives_up_s = 4.0 if device.equipment.transport == "udp" else 2.0  # a datagram's silence is told by time alone
        room.equipment.run(device.equipment.unplug())
        taken_s = time.monotonic()
        # Whoever is cut off in the middle of an answer has first said something that is none.
        is_told = lambda device=device: "does not answer" in said(fleet, device.id, "en")  # noqa: E731
        wait_for(is_told, 3 * (POLL_S + gives_up_s + SEEN_WITHIN_S), device.id)  # type: ignore[arg-type]
        late[device.id] = time.monotonic() - taken_s
        assert fleet.site("38-1")["verdict"] == "not_ready"
        vi, en = ROLES[device.role]
        assert said(fleet, device.id, "vi").startswith(vi), device.id
        assert "không trả lời" in said(fleet, device.id, "vi")
        assert said(fleet, device.id, "en").startswith(en), device.id
        room.equipment.run(device.equipment.plug_in())
        fleet.wait_until("38-1", verdict="ready", within_s=20)
    assert set(late) == {device.id for device in room.devices}


@pytest.mark.timeout(240)
def test_a_room_says_what_to_do_when_a_piece_is_there_and_does_not_do_its_work(
    fleet: FleetUnderTest, room: RoomUnderTest
) -> None:
    fleet.wait_until("38-1", verdict="ready", within_s=30)
    sound, dark = room.sound, room.lights
    troubles = {
        "conference_runs": (lambda on: room.pc.change(conference_running=not on), "Phần mềm hội nghị không chạy"),
        "mixer_open": (lambda on: room.mixer.mute(1) if on else room.mixer.unmute(1), "tắt tiếng"),
        "sound_open": (lambda on: sound.microphone(muted=on), "Micrô"),
        "display_shows": (lambda on: room.equipment.run(_display(room, on)), "đang"),
        "light_enough": (lambda on: dark(not on), "Không đủ sáng để nhìn rõ công dân"),
        "line_good": (lambda on: setattr(room.probe, "loss", 0.6 if on else 0.0), "mất"),
        "recording_fits": (
            lambda on: room.disk.change(space_free=1e9 if on else room.empty_disk), "chỉ còn đủ ghi"
        ),
        "disk_well": (lambda on: room.disk.change(writable=not on), "ghi"),
        "power_lasts": (
            lambda on: room.ups.cut_mains(300) if on else room.ups.restore_mains(room.full_runtime_s), "Mất điện lưới"
        ),
    }  # fmt: skip
    for check, (turn, words) in troubles.items():
        turn(True)
        fleet.wait_until("38-1", verdict="not_ready", within_s=12)
        wait_for(lambda: fleet.check("38-1", check)["outcome"] == "fail", 12, check)  # noqa: B023
        site = fleet.client.get("/sites/38-1", headers={"Accept-Language": "vi"}).json()
        text = next(c["message"]["text"] for c in site["checks"] if c["check"] == check)
        assert words.lower() in text.lower() and "Đề nghị" in text, text
        turn(False)
        fleet.wait_until("38-1", verdict="ready", within_s=20)


async def _display(room: RoomUnderTest, off: bool) -> None:
    room.display.switch(not off)


def test_every_driver_that_a_full_room_needs_is_in_it(room: RoomUnderTest) -> None:
    for device in room.devices:
        assert device.role in description_of(device.driver).roles
