"""Light rooms: to the server they are rooms like any other."""

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from demo.broker import mosquitto
from demo.identities import BrokerAddress, issue_identities
from demo.light.faults import FAULTS
from demo.light.kinds import kinds
from demo.light.room import DEVICES
from demo.room import SimulatedRoom
from device_drivers.driver import Observation, Sighting
from device_drivers.equipment import EquipmentLoop
from edge_agent.worker import driver_of
from tests.conftest import need
from tests.counterparts.databases import database_in
from tests.counterparts.forked import ForkingProcesses
from tests.counterparts.guarded import GuardedFleet, rows_of
from tests.counterparts.waiting import wait_for
from wire.description import ActionSpec
from wire.times import SystemClock

_SITES = [f"l-{number}" for number in range(1, 9)]


def shape_of(actions: tuple[ActionSpec, ...]) -> dict[str, list[str]]:
    """Actions and the names of their parameters."""
    return {spec.action: [param.name for param in spec.params] for spec in actions}


def test_a_light_room_has_the_devices_readings_and_actions_of_a_whole_one(
    equipment: EquipmentLoop, tmp_path: Path
) -> None:
    room = SimulatedRoom("38-1", 1, tmp_path, web_port=1)
    equipment.run(room.plug_in())
    assert [(device.id, device.role, device.driver) for device in room.devices] == list(DEVICES)
    seen: dict[str, Observation] = {}

    def neighbour(device: str, key: str) -> Sighting | None:
        return Sighting(seen[device].readings[key], seen[device].seen_s) if device in seen else None

    for device in room.config().devices:
        driver = driver_of(device, SystemClock())
        driver.neighbour = neighbour
        seen[device.id] = driver.observe()
        light = kinds()[device.driver].start(Random(1))
        assert set(light.readings) == set(seen[device.id].readings), device.id
        assert shape_of(light.actions) == shape_of(seen[device.id].actions), device.id


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GuardedFleet, ForkingProcesses, Path]]:
    """A server behind TLS whose sites have machines with identities already."""
    need(mosquitto(), "mosquitto")
    folder = tmp_path_factory.mktemp("light")
    processes = ForkingProcesses(folder)
    fleet = GuardedFleet(processes, folder / "server", rows_of(_SITES))
    broker = BrokerAddress("127.0.0.1", fleet.outer_port, True)
    with closing(database_in(fleet.folder)) as database:
        keys = fleet.folder / "keys"
        issue_identities(
            _SITES, folder / "rooms", database, fleet.folder / "authority", keys, broker, SystemClock()
        )  # fmt: skip
    try:
        fleet.start()
        yield fleet, processes, folder
    finally:
        fleet.close()
        processes.end()


def test_light_rooms_report_obey_fail_and_recover_on_the_real_wire(
    centre: tuple[GuardedFleet, ForkingProcesses, Path],
) -> None:
    fleet, processes, folder = centre
    (folder / "light.json").write_text(json.dumps(_SITES))
    told = ["--folder", str(folder / "rooms"), "--centre", fleet.address, "--sites", str(folder / "light.json")]
    rooms = processes.start("light", [sys.executable, "-m", "demo.light", *told], talk=True)
    assert rooms.stdin is not None

    def order(**what: object) -> None:
        rooms.stdin.write(json.dumps(what).encode() + b"\n")
        rooms.stdin.flush()

    order(site=_SITES[0], start=True)
    for site in _SITES:
        fleet.wait_until(site, verdict="ready")

    row = fleet.command(_SITES[0], "mixer-1", "mute", params={"target": "main"}, reason="trying it out")
    assert fleet.wait_for_command(row["id"], {"succeeded", "failed", "refused"})["state"] == "succeeded"
    assert fleet.wait_until(_SITES[0], verdict="not_ready")
    again = fleet.command(_SITES[0], "mixer-1", "unmute", params={"target": "main"})
    assert fleet.wait_for_command(again["id"], {"succeeded", "failed", "refused"})["state"] == "succeeded"
    fleet.wait_until(_SITES[0], verdict="ready")

    reboot = fleet.command(_SITES[1], "camera-1", "reboot", reason="trying it out")
    order(site=_SITES[2], fault="mains_lost", on=True)
    order(site=_SITES[3], fault="line_down", on=True)
    order(site=_SITES[4], fault="camera_frozen", on=True)
    fleet.wait_until(_SITES[2], verdict="not_ready")
    fleet.wait_until(_SITES[4], verdict="not_ready")
    assert fleet.wait_for_command(reboot["id"], {"succeeded", "failed", "refused"})["state"] == "succeeded"
    fleet.wait_until(_SITES[1], verdict="ready")
    fleet.wait_until(_SITES[3], verdict="offline", within_s=120)

    test = fleet.client.post("/line-tests", json={"sites": [_SITES[5]]}).json()["items"][0]
    for number, fault in ((2, "mains_lost"), (3, "line_down"), (4, "camera_frozen")):
        order(site=_SITES[number], fault=fault, on=False)
        fleet.wait_until(_SITES[number], verdict="ready", within_s=120)

    def measured() -> dict[str, Any] | None:
        found: dict[str, Any] = fleet.client.get(f"/line-tests/{test['id']}").json()
        return found if found["state"] in ("done", "failed", "cut") else None

    found = wait_for(measured, 120, "the line is not measured")
    assert found is not None and found["state"] == "done" and 0 < found["up_mbit_s"] <= 6.5
    fleet.wait_until(_SITES[5], verdict="ready")

    assert fleet.broker is not None
    fleet.broker.kill()
    fleet.broker.wait()
    processes.forget(fleet.broker)
    killed_at = datetime.now(UTC).isoformat()
    fleet.start_broker()
    for site in _SITES:
        wait_for(lambda site=site: fleet.site(site)["reported_at"] > killed_at, 120, f"{site} is not back")  # type: ignore[misc]

    rooms.terminate()
    assert rooms.wait(30) == 0
    for site in _SITES:
        fleet.wait_until(site, verdict="offline")


def test_light_faults_have_the_names_of_those_of_whole_rooms() -> None:
    from demo.faults import FAULTS as OF_WHOLE

    assert set(FAULTS) == set(OF_WHOLE)
