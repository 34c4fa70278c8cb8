"""A form that the server refuses comes back as it was filled in, with why: nobody types anything twice."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.room import RoomUnderTest
from tests.counterparts.standing import StandingFleet, standing_fleet
from tests.counterparts.web_browser import WebBrowser, form_in

ROUTE = {"name": "Ban đêm", "least": "alarm", "site": "38-1", "check": "answers", "after": "soon", "to": "rota:noc"}
SILENCE = {"reason": "Bảo trì", "site": "38-2", "check": "answers", "begins": "never", "ends": "", "every": "week"}
FORMS = {
    "holidays": ("/holidays", "/holidays", {"act": "add", "name": "Tết", "first": "2027-02-06", "last": "2027-02-02"}),
    "people": ("/people", "/people", {"login": "binh", "name": "Bình", "role": "technician", "sites": "38-99"}),
    "duty": ("/sites/38-1/duty", "", {"name": " ", "phone": "0237 385 2246"}),
    "route": ("/alerts", "/alerts", {"act": "add_route", **ROUTE}),
    "silence": ("/alerts", "/alerts", {"act": "silence", **SILENCE}),
}


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandingFleet]:
    with standing_fleet(tmp_path_factory.mktemp("forms")) as fleet:
        shift = {"begins_at": "2026-01-01T00:00:00Z", "ends_at": "2036-01-01T00:00:00Z"}
        who = fleet.client.post("/alerts/recipients", json={"name": "Trực NOC"})
        assert who.status_code == 201, who.text
        made = fleet.client.post("/alerts/shifts", json={"rota": "noc", "recipient": who.json()["id"], **shift})
        assert made.status_code == 201, made.text
        yield fleet


@pytest.mark.parametrize("name", FORMS)
def test_what_was_typed_stands_in_the_form_again(standing: StandingFleet, name: str) -> None:
    page, action, typed = FORMS[name]
    with WebBrowser(standing.address) as browser:
        browser.sign_in("tests")
        before = form_in(browser.visit(page).text, action, typed.get("act"))
        refused = browser.submit(action or page, **typed)
        assert refused.status_code == 422 and 'role="alert"' in refused.text, refused.text
        after = form_in(refused.text, action, typed.get("act"))
        assert after == before | {field: [value.strip()] for field, value in typed.items() if field != "act"}
        assert form_in(browser.visit(page).text, action, typed.get("act")) == before, "nobody else sees it"


def test_the_reason_of_an_action_that_was_refused_stands_there_again(
    fleet: FleetUnderTest, room: RoomUnderTest
) -> None:
    fleet.wait_until("38-1", verdict="ready")
    begins = datetime.now(UTC) + timedelta(minutes=5)
    soon: dict[str, Any] = {"starts_at": begins.isoformat(), "ends_at": (begins + timedelta(hours=1)).isoformat()}
    assert fleet.client.post("/sessions", json={"title": "Phiên", "sites": ["38-1"], **soon}).status_code == 201
    page = "/sites/38-1/devices/camera-1/actions/go_to_preset"
    with WebBrowser(fleet.address) as browser:
        browser.sign_in("tests")
        form = form_in(browser.visit(page).text, "")
        refused = browser.submit(page, **form | {"param.preset": "citizen", "reason": "Hình bị lệch"})
        assert refused.status_code == 409, refused.text
        again = form_in(refused.text, "")
        assert (again["param.preset"], again["reason"]) == (["citizen"], ["Hình bị lệch"]) and "override" not in again
        assert again["key"] != form["key"]
        assert browser.submit(page, **again | {"override": "1"}).status_code == 303


def test_a_step_for_other_things_does_not_slip_into_a_route(standing: StandingFleet) -> None:
    with WebBrowser(standing.address) as browser:
        browser.sign_in("tests")
        first = {"act": "add_route", **ROUTE, "name": "Camera", "after": "0"}
        assert browser.submit("/alerts", **first).status_code == 303
        other = browser.submit("/alerts", **first | {"site": "38-2", "after": "5"})
        assert other.status_code == 409 and "Camera" in other.text
        assert browser.submit("/alerts", **first | {"site": "", "check": "", "after": "10"}).status_code == 303
        assert browser.submit("/alerts", **first | {"after": "20"}).status_code == 303
    (route,) = (each for each in standing.client.get("/alerts").json()["routes"] if each["name"] == "Camera")
    assert [step["after_min"] for step in route["steps"]] == [0, 10, 20], route
