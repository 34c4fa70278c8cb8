"""Where the province wants it, what is dangerous waits for a second person's yes, and nothing is done before."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from device_drivers.equipment import EquipmentLoop
from tests.counterparts.able_room import AbleRoom
from tests.counterparts.databases import change_in
from tests.counterparts.room import RoomUnderTest
from tests.counterparts.standing import StandingFleet, standing_fleet
from tests.counterparts.waiting import wait_for
from tests.counterparts.web_browser import WebBrowser
from wire.ids import uuid7

REAL, SPOKEN = "38-1", "38-2"
PEOPLE = {
    "an": ("operator",), "binh": ("operator",), "ky-thuat": ("technician", REAL, SPOKEN), "to-chuc": ("organiser",),
    "vi": ("viewer",), "mot": ("operator", REAL),
}  # fmt: skip
NOT_WAITING, SAME = "urn:diemcau:commands.not_waiting", "urn:diemcau:commands.same_person"


class Centre:
    """People of every role before one server, and two rooms: one whose agent is real, one of words."""

    def __init__(self, fleet: StandingFleet) -> None:
        self.fleet = fleet
        self.tokens: dict[str, str] = {}
        self.spoken: AbleRoom

    def people(self, fleet: StandingFleet) -> None:
        self.tokens = {login: fleet.add_user(login, *rights) for login, rights in PEOPLE.items()}

    def ask(self, who: str, site: str, device: str, action: str, **more: Any) -> dict[str, Any]:
        with self.fleet.client_of(self.tokens[who]) as client:
            body = {"action": action, "reason": "Hình đứng yên", **more}
            answer = client.post(f"/sites/{site}/devices/{device}/commands", json=body)
        assert answer.status_code == 202, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def approve(self, who: str, command: str) -> tuple[int, str]:
        with self.fleet.client_of(self.tokens[who]) as client:
            answer = client.post(f"/commands/{command}/approval")
        return answer.status_code, answer.json().get("type", "")

    def look(self, command: str) -> dict[str, Any]:
        found: dict[str, Any] = self.fleet.client.get(f"/commands/{command}").json()
        return found

    def told(self, command: str) -> int:
        """How many copies of a command have come to the room of words."""
        return [each.id for each in self.spoken.told].count(command)

    def wait_for_two_rounds(self) -> None:
        """Until the server has sent something else again, and with it all that it would send."""
        other = self.ask("an", SPOKEN, "display-1", "on")["id"]
        wait_for(lambda: self.told(other) >= 2, 15, "nothing is sent again")


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    made: list[Centre] = []

    def before(fleet: StandingFleet) -> None:
        made.append(Centre(fleet))
        made[0].people(fleet)

    with standing_fleet(tmp_path_factory.mktemp("second"), before, DIEMCAU_SECOND_PERSON="1") as fleet:
        made[0].spoken = AbleRoom(SPOKEN, fleet.broker_port)
        made[0].spoken.report()
        fleet.wait_until(SPOKEN, verdict="ready")
        yield made[0]
        made[0].spoken.leave()


@pytest.fixture(scope="module")
def real(centre: Centre, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoomUnderTest]:
    loop = EquipmentLoop()
    room = RoomUnderTest(REAL, loop, centre.fleet.broker_port, tmp_path_factory.mktemp("rooms"), 1.0)
    room.start()
    try:
        centre.fleet.wait_until(REAL, verdict="ready", within_s=30)
        yield room
    finally:
        room.stop()
        loop.close()


def test_a_dangerous_action_waits_and_is_not_sent(centre: Centre) -> None:
    asked = centre.ask("an", SPOKEN, "camera-1", "reboot")
    assert (asked["state"], asked["approval"], asked["requested_by"]) == ("requested", "", "an")
    centre.wait_for_two_rounds()
    assert centre.told(asked["id"]) == 0
    assert [step["state"] for step in centre.look(asked["id"])["steps"]] == ["requested"]
    left = datetime.fromisoformat(asked["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=8) < left <= timedelta(minutes=10)


def test_neither_the_one_who_asked_nor_whoever_may_not_says_the_second_yes(centre: Centre) -> None:
    asked = centre.ask("an", SPOKEN, "camera-1", "reboot")["id"]
    assert centre.approve("an", asked) == (409, SAME)
    with WebBrowser(centre.fleet.address) as browser:
        browser.sign_in("an")
        assert f"approve-{asked}" not in browser.visit(f"/sites/{SPOKEN}").text
        assert browser.submit(f"/sites/{SPOKEN}/commands/{asked}/approval").status_code == 409
    for who in ("ky-thuat", "to-chuc", "vi"):
        assert centre.approve(who, asked)[0] == 403
    assert centre.approve("mot", asked)[0] == 404, "it is at another site than his"
    assert centre.approve("binh", uuid7())[0] == 404
    now = centre.look(asked)
    assert (now["state"], now["approval"]) == ("requested", "") and centre.told(asked) == 0


def test_once_another_operator_agrees_it_is_done_once(centre: Centre, real: RoomUnderTest) -> None:
    asked = centre.ask("ky-thuat", REAL, "camera-1", "reboot")["id"]
    assert real.camera.reboots == 0
    with WebBrowser(centre.fleet.address) as browser:
        browser.sign_in("binh")
        assert f"approve-{asked}" in browser.visit(f"/sites/{REAL}").text
        assert browser.submit(f"/sites/{REAL}/commands/{asked}/approval").status_code == 303
    ended = centre.fleet.wait_for_command(asked, {"succeeded", "failed", "refused", "expired", "interrupted"})
    assert (ended["state"], ended["approval"], ended["requested_by"]) == ("succeeded", "binh", "ky-thuat")
    assert real.camera.reboots == 1
    for who in ("an", "binh"):
        assert centre.approve(who, asked) == (409, NOT_WAITING)
    later = centre.fleet.command(REAL, "ups-1", "beeper.mute")["id"]
    centre.fleet.wait_for_command(later, {"succeeded"})
    assert real.camera.reboots == 1


def test_of_many_who_agree_at_once_one_is_recorded_and_it_is_sent_as_one(centre: Centre) -> None:
    asked = centre.ask("ky-thuat", SPOKEN, "camera-1", "reboot")["id"]
    answers: list[tuple[str, int]] = []
    people = [
        threading.Thread(target=lambda who=who: answers.append((who, centre.approve(who, asked)[0])))  # type: ignore[misc]
        for who in ("an", "binh", "an", "binh", "an", "binh")
    ]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert sorted(status for _, status in answers) == [202, 409, 409, 409, 409, 409]
    (who,) = {who for who, status in answers if status == 202}
    assert centre.look(asked)["approval"] == who
    wait_for(lambda: centre.told(asked), 5, "it is not sent")
    command = next(each for each in centre.spoken.told if each.id == asked)
    assert command.requested_by == "ky-thuat"
    assert command.expires_at - datetime.now(UTC) <= timedelta(seconds=60)


def test_after_its_time_it_is_expired_and_nobody_can_agree_any_more(centre: Centre) -> None:
    asked = centre.ask("an", SPOKEN, "camera-1", "reboot")["id"]
    past = round((datetime.now(UTC) - timedelta(minutes=1)).timestamp() * 1000)
    late = "UPDATE commands SET expires_at = :past WHERE id = :id"
    assert change_in(centre.fleet.folder, late, past=past, id=asked) == 1
    assert centre.approve("binh", asked) == (409, NOT_WAITING)
    assert centre.fleet.wait_for_command(asked, {"expired"}, 10)["approval"] == ""
    assert centre.approve("binh", asked) == (409, NOT_WAITING) and centre.told(asked) == 0


def test_what_is_harmless_needs_nobody(centre: Centre) -> None:
    asked = centre.ask("ky-thuat", SPOKEN, "display-1", "on")
    assert asked["approval"] is None
    wait_for(lambda: centre.told(asked["id"]), 5, "it is not sent")
    assert centre.approve("binh", asked["id"]) == (409, NOT_WAITING)


def plan_now(centre: Centre, *sites: str) -> None:
    starts_at = datetime.now(UTC) + timedelta(minutes=5)
    times = {"starts_at": starts_at.isoformat(), "ends_at": (starts_at + timedelta(hours=1)).isoformat()}
    answer = centre.fleet.client.post("/sessions", json={"title": "Phiên", "sites": sites, **times})
    assert answer.status_code == 201, answer.text


@pytest.fixture
def third(centre: Centre) -> Iterator[AbleRoom]:
    """A room for what would stand in the way of other tests."""
    room = AbleRoom("38-3", centre.fleet.broker_port)
    room.report()
    centre.fleet.wait_until("38-3", verdict="ready")
    offered = lambda: any(each["id"] == "camera-1" and each["actions"] for each in centre.fleet.site("38-3")["devices"])  # noqa: E731
    wait_for(offered, 10, "it has not said again what it offers")
    yield room
    room.leave()


def test_a_device_that_has_gone_meanwhile_is_no_longer_agreed_to(centre: Centre, third: AbleRoom) -> None:
    asked = centre.ask("an", "38-3", "camera-1", "reboot")["id"]
    third.offer("camera-1")
    third.report()
    wait_for(lambda: all(each["id"] != "camera-1" for each in centre.fleet.site("38-3")["devices"]), 10)
    with centre.fleet.client_of(centre.tokens["binh"]) as client:
        answer = client.post(f"/commands/{asked}/approval")
    assert 400 <= answer.status_code < 500
    assert asked not in [each.id for each in third.told]


def test_a_yes_does_not_reach_into_a_session_that_has_begun_since(centre: Centre, third: AbleRoom) -> None:
    """Nobody has overridden it: when it was asked for, none was live."""
    asked = centre.ask("an", "38-3", "camera-1", "reboot")["id"]
    plan_now(centre, "38-3")
    status, _ = centre.approve("binh", asked)
    assert status == 409
    harmless = centre.ask("an", "38-3", "display-1", "on", override=True)
    assert harmless["approval"] == "", "what touches a live session is dangerous"
    assert centre.approve("binh", harmless["id"])[0] == 202
    wait_for(lambda: harmless["id"] in [each.id for each in third.told], 5, "it is not sent")
    assert asked not in [each.id for each in third.told]
