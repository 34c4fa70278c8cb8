"""Resident memory of an agent with its drivers polling and its share of a core: PC and UPS, with a camera, a full room.

A room has the packages of the extras that its equipment needs. What only a server or a developer has, and a library
of a room would take along where it finds it, is hidden from the agents.
"""

import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.figure import Figure
from demo.broker import start_any
from demo.processes import Processes
from demo.room import SimulatedRoom
from demo.room_toml import room_toml
from device_drivers.camera_usb.simulator import SimulatedUsbCamera
from device_drivers.equipment import EquipmentLoop
from device_drivers.loopback import free_port
from edge_agent.config import DeviceConfig, RoomConfig
from tests.counterparts.identity import give_identity
from tests.counterparts.waiting import listening

_WARM_S, _MINUTE_S = 30, 60
_POLL_S, _FULL = 15.0, 12
_AIMS_MB = {"without_camera": 40, "with_camera": 60, "full_room": 60}
"""A full room: ten groups, twelve devices."""
_CPU_AIM_PERCENT = 1
_AGENT_OF_A_ROOM = (
    "import sys; sys.modules['httpx'] = sys.modules['dns'] = None; from edge_agent.cli import main; sys.exit(main())"
)
"""zeep imports httpx, 6 MB, and paho imports dnspython, 3 MB, where they are installed."""


def measure() -> Iterator[Figure]:
    """Three agents beside each other, as they are delivered, polling every 15 s."""
    with tempfile.TemporaryDirectory(prefix="dc-") as name:
        folder, processes, equipment = Path(name), Processes(Path(name)), EquipmentLoop()
        try:
            yield from _measure(folder, processes, equipment)
        finally:
            processes.end()
            equipment.close()


def _measure(folder: Path, processes: Processes, equipment: EquipmentLoop) -> Iterator[Figure]:
    port = free_port()
    start_any(processes, folder / "broker", port)
    listening(port)
    room = SimulatedRoom("full-room", port, folder, poll_s=_POLL_S)
    second = SimulatedUsbCamera()
    equipment.run(room.plug_in())
    equipment.run(second.plug_in())
    full = room.config(on_wires_only=True)
    usb = DeviceConfig("camera-2", "camera", "camera_usb", _POLL_S, settings=second.settings())
    pins = {"name": "lamps", "pin": 16, "at_rest": "on"}
    relay = DeviceConfig(
        "relay-1", "relay", "relay_gpio", _POLL_S, settings={"board": {"pins": "mock"}, "outputs": [pins]}
    )
    devices = (*full.devices, usb, relay)
    assert len(devices) == _FULL and len({device.role for device in devices}) == _FULL - 1
    small = {"with_camera": ("pc-1", "ups-1", "camera-1"), "without_camera": ("pc-1", "ups-1")}
    agents = {}
    for name in _AIMS_MB:
        chosen = tuple(device for device in devices if name not in small or device.id in small[name])
        config = folder / f"{name}.toml"
        config.write_text(room_toml(RoomConfig(str(folder / name), chosen)))
        give_identity(folder / name, name.replace("_", "-"), port)
        command = [sys.executable, "-c", _AGENT_OF_A_ROOM, "run", "--config", str(config)]
        agents[name] = psutil.Process(processes.start(name, command).pid)
    pause = threading.Event()
    pause.wait(_WARM_S)
    before_s = sum(agents["full_room"].cpu_times()[:2])
    pause.wait(_MINUTE_S)
    cpu_percent = (sum(agents["full_room"].cpu_times()[:2]) - before_s) / _MINUTE_S * 100
    for name, agent in agents.items():
        yield Figure(f"agent_memory.{name}", agent.memory_info().rss / 1e6, "MB", "aim", _AIMS_MB[name])
    yield Figure("agent_memory.cpu", cpu_percent, "% of a core", "aim", _CPU_AIM_PERCENT)
