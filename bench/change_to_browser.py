"""From a device's change to the event stream of a browser, while 167 rooms report every 15 s.

The clock starts when the equipment changes and its device is looked at, so that it holds the whole road and not the
device's own polling interval.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from bench.figure import Figure, percentile
from demo.broker import start_any
from demo.processes import Processes
from device_drivers.equipment import EquipmentLoop
from device_drivers.loopback import free_port
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.identity import give_identity
from tests.counterparts.room import RoomUnderTest
from tests.counterparts.waiting import listening, wait_for

_ROOMS, _HOSTS, _CHANGES = 166, 5, 80
_SPACING_S = 1.15
"""A room reports at most once a second."""
_AIM_MS = 150


def measure() -> Iterator[Figure]:
    """Cut and restore the mains of one room again and again."""
    with tempfile.TemporaryDirectory(prefix="dc-") as name:
        folder, processes, equipment = Path(name), Processes(Path(name)), EquipmentLoop()
        try:
            took_ms = _measure(folder, processes, equipment)
        finally:
            processes.end()
            equipment.close()
    for share, label in ((0.5, "p50"), (0.99, "p99")):
        yield Figure(f"change_to_browser.{label}", percentile(took_ms, share), "ms", "aim", _AIM_MS)


def _measure(folder: Path, processes: Processes, equipment: EquipmentLoop) -> list[float]:
    port = free_port()
    start_any(processes, folder / "broker", port)
    listening(port)
    sites = [f"s-{number}" for number in range(_ROOMS)]
    rows = "".join(f"{site},,Site,commune,38-hub,19,105,5,5\n" for site in sites)
    fleet = FleetUnderTest(processes, port, folder / "server", rows)
    fleet.start()
    for site in sites:
        give_identity(folder / "rooms" / site, site, port)
    for number in range(_HOSTS):
        command = [
            sys.executable, "-m", "demo.rooms", "--broker-port", str(port), "--web-port", str(fleet.port),
            "--folder", str(folder / "rooms"),
        ]  # fmt: skip
        processes.start(f"rooms-{number}", [*command, *sites[number::_HOSTS]], talk=True)
    room = RoomUnderTest("38-1", equipment, port, folder / "rooms", 15.0)
    room.start()
    try:
        wait_for(lambda: len(fleet.client.get("/sites?verdict=ready&limit=1000").json()["items"]) > _ROOMS, 90)
        return _changes(fleet, room)
    finally:
        room.stop()
        fleet.close()


def _changes(fleet: FleetUnderTest, room: RoomUnderTest) -> list[float]:
    arrived: list[float] = []
    heard = threading.Event()
    stop = threading.Event()

    def listen() -> None:
        with httpx.stream("GET", f"{fleet.address}/api/v1/events", timeout=30, headers=fleet.headers) as answer:
            for line in answer.iter_lines():
                if line.startswith("data:") and '"38-1"' in line and '"verdict"' in line:
                    arrived.append(time.perf_counter())
                    heard.set()
                if stop.is_set():
                    return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    assert room.agent is not None
    worker, pause = room.agent.devices.workers["ups-1"], threading.Event()
    took_ms = []
    for number in range(_CHANGES + 3):
        pause.wait(_SPACING_S)
        heard.clear()
        began_s = time.perf_counter()
        if number % 2:
            room.ups.restore_mains()
        else:
            room.ups.cut_mains(300)
        worker.poke()
        if heard.wait(10):
            took_ms.append((arrived[-1] - began_s) * 1000)
    stop.set()
    return took_ms[3:]  # the first ones find caches cold
