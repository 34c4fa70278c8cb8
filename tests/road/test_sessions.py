"""Sessions on the whole road: planned, checked by themselves, confirmed, decided on fresh evidence, watched."""

import base64
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from icalendar import Calendar

from tests.counterparts.databases import change_in, everything_in, rows_in
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.room import RoomUnderTest
from tests.counterparts.spoken_room import SpokenRoom
from tests.counterparts.waiting import wait_for
from tests.counterparts.web_browser import WebBrowser, form_in, found_in, path_of

EXTERNAL = "ministry,,Trụ sở Tiếp công dân Trung ương,external,,21.0,105.8,,\n"


def wish(sites: list[str], in_min: float = 180, length_min: float = 60, **more: Any) -> dict[str, Any]:
    starts_at = datetime.now(UTC) + timedelta(minutes=in_min)
    times = {"starts_at": starts_at.isoformat(), "ends_at": (starts_at + timedelta(minutes=length_min)).isoformat()}
    return {"title": "Tiếp công dân", "sites": sites, **times, **more}


def plan(fleet: FleetUnderTest, sites: list[str], in_min: float = 180, **more: Any) -> dict[str, Any]:
    answer = fleet.client.post("/sessions", json=wish(sites, in_min, **more))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def of(fleet: FleetUnderTest, session: str, what: str) -> Any:
    answer = fleet.client.get(f"/sessions/{session}/{what}", headers={"Accept-Language": "en"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def decide(fleet: FleetUnderTest, session: str, decision: str = "go", **more: Any) -> httpx.Response:
    return fleet.client.post(f"/sessions/{session}/decision", json={"decision": decision, **more}, timeout=20)


def kind(answer: httpx.Response) -> str:
    return str(answer.json().get("type", ""))


# Planned.


def test_a_session_can_be_moved_copied_and_cancelled_and_what_clashes_is_said_first(fleet: FleetUnderTest) -> None:
    first = plan(fleet, ["38-hub", "38-1"])
    clashing = wish(["38-hub", "38-1", "38-2"], needs={"room_mbit_s": 14.0})
    (found,) = fleet.client.post("/sessions/preview", json=clashing).json()["clashes"]
    assert (found["session"], found["rooms"], found["needed_mbit_s"]) == (first["id"], ["38-1"], 0.0)
    wide = wish(["38-hub", "38-1", "38-2"], needs={"room_mbit_s": 15.0})
    assert fleet.client.post("/sessions/preview", json=wide).json()["clashes"][0]["needed_mbit_s"] == 32.0
    later = wish(["38-hub", "38-2"], 600)
    moved = fleet.client.put(f"/sessions/{first['id']}", json=later)
    assert moved.status_code == 200 and moved.json()["sites"] == ["38-2", "38-hub"]
    assert fleet.client.post("/sessions/preview", json=clashing).json()["clashes"] == []
    assert fleet.client.post(f"/sessions/{first['id']}/cancellation", json={"reason": " "}).status_code == 422
    gone = fleet.client.post(f"/sessions/{first['id']}/cancellation", json={"reason": "Chủ tịch đi công tác"})
    assert gone.json()["cancelled_why"] == "Chủ tịch đi công tác"
    assert kind(fleet.client.put(f"/sessions/{first['id']}", json=later)) == "urn:diemcau:sessions.cancelled"
    assert kind(decide(fleet, first["id"], "no_go")) == "urn:diemcau:sessions.cancelled"
    assert of(fleet, first["id"], "stages")["items"] == []


def test_two_organisers_who_change_a_session_at_once_do_not_undo_each_other(fleet: FleetUnderTest) -> None:
    one = plan(fleet, ["38-hub", "38-1"])
    path = f"/sessions/{one['id']}"
    seen = fleet.client.get(path).headers["etag"]
    with WebBrowser(fleet.address) as organiser:
        organiser.sign_in("tests")
        form = organiser.form_at(f"{path}/plan", f"{path}/plan?as=change")
        other = fleet.client.put(path, json=wish(["38-hub", "38-2"], 400, chair="Bà Hoa"), headers={"If-Match": seen})
        assert other.status_code == 200 and other.headers["etag"] != seen
        late = fleet.client.put(path, json=wish(["38-hub", "38-3"], 500), headers={"If-Match": seen})
        assert late.status_code == 412 and kind(late) == "urn:diemcau:sessions.changed_since"
        form["chair"] = ["Ông Bình"]
        refused = organiser.submit(f"{path}/plan?as=change", **form)
        assert refused.status_code == 412 and "người khác thay đổi" in refused.text and "Ông Bình" in refused.text
        assert fleet.client.get(path).json()["chair"] == "Bà Hoa"
        wrong = organiser.submit(f"{path}/plan?as=change", **form | {"ends_at": ["never"]})
        assert wrong.status_code == 422 and str(form["seen"][0]) in wrong.text, "what was seen stays what was seen"
        form["seen"] = [found_in(r'name="seen" value="(\w+)"', refused.text)]
        assert organiser.submit(f"{path}/plan?as=change", **form).status_code == 303, "knowingly"
        assert fleet.client.get(path).json()["chair"] == "Ông Bình"


@pytest.mark.parametrize("make", ["new", "copy", "rehearsal"])
def test_a_button_that_is_pressed_twice_plans_one_session(fleet: FleetUnderTest, make: str) -> None:
    first = plan(fleet, ["38-hub", "38-1"], 600)
    of_first = f"/sessions/{first['id']}/plan?as={make}"
    page, action = ("/sessions", "/sessions") if make == "new" else (of_first, of_first)
    with WebBrowser(fleet.address) as organiser:
        organiser.sign_in("tests")
        form = organiser.form_at(page, action)
        pressed = [organiser.submit(action, **form) for _ in range(2)]
        again = organiser.submit(action, **organiser.form_at(page, action), all_the_same="1")
    assert [answer.status_code for answer in (*pressed, again)] == [303, 303, 303], pressed[1].text
    assert path_of(pressed[0]) == path_of(pressed[1]) != path_of(again)
    assert len(fleet.client.get("/sessions").json()["items"]) == 3


def test_the_form_of_a_series_comes_back_as_it_was_filled_in_and_two_presses_begin_one(fleet: FleetUnderTest) -> None:
    with WebBrowser(fleet.address) as organiser:
        organiser.sign_in("tests")
        form = organiser.form_at("/sessions", "/series")
        typed = form | {"title": ["Tiếp dân tuần"], "every": ["week"], "weekday": ["3"], "site": ["38-2"], "day": [""]}
        wrong = organiser.submit("/series", **typed | {"paste": ["Xã Không Có"]})
        assert wrong.status_code == 422 and "Xã Không Có" in wrong.text
        back = form_in(wrong.text, "/series")
        assert back == typed | {"paste": ["Xã Không Có"]}, "as it was typed"
        pressed = [organiser.submit("/series", **back | {"paste": [""]}) for _ in range(2)]
    assert [answer.status_code for answer in pressed] == [303, 303]
    (row,) = fleet.client.get("/series").json()["items"]
    assert (row["title"], row["rhythm"]["every"], row["rhythm"]["weekday"], row["sites"]) == (
        "Tiếp dân tuần", "week", 3, ["38-2"],
    )  # fmt: skip
    days = [session["starts_at"] for session in fleet.client.get("/sessions").json()["items"]]
    assert len(days) == len(set(days)) > 20


def test_a_series_plans_its_days_each_of_which_can_be_cancelled_alone_and_is_not_planned_again(
    fleet: FleetUnderTest,
) -> None:
    rhythm = {"every": "month_day", "day": 15}
    today = datetime.now(UTC).date()
    body = {
        "title": "Chủ tịch tiếp công dân", "rhythm": rhythm, "begins": "08:00", "length_min": 180,
        "first": today.isoformat(), "sites": ["38-hub", "38-1"],
    }  # fmt: skip
    series = fleet.client.post("/series", json=body)
    assert series.status_code == 201, series.text
    days = [s for s in fleet.client.get("/sessions").json()["items"] if s["series"] == series.json()["id"]]
    assert 5 <= len(days) <= 7
    starts = [datetime.fromisoformat(day["starts_at"]) for day in days]
    assert all(at.hour == 1 and at.weekday() < 5 and 15 <= at.day <= 17 for at in starts), "eight o'clock in Viet Nam"
    fleet.client.post(f"/sessions/{days[0]['id']}/cancellation", json={"reason": "Nghỉ lễ"})
    fleet.kill()
    fleet.start()
    again = [s for s in fleet.client.get("/sessions").json()["items"] if s["series"] == series.json()["id"]]
    assert {day["id"] for day in again} == {day["id"] for day in days}
    assert fleet.client.delete(f"/series/{series.json()['id']}").status_code == 204
    assert fleet.client.delete(f"/series/{series.json()['id']}").status_code == 404
    assert fleet.client.get("/series").json()["items"] == []


def test_a_calendar_program_sees_the_sessions_of_its_owner_and_no_other(
    processes: Any, mosquitto_port: int, tmp_path: Any
) -> None:
    fleet = FleetUnderTest(processes, mosquitto_port, tmp_path / "server")
    token = fleet.add_user("ky-thuat", "technician", "38-1")
    fleet.start()
    mine, theirs = plan(fleet, ["38-hub", "38-1"], title="Phiên <của> tôi"), plan(fleet, ["38-hub", "38-2"])
    address = f"{fleet.address}/api/v1/sessions.ics"
    nobody = httpx.get(address, timeout=30)
    assert nobody.status_code == 401 and nobody.headers["WWW-Authenticate"].startswith("Basic")
    account = base64.b64encode(f"ky-thuat:{token}".encode()).decode()
    answer = httpx.get(address, headers={"Authorization": f"Basic {account}"}, timeout=30)
    assert answer.headers["content-type"].startswith("text/calendar")
    (event,) = Calendar.from_ical(answer.content).walk("VEVENT")
    assert str(event["summary"]) == "Phiên <của> tôi" and str(event["uid"]).startswith(mine["id"])
    assert "Hàm Rồng" in str(event["description"]) and "Trụ sở" not in str(event["description"])
    assert theirs["id"] not in answer.text
    elsewhere = httpx.get(f"{fleet.address}/api/v1/sites", headers={"Authorization": f"Basic {account}"}, timeout=30)
    assert elsewhere.status_code == 401, "a browser would send such a name and password by itself"
    fleet.close()


# Checked by itself.


def test_a_stage_is_run_at_its_time_and_after_a_kill_neither_again_nor_never(
    fleet: FleetUnderTest, mosquitto_port: int
) -> None:
    room = SpokenRoom("38-1", mosquitto_port)
    room.report()
    fleet.wait_until("38-1", verdict="ready")
    soon = plan(fleet, ["38-1"], in_min=180.2, stages_min=[180, 60])
    at_once = plan(fleet, ["38-1"], in_min=1, stages_min=[600, 300])
    first = lambda session: of(fleet, session, "stages")["items"][0]  # noqa: E731
    wait_for(lambda: first(soon["id"])["state"] == "done", 60, "the stage is not run")
    done = first(soon["id"])
    assert (done["minutes_before"], done["late"]) == (180, False)
    assert (
        wait_for(lambda: first(at_once["id"])["state"] == "done", 10) and first(at_once["id"])["minutes_before"] == 300
    )
    fleet.kill()
    starts_at = datetime.now(UTC) + timedelta(minutes=90)
    before = rows_in(fleet.folder, "SELECT * FROM stages ORDER BY session, due_at")
    begins, ends = (round(at.timestamp() * 1000) for at in (starts_at, starts_at + timedelta(hours=1)))
    moved = "UPDATE sessions SET starts_at = :begins, ends_at = :ends, planned_at = 0 WHERE id = :id"
    assert change_in(fleet.folder, moved, begins=begins, ends=ends, id=soon["id"]) == 1
    fleet.start()
    wait_for(
        lambda: len(of(fleet, soon["id"], "stages")["items"]) == 3, 20
    )  # one of before, one that came late, one to come
    wait_for(lambda: of(fleet, soon["id"], "stages")["items"][0]["state"] == "done", 20, "a stage was skipped")
    found = of(fleet, soon["id"], "stages")["items"]
    assert [(each["state"], each["late"]) for each in found] == [("done", True), ("done", False), ("to_come", False)]
    after = rows_in(fleet.folder, "SELECT * FROM stages ORDER BY session, due_at")
    assert all(row in after for row in before) and len(after) == len(before) + 1
    room.leave()


# Decided on fresh evidence.


def test_a_room_that_has_not_reported_for_a_while_is_asked_before_a_go(
    fleet: FleetUnderTest, new_room: Callable[..., RoomUnderTest]
) -> None:
    room = new_room("38-1", 20.0)  # its devices are looked at seldom, and so it reports every 15 s
    room.start()
    fleet.wait_until("38-1", verdict="ready", within_s=30)
    session = plan(fleet, ["38-1"])["id"]
    age = lambda: of(fleet, session, "gate")["sites"][0]["report_age_s"]  # noqa: E731
    wait_for(lambda: age() > 10.5, 30, "it reports more often than that")
    began_s = time.monotonic()
    answer = decide(fleet, session)
    assert answer.status_code == 200, answer.text
    print(f"decided after {time.monotonic() - began_s:.2f} s")
    assert answer.json()["sites"][0]["report_age_s"] < 10
    assert answer.json()["decision"]["decision"] == "go"


def test_no_go_without_a_room_that_does_not_answer(fleet: FleetUnderTest, mosquitto_port: int) -> None:
    room = SpokenRoom("38-1", mosquitto_port)
    room.report()
    fleet.wait_until("38-1", verdict="ready")
    session = plan(fleet, ["38-1"])["id"]
    room.report()
    assert decide(fleet, session).status_code == 200
    room.report()
    wait_for(lambda: of(fleet, session, "gate")["sites"][0]["report_age_s"] > 10.5, 20)
    refused = decide(fleet, session)
    assert (refused.status_code, kind(refused)) == (409, "urn:diemcau:sessions.evidence_old")
    assert of(fleet, session, "gate")["go"] is True, "it is recommended; the evidence is only too old to decide on"
    assert decide(fleet, session, "no_go", reason="Chờ điểm cầu").status_code == 200
    room.report()
    assert decide(fleet, session).status_code == 200
    room.leave()


def test_a_go_is_for_the_session_as_it_was(fleet: FleetUnderTest, mosquitto_port: int) -> None:
    rooms = [SpokenRoom(site, mosquitto_port) for site in ("38-1", "38-2")]
    for room in rooms:
        room.report()
        fleet.wait_until(room.site, verdict="ready")
    made = plan(fleet, ["38-1"])
    session = made["id"]
    rooms[0].report()
    assert decide(fleet, session).status_code == 200
    asked = {name: made[name] for name in ("title", "starts_at", "ends_at")}
    assert fleet.client.put(f"/sessions/{session}", json={**asked, "sites": ["38-1"]}).status_code == 200
    assert of(fleet, session, "gate")["decision"]["decision"] == "go", "nothing that it rests on is another"
    assert fleet.client.put(f"/sessions/{session}", json={**asked, "sites": ["38-1", "38-2"]}).status_code == 200
    decided = of(fleet, session, "gate")["decision"]
    assert (decided["decision"], decided["reason"]) == ("no_go", "session changed")
    for room in rooms:
        room.report()
    assert decide(fleet, session).status_code == 200, "and it is decided anew"
    for room in rooms:
        room.leave()


def test_what_a_session_asks_of_rooms_and_hub_stands_at_its_gate(fleet: FleetUnderTest, mosquitto_port: int) -> None:
    rooms = [SpokenRoom(site, mosquitto_port) for site in ("38-hub", "38-1", "38-2")]
    for room in rooms:
        room.report(recording_hours=9.0, battery_runtime=1_500.0, bandwidth_down=31.0, bandwidth_up=31.0)
        fleet.wait_until(room.site, verdict="ready")
    sites = ["38-hub", "38-1", "38-2"]

    def troubles(**more: Any) -> dict[str, set[str]]:
        session = plan(fleet, sites, **more)["id"]
        found = of(fleet, session, "gate")["sites"]
        return {site["site"]: {reason["check"] for reason in site["reasons"]} - {"set_up_right"} for site in found}

    assert troubles() == {site: set() for site in sites}
    assert troubles(needs={"room_mbit_s": 16.0})["38-hub"] == {"hub_line_carries"}
    long = troubles(length_min=300)
    assert "hub_records_all" in long["38-hub"] and "hub_records_all" not in long["38-1"]
    assert troubles(needs={"battery_share": 0.5})["38-1"] == {"battery_carries"}
    for room in rooms:
        room.leave()


# Confirmed by people.


def test_a_link_opens_once_for_one_room_and_what_is_ticked_there_stands_at_the_gate(
    fleet: FleetUnderTest, mosquitto_port: int
) -> None:
    room = SpokenRoom("38-1", mosquitto_port)
    room.report()
    fleet.wait_until("38-1", verdict="ready")
    session = plan(fleet, ["38-1", "38-2"], in_min=20)["id"]
    invite = lambda site: fleet.client.post(f"/sessions/{session}/sites/{site}/invitations", json={"name": "Lê Thị B"})  # noqa: E731
    assert invite("38-3").status_code == 404
    link = invite("38-1").json()["link"]
    path, code = link.removeprefix(fleet.address).split("#")
    assert path == "/room" and len(code) >= 32

    def checks() -> set[str]:
        (mine,) = [each for each in of(fleet, session, "gate")["sites"] if each["site"] == "38-1"]
        return {reason["check"] for reason in mine["reasons"]}

    assert {"on_duty", "room_prepared"} <= checks()
    with WebBrowser(fleet.address) as phone, WebBrowser(fleet.address) as other:
        assert "Phường" not in phone.visit("/room").text
        assert phone.submit("/room/open", code=code).status_code == 303
        page = phone.visit("/room").text
        assert "Phường Hàm Rồng" in page and "Lê Thị B" in page and "Hạc Thành" not in page
        assert other.submit("/room/open", code=code).status_code == 404
        assert other.visit("/room/part").status_code == 404
        assert phone.submit("/room/duty").status_code == 303
        for item in ("lights", "seats", "dossier", "citizen"):
            assert phone.submit("/room/tick", item=item, done="1").status_code == 303
        assert {"on_duty", "room_prepared"}.isdisjoint(checks())
        assert phone.submit("/room/tick", item="citizen", done="0").status_code == 303
        assert "room_prepared" in checks()
        assert phone.submit("/room/tick", item="nonsense", done="1").status_code == 422
        foreign = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
        assert phone.post("/room/tick", data={"item": "citizen", "done": "1"}, headers=foreign).status_code == 403
        assert phone.get("/api/v1/sites").status_code == 401, "the link is for the room's page alone"
        (row,) = of(fleet, session, "invitations")["items"]
        assert row["opened_at"] is not None
        assert code.encode() not in everything_in(fleet.folder)
        assert invite("38-1").status_code == 201
        assert phone.visit("/room/part").status_code == 404, "a new link for the same name voids the old one"
    room.leave()


def test_a_site_without_an_agent_is_ready_when_a_named_person_has_confirmed_it(
    processes: Any, mosquitto_port: int, tmp_path: Any
) -> None:
    fleet = FleetUnderTest(processes, mosquitto_port, tmp_path / "server", EXTERNAL)
    fleet.start()
    session = plan(fleet, ["ministry"], in_min=20)["id"]
    assert kind(decide(fleet, session)) == "urn:diemcau:sessions.not_admitted"
    link = fleet.client.post(
        f"/sessions/{session}/sites/ministry/invitations", json={"name": "Ông Nguyễn Văn C"}
    ).json()
    with WebBrowser(fleet.address) as phone:
        phone.submit("/room/open", code=link["link"].split("#")[1])
        assert phone.submit("/room/duty").status_code == 303
    assert decide(fleet, session).status_code == 200
    assert fleet.site("ministry")["verdict"] == "ready"
    fleet.close()


# Watched.


def test_whatever_gets_worse_after_the_go_is_written_down_at_once_and_only_a_pass_clears_it(
    fleet: FleetUnderTest, mosquitto_port: int
) -> None:
    room = SpokenRoom("38-1", mosquitto_port)
    room.report()
    fleet.wait_until("38-1", verdict="ready")
    fleet.confirm_duty("38-1")
    session = plan(fleet, ["38-1"], in_min=9)["id"]
    room.report()
    assert decide(fleet, session).status_code == 200
    setbacks = lambda: of(fleet, session, "setbacks")["items"]  # noqa: E731
    assert setbacks() == []
    wait_for(lambda: _watched(fleet, room, setbacks), 10, "nothing is noticed at all")
    said_at = room.report(writable=False)
    found = wait_for(lambda: [each for each in setbacks() if each["check"] == "disk_well"], 15)
    took_s = datetime.fromisoformat(found[0]["opened_at"]).timestamp() - said_at
    print(f"written down {took_s:.2f} s after the report")
    assert took_s < 10
    room.report(writable=None)
    room.report(writable=None)
    assert next(each for each in setbacks() if each["check"] == "disk_well")["cleared_at"] is None
    fleet.kill()
    fleet.start()
    room.report(writable=False)
    wait_for(lambda: fleet.check("38-1", "disk_well")["outcome"] == "fail", 10)
    assert [each["check"] for each in setbacks() if each["cleared_at"] is None].count("disk_well") == 1
    room.report()
    wait_for(lambda: all(each["cleared_at"] for each in setbacks()), 10, "a fresh pass clears it")
    refused = fleet.client.post("/sites/38-1/devices/display-1/commands", json={"action": "off", "reason": "x"})
    assert refused.status_code in (409, 422)
    room.leave()


def _watched(fleet: FleetUnderTest, room: SpokenRoom, setbacks: Callable[[], list[Any]]) -> bool:
    """The decision has been noticed: a failure that comes and goes is written down."""
    room.report(main_muted=True)
    seen = any(each["check"] == "mixer_open" for each in setbacks())
    room.report()
    return seen


def test_a_rehearsal_is_judged_alike_and_holds_nobody_up(fleet: FleetUnderTest, mosquitto_port: int) -> None:
    room = SpokenRoom("38-1", mosquitto_port)
    room.report(frame=False)
    fleet.wait_until("38-1", verdict="not_ready")
    real = plan(fleet, ["38-1"], in_min=600)
    tried = plan(fleet, ["38-1"], in_min=5, rehearses=real["id"])
    assert tried["is_rehearsal"] and tried["rehearses"] == real["id"]
    assert {"picture_shows"} <= {r["check"] for r in of(fleet, tried["id"], "gate")["sites"][0]["reasons"]}
    assert kind(decide(fleet, tried["id"])) == "urn:diemcau:sessions.not_admitted"
    command = fleet.client.post("/sites/38-1/devices/ups-1/commands", json={"action": "beeper.mute"})
    assert kind(command) != "urn:diemcau:commands.session_live"
    assert of(fleet, plan(fleet, ["38-1"], in_min=900)["id"], "rehearsal")["rehearsal"] is None
    assert decide(fleet, tried["id"], "no_go").status_code == 200
    found = of(fleet, real["id"], "rehearsal")
    assert found["rehearsal"] == tried["id"] and {"check": "picture_shows", "site": "38-1"} in found["again"]
    room.report()
    fleet.wait_until("38-1", verdict="ready")
    found = of(fleet, real["id"], "rehearsal")
    assert {"check": "picture_shows", "site": "38-1"} in found["mended"] and found["again"] == []
    with WebBrowser(fleet.address) as browser:
        browser.sign_in("tests")
        assert "đã khắc phục" in browser.visit(f"/sessions/{real['id']}").text
    room.leave()


@pytest.mark.parametrize("bad", ["", "x", "'; DROP TABLE invitations; --", "x" * 90])
def test_a_code_that_is_none_opens_nothing(fleet: FleetUnderTest, bad: str) -> None:
    with WebBrowser(fleet.address) as phone:
        assert phone.submit("/room/open", code=bad).status_code == 404
        assert phone.visit("/room/part").status_code == 404


# Devices act for a check.


def test_a_stage_has_devices_act_once_and_judges_what_they_found(
    fleet: FleetUnderTest, new_room: Callable[..., RoomUnderTest]
) -> None:
    room = new_room("38-1")
    room.probe.url = fleet.address
    room.start()
    fleet.wait_until("38-1", verdict="ready", within_s=30)
    fleet.confirm_duty("38-1")
    session = plan(fleet, ["38-1"], in_min=1_440.2, stages_min=[1_440])["id"]
    stage = lambda: of(fleet, session, "stages")["items"][0]  # noqa: E731
    wait_for(lambda: stage()["state"] == "running", 60, "it does not wait for the devices")
    fleet.kill()
    fleet.start()
    wait_for(lambda: stage()["state"] == "done", 60, "the stage does not end")
    assert stage()["go"] is True
    assert room.ups.executed.count("test.battery.start.quick") == 1
    wait_for(lambda: fleet.check("38-1", "line_wide")["observed"] is not None, 20, "the line was not measured")


def test_rooms_are_checked_now_when_an_operator_asks_but_not_while_they_are_in_use(
    fleet: FleetUnderTest, mosquitto_port: int
) -> None:
    room = SpokenRoom("38-1", mosquitto_port)
    room.report()
    fleet.wait_until("38-1", verdict="ready")
    session = plan(fleet, ["38-1"], stages_min=[])["id"]
    assert of(fleet, session, "stages")["items"] == []
    assert fleet.client.post(f"/sessions/{session}/checks").status_code == 202
    wait_for(lambda: [s["state"] for s in of(fleet, session, "stages")["items"]] == ["done"], 20)
    live = plan(fleet, ["38-1"], in_min=5, stages_min=[])["id"]
    assert kind(fleet.client.post(f"/sessions/{live}/checks")) == "urn:diemcau:commands.session_live"
    room.leave()


def test_the_person_in_the_room_tries_the_microphone_and_is_told_how_they_are_heard(
    fleet: FleetUnderTest, new_room: Callable[..., RoomUnderTest]
) -> None:
    room = new_room("38-1")
    room.start()
    fleet.wait_until("38-1", verdict="ready", within_s=30)
    session = plan(fleet, ["38-1", "38-2"], in_min=60)["id"]
    codes = {
        site: fleet.client.post(f"/sessions/{session}/sites/{site}/invitations", json={"name": "Bà D"}).json()["link"]
        for site in ("38-1", "38-2")
    }
    with WebBrowser(fleet.address) as phone, WebBrowser(fleet.address) as other:
        phone.submit("/room/open", code=codes["38-1"].split("#")[1])
        other.submit("/room/open", code=codes["38-2"].split("#")[1])
        assert other.submit("/room/microphone").status_code == 409, "a room that has said nothing has no microphone"
        answer = phone.submit("/room/microphone")
        if answer.status_code == 303:
            wait_for(lambda: "listening" not in phone.visit("/room/part").text, 30)
            assert 'id="level"' in phone.visit("/room/part").text
        else:
            assert answer.status_code == 409 and not any(
                action["action"] == "measure_level" for d in fleet.site("38-1")["devices"] for action in d["actions"]
            )
