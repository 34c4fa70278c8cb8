"""The API against its own description, by a client that tries what nobody would."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.spoken_room import SpokenRoom
from tests.counterparts.waiting import wait_for
from wire.ids import uuid7
from wire.messages import EventEntry, LogBatch

EXAMPLES = int(os.environ.get("DIEMCAU_API_EXAMPLES", "12"))
"""Of each operation; `DIEMCAU_API_EXAMPLES=200` looks longer."""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.timeout(900)
def test_no_request_finds_an_answer_that_the_description_does_not_have(
    fleet: FleetUnderTest, mosquitto_port: int
) -> None:
    room = SpokenRoom("38-1", mosquitto_port)
    room.report()
    fleet.wait_until("38-1", verdict="ready")
    schema = schemathesis.openapi.from_url(f"{fleet.address}/api/v1/openapi.json")
    tried = 0
    for found in schema.exclude(path="/api/v1/events").get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
        def try_it(case: schemathesis.Case) -> None:
            case.call_and_validate(base_url=fleet.address, checks=CHECKS, timeout=10, headers=fleet.headers)

        try_it()
        tried += 1
    room.leave()
    assert tried >= 8
    assert fleet.health()["status"] == "ok"


def test_the_description_is_whole(fleet: FleetUnderTest) -> None:
    found = httpx.get(f"{fleet.address}/api/v1/openapi.json", timeout=30).json()
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            assert operation.get("summary") and operation.get("description"), f"{method} {path}"


def test_only_our_own_pages_may_change_things(fleet: FleetUnderTest) -> None:
    body = {"title": "x", "starts_at": "2030-01-01T00:00:00Z", "ends_at": "2030-01-01T01:00:00Z", "sites": ["38-1"]}
    foreign = fleet.client.post("/sessions", json=body, headers={"Origin": "http://evil.example"})
    assert foreign.status_code == 403
    assert fleet.client.get("/health", headers={"Host": "evil.example"}).status_code == 421
    assert fleet.client.post("/sessions", content=b"x" * 300_000).status_code == 413
    assert fleet.client.post("/sessions", json=body, headers={"Origin": fleet.address}).status_code == 201


def test_sessions_that_are_near_are_told_however_many_come_later(fleet: FleetUnderTest) -> None:
    def planned(in_h: float, site: str) -> str:
        starts_at = datetime.now(UTC) + timedelta(hours=in_h)
        times = {"starts_at": starts_at.isoformat(), "ends_at": (starts_at + timedelta(hours=1)).isoformat()}
        answer = fleet.client.post("/sessions", json={"title": "Phiên", "sites": [site], **times})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    soon, cancelled = planned(2, "38-1"), planned(3, "38-2")
    assert fleet.client.post(f"/sessions/{cancelled}/cancellation", json={"reason": "Dời"}).status_code == 200
    for day in range(1, 52):
        planned(24 * day, "38-3")
    near = fleet.client.get("/sessions", params={"within_h": 4}).json()["items"]
    assert [(session["id"], session["sites"]) for session in near] == [(soon, ["38-1"])]
    listed = [session["id"] for session in fleet.client.get("/sessions").json()["items"]]
    assert listed[0] == soon and len(listed) == 53, "what is near comes first, however far others are planned"
    assert listed[-1] == cancelled, "and what will not be comes last"
    page = httpx.get(f"{fleet.address}/sessions", headers=fleet.headers, timeout=30).text
    assert page.index(soon) < page.index(listed[1]) < page.index('id="former"') < page.index(cancelled)


def test_former_sessions_are_paged_and_none_is_left_out(fleet: FleetUnderTest) -> None:
    starts_at = datetime.now(UTC) + timedelta(days=1)
    times = {"starts_at": starts_at.isoformat(), "ends_at": (starts_at + timedelta(hours=1)).isoformat()}
    for _ in range(70):  # all at the same time, as communes hold theirs
        planned = fleet.client.post("/sessions", json={"title": "Phiên", "sites": ["38-1"], **times}).json()["id"]
        assert fleet.client.post(f"/sessions/{planned}/cancellation", json={"reason": "Dời"}).status_code == 200
    first = [session["id"] for session in fleet.client.get("/sessions").json()["items"]]
    rest = [session["id"] for session in fleet.client.get(f"/sessions?before={first[-1]}").json()["items"]]
    assert (len(first), len({*first, *rest})) == (50, 70)
    nobody = fleet.client.get("/sessions?before=00000000-0000-7000-8000-000000000000")
    assert nobody.status_code == 404


def test_which_release_each_room_runs_is_seen_whoever_brought_it(fleet: FleetUnderTest, mosquitto_port: int) -> None:
    """A play as well as the centre: the agent says it as it starts."""
    rooms = [SpokenRoom(site, mosquitto_port) for site in ("38-1", "38-2")]

    def starts(room: SpokenRoom, log_id: str, *versions: Any) -> None:
        now = datetime.now(UTC)
        entries = (
            EventEntry(nr, now, "agent_started", params={"version": version}) for nr, version in enumerate(versions, 1)
        )
        room.say(LogBatch(log_id, tuple(entries), 1))

    starts(rooms[0], uuid7(), "0.1.0", "0.1.1")
    starts(rooms[1], uuid7(), "0.1.0", "<b>0.2</b>", 1.5)
    running = lambda: fleet.client.get("/releases").json()["running"]  # noqa: E731
    wait_for(lambda: running() == {"0.1.1": 1, "0.1.0": 1}, 20, "it is not known")
    page = httpx.get(f"{fleet.address}/releases?lang=en", headers=fleet.headers, timeout=30).text
    assert "What rooms run" in page and "Hàm Rồng" in page
    starts(rooms[1], uuid7(), "0.1.1")
    wait_for(lambda: running() == {"0.1.1": 2}, 20, "a room has another")
    for room in rooms:
        room.leave()


def test_sites_are_filtered_and_paged(fleet: FleetUnderTest) -> None:
    def ids(**query: str) -> list[str]:
        return [site["id"] for site in fleet.client.get("/sites", params=query).json()["items"]]

    assert ids() == ["38-1", "38-2", "38-3", "38-hub"]
    assert ids(kind="hub") == ["38-hub"]
    assert ids(q="hạc") == ["38-2"]
    assert ids(verdict="ready") == []
    first = fleet.client.get("/sites", params={"limit": 3}).json()
    assert first["next"] == "38-3" and ids(cursor=first["next"]) == ["38-hub"]
    assert fleet.client.get("/sites", params={"verdict": "green"}).status_code == 422


def test_a_message_comes_in_the_language_that_is_asked_for(fleet: FleetUnderTest) -> None:
    vi = fleet.client.get("/sites/38-9").json()["detail"]
    en = fleet.client.get("/sites/38-9", headers={"Accept-Language": "en-GB"}).json()["detail"]
    assert vi == "Không có điểm cầu 38-9." and en == "There is no site 38-9."
