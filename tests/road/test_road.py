"""Whole roads: equipment, agent, broker, server, verdict, and commands back."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.room import RoomUnderTest
from tests.counterparts.spoken_room import SpokenRoom, report_of_room
from tests.counterparts.waiting import wait_for

FINAL = {"succeeded", "failed", "refused", "expired", "interrupted"}


def test_a_room_is_ready_and_provisioned_when_all_its_equipment_answers(
    fleet: FleetUnderTest, room: RoomUnderTest
) -> None:
    site = fleet.wait_until("38-1", verdict="ready", provisioned=True)
    assert {device["role"] for device in site["devices"]} == {device.role for device in room.devices}
    assert all(check["outcome"] == "pass" for check in site["checks"])
    assert all(check["age_s"] is not None for check in site["checks"] if check["role"] not in ("people", "centre"))


def test_a_room_is_not_ready_when_its_battery_will_not_last(fleet: FleetUnderTest, room: RoomUnderTest) -> None:
    fleet.wait_until("38-1", verdict="ready")
    room.ups.cut_mains(runtime_s=300)
    fleet.wait_until("38-1", verdict="not_ready", within_s=30)
    check = fleet.check("38-1", "power_lasts")
    assert check["outcome"] == "fail"
    assert check["message"]["params"] == {"left_min": 5, "needed_min": 120}
    assert "5 minutes" in check["message"]["text"]
    room.ups.restore_mains()
    fleet.wait_until("38-1", verdict="ready", within_s=30)


def test_a_hanging_camera_does_not_delay_the_ups_when_both_are_polled(
    fleet: FleetUnderTest, room: RoomUnderTest
) -> None:
    fleet.wait_until("38-1", verdict="ready")
    room.camera.frozen = True
    room.ups.cut_mains(runtime_s=300)
    wait_for(lambda: fleet.check("38-1", "power_lasts")["outcome"] == "fail", 20, "the UPS waits for the camera")
    wait_for(
        lambda: any(check["outcome"] == "fail" for check in fleet.site("38-1")["checks"] if check["role"] == "camera"),
        15,
    )
    room.camera.frozen = False
    room.ups.restore_mains()
    fleet.wait_until("38-1", verdict="ready", within_s=15)


def test_a_room_turns_not_ready_at_the_stated_second_when_its_evidence_stops(
    fleet: FleetUnderTest, mosquitto_port: int
) -> None:
    """The power source is evidence for 45 s. It was 40 s old when it was sent, and nothing is said after that."""
    silent = SpokenRoom("38-2", mosquitto_port)
    try:
        silent.report(age_s=0.0)
        fleet.wait_until("38-2", verdict="ready")
        said_at = silent.report(age_s=40.0)
        assert fleet.site("38-2")["verdict"] == "ready"
        found = fleet.wait_until("38-2", verdict="not_ready", within_s=30)
        after_s = datetime.fromisoformat(found["since"]).timestamp() - said_at
        assert 4.5 < after_s < 9, after_s  # a moment late on a busy machine, never early
        assert {check["outcome"] for check in found["checks"] if check["role"] == "ups"} == {"pass", "unknown"}
    finally:
        silent.leave()


def test_a_room_turns_offline_when_three_reports_are_missed(fleet: FleetUnderTest, mosquitto_port: int) -> None:
    silent = SpokenRoom("38-2", mosquitto_port)
    try:
        said_at = silent.report()
        fleet.wait_until("38-2", verdict="ready")
        found = fleet.wait_until("38-2", verdict="offline", within_s=50)
        after_s = datetime.fromisoformat(found["since"]).timestamp() - said_at
        assert 44.5 < after_s < 49, after_s
    finally:
        silent.leave()


def test_the_server_counts_and_goes_on_when_a_room_says_what_cannot_be_read(
    fleet: FleetUnderTest, mosquitto_port: int
) -> None:
    strange = SpokenRoom("38-2", mosquitto_port)
    try:
        for payload in (b"", b"{", b"\xff" * 100, b"[" * 5_000, b'{"schema": 2}', b"x" * 66_000):
            strange.say_bytes("diemcau/v1/38-2/up/report", payload)
            strange.say_bytes("diemcau/v1/38-2/up/log", payload)
        strange.say_bytes("diemcau/v1/38-2/up/nothing", b"{}")
        strange.say_bytes("diemcau/v1/no-such-site/up/presence", b"{}")
        strange.report()
        fleet.wait_until("38-2", verdict="ready")
        taken = fleet.client.get("/intake").json()["not_taken"]
        assert taken["wire.unreadable"] >= 5 and taken["wire.too_large"] >= 1
        assert taken["wire.unknown_topic"] == 1 and taken["ingest.unknown_site"] == 1
    finally:
        strange.leave()


def test_an_older_report_changes_nothing_when_it_comes_late(fleet: FleetUnderTest, mosquitto_port: int) -> None:
    room = SpokenRoom("38-2", mosquitto_port)
    try:
        room.report()
        fleet.wait_until("38-2", verdict="ready")
        room.say(report_of_room(room.about, room.boot_id, 0, power_source="off"))
        room.say(report_of_room(room.about, room.boot_id, 1, power_source="off"))
        room.report(cpu=11.0)
        wait_for(lambda: fleet.check("38-2", "pc_load")["observed"] == 11.0, 5)
        assert fleet.site("38-2")["verdict"] == "ready"
    finally:
        room.leave()


def test_a_room_is_offline_at_once_when_its_agent_is_stopped_in_order(
    fleet: FleetUnderTest, room: RoomUnderTest
) -> None:
    """A clean stop says so itself; only a room that is lost waits for its last will."""
    fleet.wait_until("38-1", verdict="ready")
    wait_for(lambda: not fleet.health()["learning"], 20)
    room.stop()
    fleet.wait_until("38-1", verdict="offline", within_s=30)
    room.start()
    fleet.wait_until("38-1", verdict="ready", within_s=15)


def test_a_site_that_is_imported_while_the_server_runs_is_seen(
    fleet: FleetUnderTest, new_room: Callable[..., RoomUnderTest]
) -> None:
    new_room("38-4").start()
    rows = (fleet.folder / "sites.csv").read_text(encoding="utf-8") + "38-4,,Xã Mới,commune,38-hub,20,105,5,5\n"
    fleet.import_sites(rows)
    wait_for(lambda: fleet.client.get("/sites/38-4").status_code == 200, 10)
    fleet.wait_until("38-4", verdict="ready", within_s=25)


def test_the_agent_keeps_what_happened_when_the_line_is_down(fleet: FleetUnderTest, room: RoomUnderTest) -> None:
    fleet.wait_until("38-1", verdict="ready")
    room.cut_line()
    wait_for(lambda: not room.agent._link.is_connected, 10)  # type: ignore[union-attr]
    room.ups.cut_mains(runtime_s=9_000)
    wait_for(lambda: room.agent._log.waiting() > 0, 10)  # type: ignore[union-attr]
    room.ups.restore_mains()
    room.mend_line()
    wait_for(lambda: room.agent._log.waiting() == 0, 60, "the log was not handed over")  # type: ignore[union-attr]
    fleet.wait_until("38-1", verdict="ready", within_s=60)


def test_a_reboot_is_proved_by_going_and_coming_back(fleet: FleetUnderTest, room: RoomUnderTest) -> None:
    fleet.wait_until("38-1", verdict="ready")
    asked = fleet.command("38-1", "camera-1", "reboot", reason="Hình đứng yên")
    done = fleet.wait_for_command(asked["id"], FINAL)
    assert done["state"] == "succeeded", done
    details = [step["detail"] for step in done["steps"]]
    assert details == ["requested", "sent", "accepted", "started", "asked", "gone", "back", "succeeded"]
    assert done["steps"][-1]["params"]["away_s"] >= 0.4  # it is looked for twice a second
    assert room.camera.reboots == 1


def test_a_reboot_fails_when_the_camera_says_yes_and_never_goes(fleet: FleetUnderTest, room: RoomUnderTest) -> None:
    fleet.wait_until("38-1", verdict="ready")
    room.camera.ignores_reboot = True
    asked = fleet.command("38-1", "camera-1", "reboot", reason="thử")
    done = fleet.wait_for_command(asked["id"], FINAL, within_s=50)
    assert (done["state"], done["steps"][-1]["detail"]) == ("failed", "did_not_go_away")


def test_a_battery_test_runs_to_its_result(fleet: FleetUnderTest, room: RoomUnderTest) -> None:
    fleet.wait_until("38-1", verdict="ready")
    asked = fleet.command("38-1", "ups-1", "test.battery.start.quick")
    done = fleet.wait_for_command(asked["id"], FINAL)
    assert done["state"] == "succeeded", done
    assert room.ups.executed == ["test.battery.start.quick"]
    room.ups.test_result = "Done and warning"
    asked = fleet.command("38-1", "ups-1", "test.battery.start.quick")
    done = fleet.wait_for_command(asked["id"], FINAL)
    assert (done["state"], done["steps"][-1]["detail"]) == ("failed", "battery_test_failed")


def test_the_same_request_is_executed_once_when_it_is_repeated_at_once(
    fleet: FleetUnderTest, room: RoomUnderTest
) -> None:
    fleet.wait_until("38-1", verdict="ready")
    found: list[str] = []
    askers = [
        threading.Thread(
            target=lambda: found.append(fleet.command("38-1", "ups-1", "test.battery.start.quick", key="once")["id"])
        )
        for _ in range(4)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(set(found)) == 1 and len(found) == 4
    fleet.wait_for_command(found[0], {"succeeded"})
    assert room.ups.executed == ["test.battery.start.quick"]


def test_a_key_is_refused_when_it_was_used_for_something_else(fleet: FleetUnderTest, room: RoomUnderTest) -> None:
    fleet.wait_until("38-1", verdict="ready")
    fleet.command("38-1", "ups-1", "beeper.mute", key="a")
    answer = fleet.client.post(
        "/sites/38-1/devices/ups-1/commands", json={"action": "beeper.enable"}, headers={"Idempotency-Key": "a"}
    )
    assert answer.status_code == 409 and answer.headers["content-type"] == "application/problem+json"


def test_a_wish_is_refused_with_a_reason_when_it_cannot_be_granted(fleet: FleetUnderTest, room: RoomUnderTest) -> None:
    fleet.wait_until("38-1", verdict="ready")

    def refused(site: str, device: str, **wish: object) -> tuple[int, str]:
        answer = fleet.client.post(f"/sites/{site}/devices/{device}/commands", json=wish)
        return answer.status_code, answer.json()["type"]

    assert refused("38-9", "ups-1", action="reboot") == (404, "urn:diemcau:sites.not_found")
    assert refused("38-1", "ups-9", action="reboot") == (404, "urn:diemcau:commands.no_device")
    assert refused("38-1", "ups-1", action="load.off") == (422, "urn:diemcau:commands.not_offered")
    assert refused("38-1", "camera-1", action="reboot") == (422, "urn:diemcau:commands.reason_needed")
    assert refused("38-1", "camera-1", action="go_to_preset", params={"preset": "moon"})[0] == 422
    assert refused("38-2", "ups-1", action="beeper.mute") == (409, "urn:diemcau:commands.no_about")
    assert room.camera.reboots == 0 and room.ups.executed == []


def test_a_room_in_a_live_session_is_not_touched_without_an_override(
    fleet: FleetUnderTest, room: RoomUnderTest
) -> None:
    fleet.wait_until("38-1", verdict="ready")
    plan_session(fleet, ["38-1"])
    wish = {"action": "reboot", "reason": "thử"}
    answer = fleet.client.post("/sites/38-1/devices/camera-1/commands", json=wish)
    assert answer.status_code == 409 and answer.json()["type"] == "urn:diemcau:commands.session_live"
    assert fleet.command("38-1", "camera-1", "reboot", reason="Camera hỏng", override=True)["state"]


@pytest.mark.timeout(300)
def test_a_command_expires_when_the_room_never_answers(
    fleet: FleetUnderTest, new_room: Callable[..., RoomUnderTest]
) -> None:
    """The room is cut off when it is asked, and comes back after the command has run out: it must not act then."""
    room = new_room("38-1")
    room.start()
    fleet.wait_until("38-1", verdict="ready")
    room.cut_line()
    wait_for(lambda: not room.agent._link.is_connected, 10)  # type: ignore[union-attr]
    asked = fleet.command("38-1", "ups-1", "test.battery.start.quick")
    done = fleet.wait_for_command(asked["id"], FINAL, within_s=100)
    assert (done["state"], done["steps"][-1]["detail"]) == ("expired", "no_answer")
    room.mend_line()
    fleet.wait_until("38-1", verdict="ready", within_s=100)
    assert room.ups.executed == []


def test_a_killed_server_knows_the_fleet_when_it_is_back_and_since_when_it_was_so(
    fleet: FleetUnderTest, room: RoomUnderTest
) -> None:
    fleet.wait_until("38-1", verdict="ready")
    since = fleet.site("38-1")["since"]
    fleet.kill()
    fleet.start()
    assert fleet.wait_until("38-1", verdict="ready", within_s=30)["since"] == since


def test_the_gate_opens_only_when_every_site_is_ready_or_waived(
    fleet: FleetUnderTest, new_room: Callable[..., RoomUnderTest]
) -> None:
    first, second = new_room("38-1"), new_room("38-hub")
    for made in (first, second):
        made.start()
    fleet.wait_until("38-1", verdict="ready")
    fleet.wait_until("38-hub", verdict="ready")
    session = plan_session(fleet, ["38-hub", "38-1"])
    blocked = gate(fleet, session)["sites"]
    assert {site["reasons"][0]["check"] for site in blocked} == {"on_duty"}, "nobody has confirmed yet"  # type: ignore[attr-defined]
    for site in ("38-hub", "38-1"):
        fleet.confirm_duty(site)
    assert gate(fleet, session)["go"] is True
    first.pc.change(conference_running=False)
    wait_for(lambda: gate(fleet, session)["go"] is False, 5)
    blocked = [site for site in gate(fleet, session)["sites"] if not site["admitted"]]
    assert [(site["site"], site["reasons"][0]["check"]) for site in blocked] == [("38-1", "conference_runs")]
    assert decide(fleet, session, decision="go").status_code == 409
    waiver = {"site": "38-1", "check": "conference_runs", "reason": "Dùng máy dự phòng"}
    assert decide(fleet, session, decision="go", waivers=[waiver]).status_code == 200
    found = gate(fleet, session)
    assert found["go"] is True and found["decision"]["by"] == "tests"
    assert [entry["check"] for site in found["sites"] for entry in site["waived"]] == ["conference_runs"]


def test_a_stream_is_taken_up_where_it_was_left(fleet: FleetUnderTest, room: RoomUnderTest) -> None:
    fleet.wait_until("38-1", verdict="ready")
    last = ""
    with httpx.stream("GET", f"{fleet.address}/api/v1/events?site=38-1", timeout=20, headers=fleet.headers) as answer:
        for line in answer.iter_lines():
            if line.startswith("id:"):
                last = line.removeprefix("id:").strip()
                break
            room.pc.change(usb_audio=not room.pc.facts.usb_audio)
    room.ups.cut_mains(runtime_s=300)
    fleet.wait_until("38-1", verdict="not_ready", within_s=30)
    heard = []
    headers = {"Last-Event-ID": last, **fleet.headers}
    with httpx.stream("GET", f"{fleet.address}/api/v1/events", headers=headers, timeout=20) as answer:
        for line in answer.iter_lines():
            heard.append(line)
            if "not_ready" in line:
                break
    assert not any("reset" in line for line in heard)


def plan_session(fleet: FleetUnderTest, sites: list[str]) -> str:
    """A session that starts in five minutes."""
    starts_at = datetime.now(UTC) + timedelta(minutes=5)
    body = {"title": "Phiên thử", "starts_at": starts_at.isoformat(), "sites": sites}
    answer = fleet.client.post("/sessions", json=body | {"ends_at": (starts_at + timedelta(hours=2)).isoformat()})
    assert answer.status_code == 201, answer.text
    session: str = answer.json()["id"]
    return session


def gate(fleet: FleetUnderTest, session: str) -> dict[str, object]:
    found: dict[str, object] = fleet.client.get(f"/sessions/{session}/gate").json()
    return found


def decide(fleet: FleetUnderTest, session: str, **decision: object) -> httpx.Response:
    return fleet.client.post(f"/sessions/{session}/decision", json=decision)
