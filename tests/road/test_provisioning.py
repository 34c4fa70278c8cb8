"""Provisioning on the whole road: what differs is seen, set, taken back; who is swapped or unproved is noticed."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from demo.processes import Processes
from edge_agent.agent import Agent
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.room import RoomUnderTest
from tests.counterparts.spoken_centre import SpokenCentre
from tests.counterparts.waiting import wait_for
from wire.ids import uuid7
from wire.messages import Command, DesiredDevice, Secret
from wire.topics import Told

SITE = "38-1"
FINAL = {"succeeded", "failed", "refused", "expired", "interrupted"}
ENDED = {"done", "failed", "rolled_back", "interrupted"}
CYCLE = "outlet.1.load.cycle"
NTP = """
      ntp_server:
        wanted: 10.1.1.1
        differs: {differs}
        set_by: {{action: set_ntp, param: server}}
"""
OVERRIDE = "devices:\n  camera-1:\n    settings:" + NTP
SCENE = """
  mixer-1:
    settings:
      scene: {wanted: 5, differs: fail, set_by: {action: recall_scene, param: scene}}
"""
INPUT = """
  display-1:
    settings:
      input: {wanted: "52", differs: fail, set_by: {action: set_input, param: input}}
"""


@pytest.fixture
def new_fleet(processes: Processes, mosquitto_port: int, tmp_path: Path) -> Iterator[Callable[..., FleetUnderTest]]:
    """Makes servers with profiles of a province's own: `new_fleet({"sites/38-1.yaml": "…"})`."""
    servers: list[FleetUnderTest] = []

    def make(profiles: dict[str, str]) -> FleetUnderTest:
        server = FleetUnderTest(processes, mosquitto_port, tmp_path / "server")
        for name, text in profiles.items():
            file = server.folder / "profiles" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        server.start()
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def centre(mosquitto_port: int) -> Iterator[SpokenCentre]:
    """A centre of which the test says every word."""
    made = SpokenCentre(SITE, mosquitto_port)
    yield made
    made.leave()


def provisioning(fleet: FleetUnderTest, site: str = SITE) -> dict[str, Any]:
    found: dict[str, Any] = fleet.client.get(f"/sites/{site}/provisioning", headers={"Accept-Language": "en"}).json()
    return found


def device(fleet: FleetUnderTest, name: str, site: str = SITE) -> dict[str, Any]:
    devices = [device for slot in provisioning(fleet, site)["slots"] for device in slot["devices"]]
    return next((device for device in devices if device["device"] == name), {"drifts": []})


def drifts(fleet: FleetUnderTest, name: str = "camera-1", site: str = SITE) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = device(fleet, name, site)["drifts"]
    return found


def seen(fleet: FleetUnderTest, name: str) -> dict[str, Any] | None:
    """The device as the site shows it; None where it does not."""
    return next((device for device in fleet.site(SITE)["devices"] if device["id"] == name), None)


def provisioned_by_run(fleet: FleetUnderTest, within_s: float = 60) -> dict[str, Any]:
    """Ask for a run; the run, once it has ended."""
    answer = fleet.client.post(f"/sites/{SITE}/provisioning")
    assert answer.status_code == 202, answer.text
    look = lambda: fleet.client.get(f"/provisioning-runs/{answer.json()['id']}").json()  # noqa: E731
    wait_for(lambda: look()["state"] in ENDED, within_s, "the run does not end")
    found: dict[str, Any] = look()
    return found


class Listener:
    """Hears the stream of a site while the test goes on."""

    def __init__(self, fleet: FleetUnderTest) -> None:
        self.lines: list[str] = []
        self._headers = fleet.headers
        self._address = f"{fleet.address}/api/v1/events?site={SITE}"
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()
        wait_for(lambda: self.lines, 10, "the stream says nothing")

    def _hear(self) -> None:
        try:
            with httpx.stream("GET", self._address, timeout=60, headers=self._headers) as answer:
                self.lines += [f"status: {answer.status_code}"]
                for line in answer.iter_lines():
                    self.lines.append(line)
        except httpx.HTTPError:
            return  # the server has gone, or the test has

    def said_provisioned(self) -> list[bool]:
        """What it said of the site, each time."""
        told = [line for line in self.lines if line.startswith("data:") and '"provisioned"' in line]
        return ['"provisioned":true' in line.replace(" ", "") for line in told]


@pytest.mark.timeout(480)
def test_a_setting_that_differs_is_seen_set_and_seen_to_be_kept(
    new_fleet: Callable[..., FleetUnderTest], new_room: Callable[..., RoomUnderTest]
) -> None:
    fleet, room = new_fleet({"sites/38-1.yaml": OVERRIDE.format(differs="fail")}), new_room(SITE)
    listener = Listener(fleet)
    room.start()
    wait_for(lambda: drifts(fleet), 30, "no drift is seen")
    site = fleet.wait_until(SITE, verdict="ready", provisioned=False)
    (drift,) = drifts(fleet)
    assert (drift["key"], drift["wanted"], drift["found"]) == ("ntp_server", "10.1.1.1", "pool.ntp.org")
    assert (drift["differs"], drift["settable"]) == ("fail", True)
    assert abs(drift["since"] - datetime.now(UTC).timestamp()) < 60
    assert site["set_up"] is False, "it never was what it should be"

    room.ups.variables["device.model"] = "Another name"  # a new `about` tells nothing of the camera
    wait_for(lambda: "Another name" in seen(fleet, "ups-1")["name"], 15)  # type: ignore[index]
    assert [again["since"] for again in drifts(fleet)] == [drift["since"]]
    assert not any(listener.said_provisioned())

    run = provisioned_by_run(fleet, within_s=180)
    assert run["state"] == "done", run
    (step,) = run["steps"]
    assert (step["device"], step["key"], step["action"]) == ("camera-1", "ntp_server", "set_ntp")
    assert (step["state"], step["wanted"], step["found"]) == ("verified", "10.1.1.1", "pool.ntp.org")
    assert fleet.client.get(f"/commands/{step['command']}").json()["state"] == "succeeded"
    assert room.camera.ntp == "10.1.1.1"
    fleet.wait_until(SITE, provisioned=True, set_up=True)
    wait_for(lambda: listener.said_provisioned()[-1:] == [True], 10, "the stream does not tell")
    now = provisioning(fleet)
    assert now["provisioned"] and now["applied_at"] is not None and now["last_run"]["id"] == run["id"]
    assert drifts(fleet) == []
    again = fleet.client.post(f"/sites/{SITE}/provisioning")
    assert (again.status_code, again.json()["type"]) == (409, "urn:diemcau:rollout.nothing_to_set")


@pytest.mark.timeout(480)
def test_what_was_set_is_taken_back_when_a_later_setting_cannot_be_set(
    new_fleet: Callable[..., FleetUnderTest], new_room: Callable[..., RoomUnderTest]
) -> None:
    """The desk is locked: it takes the scene of nobody."""
    fleet = new_fleet({"sites/38-1.yaml": OVERRIDE.format(differs="fail") + SCENE})
    room = new_room(SITE)
    room.mixer.is_locked = True
    room.start()
    wait_for(lambda: drifts(fleet) and drifts(fleet, "mixer-1"), 30, "no drift is seen")
    run = provisioned_by_run(fleet, within_s=330)
    assert run["state"] == "rolled_back", run
    assert [(step["device"], step["state"]) for step in run["steps"]] == [
        ("camera-1", "rolled_back"), ("mixer-1", "failed"),
    ]  # fmt: skip
    assert run["steps"][1]["detail"] == "no_effect_seen"
    assert room.camera.ntp == "pool.ntp.org"
    assert room.mixer.values["/-show/prepos/current" if room.mixer.family == "x32" else "/-snap/index"] == 3
    assert fleet.site(SITE)["provisioned"] is False and provisioning(fleet)["applied_at"] is None


@pytest.mark.timeout(180)
def test_a_scene_is_taken_back_when_the_display_refuses_its_input(
    new_fleet: Callable[..., FleetUnderTest], new_room: Callable[..., RoomUnderTest]
) -> None:
    fleet, room = new_fleet({"sites/38-1.yaml": f"devices:{SCENE}{INPUT}"}), new_room(SITE)
    room.start()
    wait_for(lambda: drifts(fleet, "display-1") and drifts(fleet, "mixer-1"), 30, "no drift is seen")
    with ThreadPoolExecutor(4) as askers:
        answers = list(askers.map(lambda _: fleet.client.post(f"/sites/{SITE}/provisioning"), range(4)))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409], "one run at a time"
    wait_for(lambda: provisioning(fleet)["last_run"]["state"] in ENDED, 120, "the run does not end")
    run = provisioning(fleet)["last_run"]
    assert run["state"] == "rolled_back", run
    assert [(step["key"], step["state"], step["detail"]) for step in run["steps"]] == [
        ("scene", "rolled_back", ""), ("input", "failed", "commands.wrong_params"),
    ]  # fmt: skip
    told = [value for address, (value, *_) in room.mixer.received if "scene" in address or "snap" in address]
    assert [told[0], told[-1]] == [5, 3], "it was set, and set back"
    assert room.display.input == "31"


@pytest.mark.timeout(120)
def test_a_run_fails_and_changes_nothing_when_its_first_setting_cannot_be_set(
    new_fleet: Callable[..., FleetUnderTest], new_room: Callable[..., RoomUnderTest]
) -> None:
    muted = "  mixer-1: {settings: {mic_muted: {wanted: true, differs: fail}}}\n"
    fleet, room = new_fleet({"sites/38-1.yaml": f"devices:{INPUT}{muted}"}), new_room(SITE)
    room.start()
    wait_for(lambda: drifts(fleet, "display-1") and drifts(fleet, "mixer-1"), 30, "no drift is seen")
    assert drifts(fleet, "mixer-1")[0]["settable"] is False, "nobody has said what sets it"
    run = provisioned_by_run(fleet)
    assert run["state"] == "failed"
    assert [(step["key"], step["state"]) for step in run["steps"]] == [("input", "failed")]
    assert room.mixer.received == []


@pytest.mark.timeout(480)
def test_what_may_be_mended_is_mended_by_itself_and_not_in_the_hour_before_a_session(
    new_fleet: Callable[..., FleetUnderTest], new_room: Callable[..., RoomUnderTest]
) -> None:
    override = OVERRIDE.format(differs="mend")
    fleet = new_fleet({"sites/38-1.yaml": override, "sites/38-2.yaml": override})
    starts_at = datetime.now(UTC) + timedelta(minutes=50)
    plan = {"title": "Phiên thử", "starts_at": starts_at.isoformat(), "sites": [SITE]}
    answer = fleet.client.post("/sessions", json=plan | {"ends_at": (starts_at + timedelta(hours=1)).isoformat()})
    assert answer.status_code == 201, answer.text
    busy, free = new_room(SITE), new_room("38-2")
    busy.start()
    wait_for(lambda: drifts(fleet), 30, "no drift is seen")
    free.start()
    wait_for(lambda: free.camera.ntp == "10.1.1.1", 60, "it was not mended")
    wait_for(lambda: provisioning(fleet, "38-2")["last_run"]["state"] in ENDED, 180, "the run does not end")
    run = provisioning(fleet, "38-2")["last_run"]
    assert (run["state"], run["by"]) == ("done", "DiemCau"), run
    fleet.wait_until("38-2", provisioned=True)
    # Both rooms are looked at in one go, so that this one was passed over.
    assert provisioning(fleet)["last_run"] is None and busy.camera.ntp == "pool.ntp.org"
    assert drifts(fleet)[0]["differs"] == "mend" and fleet.site(SITE)["provisioned"] is False
    assert provisioned_by_run(fleet, 180)["state"] == "done", "a person may, before the session is live"


@pytest.mark.timeout(120)
def test_a_swapped_camera_is_noticed_and_accepted_by_a_person(
    new_fleet: Callable[..., FleetUnderTest], new_room: Callable[..., RoomUnderTest]
) -> None:
    fleet, room = new_fleet({}), new_room(SITE)
    room.start()
    fleet.wait_until(SITE, verdict="ready", provisioned=True, within_s=30)
    room.equipment.run(room.camera.unplug())
    wait_for(lambda: seen(fleet, "camera-1")["state"] == "not_answering", 20)  # type: ignore[index]
    assert device(fleet, "camera-1")["swapped"] is False, "one that does not answer is not another"
    room.camera.serial = "ANOTHER"
    room.equipment.run(room.camera.plug_in())
    fleet.wait_until(SITE, verdict="ready", provisioned=False, within_s=30)
    found = device(fleet, "camera-1")
    assert (found["swapped"], found["right"], found["firmware_accepted"]) == (True, False, True)
    fleet.kill()
    fleet.start()
    fleet.wait_until(SITE, verdict="ready", provisioned=False, within_s=30)
    assert device(fleet, "camera-1")["swapped"] is True, "the server remembers who was accepted"

    assert fleet.client.post(f"/sites/{SITE}/devices/camera-9/accept").status_code == 404
    assert fleet.client.post(f"/sites/{SITE}/devices/camera-1/accept").status_code == 204
    fleet.wait_until(SITE, provisioned=True, set_up=True)
    assert device(fleet, "camera-1")["swapped"] is False


def offered(fleet: FleetUnderTest) -> list[str]:
    return [action["action"] for action in (seen(fleet, "ups-1") or {"actions": []})["actions"]]


def test_an_outlet_is_not_offered_before_it_was_proved_on_the_model(
    new_fleet: Callable[..., FleetUnderTest], new_room: Callable[..., RoomUnderTest]
) -> None:
    fleet, room = new_fleet({}), new_room(SITE)
    room.start()
    fleet.wait_until(SITE, verdict="ready", within_s=30)
    assert "beeper.mute" in offered(fleet) and CYCLE not in offered(fleet)
    wish = {"action": CYCLE, "reason": "thử"}
    answer = fleet.client.post(f"/sites/{SITE}/devices/ups-1/commands", json=wish)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:diemcau:commands.not_allowed")
    assert room.ups.executed == []


def test_an_outlet_is_cycled_where_a_profile_says_that_it_was_proved(
    new_fleet: Callable[..., FleetUnderTest], new_room: Callable[..., RoomUnderTest]
) -> None:
    rule = f"{CYCLE}: {{proved: true, source: tried in the room on 24 November 2026}}"
    fleet = new_fleet({"sites/38-1.yaml": f"devices:\n  ups-1:\n    actions:\n      {rule}\n"})
    room = new_room(SITE)
    room.start()
    fleet.wait_until(SITE, verdict="ready", within_s=30)
    assert CYCLE in offered(fleet)

    def cycled() -> dict[str, Any] | None:
        """The room must have been told; until then it refuses, and says why."""
        asked = fleet.command(SITE, "ups-1", CYCLE, reason="thử")
        ended = fleet.wait_for_command(asked["id"], FINAL)
        if ended["state"] == "refused":
            assert ended["steps"][-1]["detail"] == "not_proved"
            return None
        return ended

    ended = wait_for(cycled, 30, "the room never hears of the proof")
    assert ended is not None and ended["state"] == "succeeded", ended
    assert room.ups.executed == [CYCLE]


def asked(action: str) -> Command:
    now = datetime.now(UTC)
    return Command(uuid7(), "38-1", uuid7(), "ups-1", action, {}, now, now + timedelta(seconds=60), "test")


def test_the_room_itself_refuses_an_outlet_of_which_the_centre_has_no_proof(
    room: RoomUnderTest, centre: SpokenCentre
) -> None:
    wait_for(lambda: centre.states().get("ups-1") == "ok", 20)
    end = centre.command(asked(CYCLE))
    assert (end.state, end.detail) == ("refused", "not_proved")
    centre.wait_for_config(centre.configure(proved={"ups-1": ("outlet.2.load.cycle",), "relay-1": (CYCLE,)}))
    end = centre.command(asked(CYCLE))
    assert (end.state, end.detail) == ("refused", "not_proved"), "another outlet, another device"
    assert room.ups.executed == []
    centre.wait_for_config(centre.configure(proved={"ups-1": (CYCLE,)}))
    assert centre.command(asked(CYCLE)).state == "succeeded"
    centre.wait_for_config(centre.configure())
    end = centre.command(asked(CYCLE))
    assert (end.state, end.detail) == ("refused", "not_proved"), "the proof was taken back"
    assert room.ups.executed == [CYCLE]


# Desired devices.


def start_without(room: RoomUnderTest, *names: str) -> Agent:
    """An agent whose own file has not got these devices."""
    config = room.config()
    kept = tuple(device for device in config.devices if device.id not in names)
    room.belong()
    room.agent = Agent(msgspec.structs.replace(config, devices=kept))
    room.agent.start()
    return room.agent


def secrets_of(room: RoomUnderTest) -> Path:
    folder = Path(room.config().folder) / "secrets"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.timeout(180)
def test_a_survey_makes_a_running_agent_watch_what_was_found_and_no_longer_what_was_not(
    new_fleet: Callable[..., FleetUnderTest], new_room: Callable[..., RoomUnderTest]
) -> None:
    room = new_room(SITE)
    generic = f"match: {{driver: ups_nut, roles: [ups]}}\ndefaults: {{ups: room, port: {room.ups.port}}}\n"
    generic += "takes: {address: host, username: username, password: password}\n"
    fleet = new_fleet({"families/ups_generic.yaml": "family: ups_generic\n" + generic})
    (secrets_of(room) / "ups-1").write_text(f"{room.ups.password}\n")
    agent = start_without(room, "ups-1", "decoder-1")
    fleet.wait_until(SITE, verdict="not_ready", within_s=30)
    assert seen(fleet, "ups-1") is None

    nothing = fleet.client.post(f"/sites/{SITE}/desired")
    assert (nothing.status_code, nothing.json()["type"]) == (409, "urn:diemcau:rollout.no_survey")
    ups = {
        "has": True,
        "driver": "ups_nut",
        "address": "127.0.0.1",
        "username": room.ups.username,
        "has_password": True,
    }
    survey: dict[str, Any] = {
        "pieces": {
            "ups": ups,
            "display": {"has": True, "address": "192.0.2.7"},  # the room's own file knows better
        }
    }
    assert fleet.client.put(f"/sites/{SITE}/survey", json=survey).status_code == 200
    answer = fleet.client.post(f"/sites/{SITE}/desired")
    assert answer.status_code == 200, answer.text
    desired = {device["id"]: device for device in answer.json()}
    assert set(desired) == {"ups-1", "display-1"}
    assert desired["ups-1"]["settings"]["password"] == {"secret": "ups-1"}, "the centre learns no password"

    fleet.wait_until(SITE, verdict="ready", provisioned=True, within_s=30)
    assert seen(fleet, "ups-1")["state"] == "ok" and room.agent is agent  # type: ignore[index]
    assert seen(fleet, "decoder-1") is None and seen(fleet, "display-1")["state"] == "ok"  # type: ignore[index]
    ended = fleet.wait_for_command(fleet.command(SITE, "ups-1", "beeper.mute")["id"], FINAL)
    assert ended["state"] == "succeeded", "it is served as any other"
    fleet.kill()
    room.stop()
    start_without(room, "ups-1", "decoder-1")
    fleet.start()
    fleet.wait_until(SITE, verdict="ready", within_s=30)

    survey["pieces"]["ups"] = {"has": False}
    assert fleet.client.put(f"/sites/{SITE}/survey", json=survey).json()["missing"] == ["ups"]
    assert fleet.client.post(f"/sites/{SITE}/desired").status_code == 200
    wait_for(lambda: seen(fleet, "ups-1") is None, 20, "it is still watched")
    fleet.wait_until(SITE, verdict="not_ready", provisioned=False)


def test_a_desired_device_that_cannot_be_is_refused_with_its_reason_and_the_rest_goes_on(
    room: RoomUnderTest, centre: SpokenCentre
) -> None:
    wait_for(lambda: centre.states().get("ups-1") == "ok", 20)
    here = {"host": "127.0.0.1", "port": float(room.ups.port)}
    wrong = (
        DesiredDevice("decoder-2", "decoder", "probe", {"host": "127.0.0.1"}),
        DesiredDevice("decoder-3", "decoder", "probe", here | {"colour": "red"}),
        DesiredDevice("decoder-4", "decoder", "probe", {"host": "127.0.0.1", "port": 1.5}),
        DesiredDevice("decoder-5", "decoder", "no_such_driver", here),
        DesiredDevice("camera-5", "camera", "probe", here),
        DesiredDevice("decoder-6", "decoder", "probe", here | {"make": Secret("nobody-has-it")}),
        DesiredDevice("decoder-7", "of_a_newer_centre", "probe", here),
    )
    right = DesiredDevice("decoder-9", "decoder", "probe", here | {"make": "Yealink"}, poll_s=1.0)
    centre.configure(wrong[0], right, *wrong[1:])
    wait_for(lambda: centre.states().get("decoder-9") == "ok", 20, "the right one is not watched")
    wait_for(lambda: set(centre.refused()) == {device.id for device in wrong}, 20, f"refused: {centre.refused()}")
    reasons = centre.refused()
    assert "port" in reasons["decoder-2"] and "colour" in reasons["decoder-3"] and "int" in reasons["decoder-4"]
    assert "no_such_driver" in reasons["decoder-5"] and "decoder" in reasons["camera-5"]
    assert "nobody-has-it" in reasons["decoder-6"]
    assert not set(centre.states()) & {device.id for device in wrong}
    secrets_of(room).joinpath("nobody-has-it").write_text("Yealink\n")
    wait_for(lambda: centre.states().get("decoder-6") == "ok", 45, "a secret that comes later is not looked at")

    told = len(centre.events)
    centre.wait_for_config(centre.configure(*wrong))
    wait_for(lambda: "decoder-9" not in centre.states(), 15, "what is not desired any more is still watched")
    assert [event.event for event in centre.events[told:]].count("device_refused") == 0, "it was said already"


def test_a_device_that_acts_is_begun_anew_only_once_it_is_done(
    new_room: Callable[..., RoomUnderTest], centre: SpokenCentre
) -> None:
    room = new_room(SITE)
    known = next(device for device in room.config().devices if device.id == "camera-1")
    wish = DesiredDevice("camera-1", known.role, known.driver, dict(known.settings), poll_s=1.0)  # type: ignore[arg-type]
    room.camera.ignores_reboot = True  # it acts for as long as it may
    start_without(room, "camera-1")
    centre.configure(wish)
    wait_for(lambda: centre.states().get("camera-1") == "ok", 20, "it is not watched")
    wait_for(lambda: not centre.waits(), 20)
    first, second = (msgspec.structs.replace(asked("reboot"), device="camera-1") for _ in range(2))
    centre.send(first)
    wait_for(lambda: [step for step in centre.steps.get(first.id, []) if step.state == "running"], 20)
    centre.wait_for_config(centre.configure(msgspec.structs.replace(wish, poll_s=2.0)))
    centre.send(second)
    assert (centre.ends(second.id).state, centre.ends(second.id).detail) == ("refused", "busy")
    assert centre.ends(first.id, within_s=60).detail == "did_not_go_away"


def test_a_desired_device_never_stands_above_the_rooms_own_file(room: RoomUnderTest, centre: SpokenCentre) -> None:
    wait_for(lambda: centre.states().get("ups-1") == "ok", 20)
    other = DesiredDevice("ups-1", "ups", "ups_nut", {"ups": "room", "host": "192.0.2.1"}, poll_s=1.0)
    probe = DesiredDevice("camera-1", "decoder", "probe", {"host": "127.0.0.1", "port": float(room.ups.port)})
    centre.wait_for_config(centre.configure(other, probe))
    about = centre.about
    assert about is not None
    drivers = {device.id: device.driver for device in about.devices}
    assert (drivers["ups-1"], drivers["camera-1"]) == ("ups_nut", "camera_onvif")
    assert centre.command(asked("beeper.mute")).state == "succeeded", "it is the room's own UPS that is spoken to"
    assert room.ups.executed == ["beeper.mute"] and centre.refused() == {}
    centre.wait_for_config(centre.configure())
    assert {"ups-1", "camera-1"} <= set(centre.states()), "nor does it take one away"


def test_a_changed_wish_is_followed_and_a_lasting_one_outlives_the_agent(
    room: RoomUnderTest, centre: SpokenCentre
) -> None:
    def probe(make: str) -> DesiredDevice:
        settings = {"host": "127.0.0.1", "port": float(room.ups.port), "make": make}
        return DesiredDevice("decoder-9", "decoder", "probe", settings, poll_s=1.0)  # type: ignore[arg-type]

    def make_of() -> str | None:
        devices = centre.about.devices if centre.about is not None else ()
        return next((device.make for device in devices if device.id == "decoder-9"), None)

    centre.configure(probe("One"))
    wait_for(lambda: make_of() == "One", 20)
    centre.configure(probe("Two"))
    wait_for(lambda: make_of() == "Two", 20)
    room.stop()
    before = centre.report
    room.start()
    wait_for(lambda: centre.report is not before and centre.states().get("decoder-9") == "ok", 20)
    assert make_of() == "Two"


def test_a_secret_comes_from_the_rooms_own_folder_and_from_nowhere_else(
    room: RoomUnderTest, centre: SpokenCentre
) -> None:
    wait_for(lambda: centre.states().get("ups-1") == "ok", 20)
    folder = secrets_of(room)
    (folder / "decoder-9").write_text("Kept here\n", encoding="utf-8")
    (folder.parent / "outside").write_text("Not for you", encoding="utf-8")
    here = {"host": "127.0.0.1", "port": float(room.ups.port)}
    agent = room.agent
    assert agent is not None
    centre.configure(DesiredDevice("decoder-9", "decoder", "probe", here | {"make": Secret("decoder-9")}, poll_s=1.0))
    wait_for(lambda: centre.states().get("decoder-9") == "ok", 20)
    wait_for(lambda: centre.about and any(device.make == "Kept here" for device in centre.about.devices), 10)
    for number, name in enumerate(("../outside", "/etc/hostname", "..", ".", "a/../../outside", "", "A")):
        device = DesiredDevice("decoder-8", "decoder", "probe", here | {"make": Secret(name)}, poll_s=1.0)
        centre.configure(device)
        wait_for(lambda number=number: agent.admission.refused.total() == number + 1, 10, f"{name!r} was taken")  # type: ignore[misc]
    assert "decoder-8" not in centre.states() and centre.states()["decoder-9"] == "ok", "what was in force is in force"
    assert "Not for you" not in str(centre.about)


def test_a_room_watches_no_more_devices_than_it_can_tell_of(room: RoomUnderTest, centre: SpokenCentre) -> None:
    own = len(room.devices)
    here = {"host": "127.0.0.1", "port": float(room.ups.port)}
    many = [DesiredDevice(f"decoder-{n}", "decoder", "probe", here, poll_s=3_600.0) for n in range(10, 74)]
    revision = centre.configure(*many)
    wait_for(lambda: len(centre.refused()) == own, 30, "those beyond the last are refused")
    centre.wait_for_config(revision)
    assert centre.about is not None and len(centre.about.devices) == 64


def test_noise_in_the_place_of_a_configuration_changes_nothing(room: RoomUnderTest, centre: SpokenCentre) -> None:
    agent = room.agent
    assert agent is not None
    here = {"host": "127.0.0.1", "port": float(room.ups.port)}
    centre.configure(DesiredDevice("decoder-9", "decoder", "probe", here, poll_s=1.0))
    wait_for(lambda: centre.states().get("decoder-9") == "ok", 20)
    noises = (b"", b"{}", b"\xff" * 100, b"[" * 5_000, b'{"schema": 1, "revision": "x", "interval_s": 15}')
    for number, noise in enumerate(noises):
        centre.say(Told.CONFIG, noise)
        wait_for(lambda number=number: agent.admission.refused.total() == number + 1, 10)  # type: ignore[misc]
    assert centre.states()["decoder-9"] == "ok"
