"""Recordings on the whole road: that they stop is known while it matters, and what became of them years later."""

import io
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from demo.processes import Processes
from device_drivers.equipment import EquipmentLoop
from fleet_server.domain.sessions import Session
from fleet_server.store.sessions import add
from tests.counterparts.databases import database_in
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.room import RoomUnderTest
from tests.counterparts.waiting import wait_for
from tests.counterparts.web_browser import WebBrowser
from wire.ids import uuid7

NewRoom = Callable[..., RoomUnderTest]
SITE = "38-1"


def recorded(room: RoomUnderTest, equipment: EquipmentLoop) -> Path:
    """A recorder that has been started, and the file that grows."""
    assert room.recorder is not None
    equipment.run(room.recorder.record(True))
    wait_for(lambda: [path for path in room.recorder.folder.glob("*.mkv") if path.stat().st_size > 0], 5)  # type: ignore[union-attr]
    (found,) = room.recorder.folder.glob("*.mkv")
    return found


def test_that_a_recording_stopped_is_known_to_the_operator_within_ten_seconds(
    fleet: FleetUnderTest, new_room: NewRoom, equipment: EquipmentLoop
) -> None:
    """At the slow poll of a real room: the device itself says that its file stands still."""
    room = new_room(SITE, poll_s=15.0, records=True)
    recorded(room, equipment)
    room.start()
    fleet.wait_until(SITE, verdict="ready")
    fleet.confirm_duty(SITE)
    now = datetime.now(UTC)
    times = {"starts_at": now.isoformat(), "ends_at": (now + timedelta(hours=1)).isoformat()}
    session = fleet.client.post("/sessions", json={"title": "Phiên", "sites": [SITE], **times}).json()["id"]
    decided = fleet.client.post(
        f"/sessions/{session}/decision", json={"decision": "go"}, headers={"Accept-Language": "en"}, timeout=20
    )
    assert decided.status_code == 200, decided.text

    def setbacks() -> list[dict[str, Any]]:
        items = fleet.client.get(f"/sessions/{session}/setbacks").json()["items"]
        return [item for item in items if item["check"] == "recording_runs"]

    assert room.recorder is not None and not setbacks()
    room.recorder.stalls = True
    stalled_s = time.monotonic()
    wait_for(setbacks, 15, "nobody was told")
    print(f"told after {time.monotonic() - stalled_s:.1f} s")
    assert time.monotonic() - stalled_s < 10
    room.recorder.stalls = False
    wait_for(lambda: setbacks()[0]["cleared_at"], 30, "that it goes on is told too")


@pytest.fixture
def over(processes: Processes, mosquitto_port: int, tmp_path: Path) -> tuple[FleetUnderTest, Session]:
    """A server, not yet started, whose session ended five minutes ago."""
    fleet = FleetUnderTest(processes, mosquitto_port, tmp_path / "server")
    now = datetime.now(UTC).replace(microsecond=0)
    session = Session(
        uuid7(), "Tiếp công dân", "periodic", "", now - timedelta(hours=1), now - timedelta(minutes=5),
        (SITE, "38-2"), now - timedelta(days=1),
    )  # fmt: skip
    database = database_in(fleet.folder)
    database.write_now(lambda db: add(db, session))
    database.close()
    return fleet, session


@pytest.mark.timeout(180)
def test_a_room_lists_what_it_recorded_and_says_later_whether_it_is_still_there(
    over: tuple[FleetUnderTest, Session], new_room: NewRoom, equipment: EquipmentLoop
) -> None:
    fleet, session = over
    room = new_room(SITE, records=True)
    file = recorded(room, equipment)
    room.start()
    fleet.start()
    path = f"/sessions/{session.id}/recordings"

    def of_room() -> Any:
        items = fleet.client.get(path).json()["items"]
        return items[0] if items else None

    wait_for(lambda: fleet.client.get(f"/sites/{SITE}").json()["verdict"] != "offline", 20)
    assert fleet.client.post(path).json()["type"] == "urn:diemcau:recordings.none_sealed"
    equipment.run(room.recorder.record(False))  # type: ignore[union-attr]
    wait_for(lambda: (of_room() or {}).get("state") == "sealed", 60, "the room did not list its recordings")
    found = of_room()
    digest = sha256(file.read_bytes()).hexdigest()
    assert found["files"] == [{"name": file.name, "bytes": file.stat().st_size, "sha256": digest}]
    kept = (file.parent / ".diemcau-manifests" / found["manifest"]).read_bytes()
    assert found["sha256"] == sha256(kept).hexdigest()
    sheets = load_workbook(io.BytesIO(fleet.client.get(f"/sessions/{session.id}/minute.xlsx").content))
    assert any(digest in [cell.value for cell in row] for sheet in sheets for row in sheet.rows)

    fleet.kill()  # what was listed is listed once, whatever happens to the server
    fleet.start()
    assert fleet.client.post(path).status_code in (202, 409)
    wait_for(lambda: fleet.client.post(path).status_code == 202, 30, "the room cannot be asked")
    wait_for(lambda: (of_room()["verified"] or {}).get("state") == "unchanged", 30)
    assert of_room()["manifest"] == found["manifest"]

    file.write_bytes(b"?" + file.read_bytes()[1:])

    def changed() -> bool:
        fleet.client.post(path)
        return bool((of_room()["verified"] or {}).get("state") == "changed")

    wait_for(changed, 40, "a changed recording was not noticed")
    assert of_room()["verified"]["detail"] == "recordings_differ"
    with WebBrowser(fleet.address) as browser:
        browser.sign_in("tests")
        page = browser.visit(f"/sessions/{session.id}/recordings?lang=vi").text
    assert "KHÔNG còn nguyên vẹn" in page and digest in page and "Phường Hạc Thành" in page
    forged = kept.replace(digest.encode(), sha256(file.read_bytes()).hexdigest().encode())
    (file.parent / ".diemcau-manifests" / found["manifest"]).write_bytes(forged)

    def forged_list() -> bool:
        fleet.client.post(path)
        return bool((of_room()["verified"] or {}).get("detail") == "list_differs")

    wait_for(forged_list, 40, "whoever changes the list too is found out by what the centre keeps")
    assert of_room()["verified"]["state"] == "changed"
