"""Resident memory of an agent with its three drivers polling, with and without the camera, and its share of a core.

A room has the packages of the extras `agent`, `camera` and `ups`. What only a server or a developer has, and a library
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
from demo.processes import Processes, free_port
from demo.room_toml import room_toml
from device_drivers.camera_onvif.simulator import SimulatedCamera
from device_drivers.equipment import EquipmentLoop
from device_drivers.ups_nut.simulator import SimulatedUps
from edge_agent.config import BrokerConfig, DeviceConfig, RoomConfig
from tests.counterparts.waiting import listening

_WARM_S, _MINUTE_S = 30, 60
_AIMS_MB = {"without_camera": 40, "with_camera": 60}
_CPU_AIM_PERCENT = 1
_AGENT_OF_A_ROOM = "import sys; sys.modules['httpx'] = None; from edge_agent.cli import main; sys.exit(main())"
"""zeep imports httpx, 6 MB, where it is installed."""


def measure() -> Iterator[Figure]:
    """Two agents beside each other, as they are delivered, polling every 15 s."""
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
    ups, camera = SimulatedUps(), SimulatedCamera()
    equipment.run(ups.plug_in())
    equipment.run(camera.plug_in())
    agents = {}
    for name in _AIMS_MB:
        devices = [
            DeviceConfig("pc-1", "pc", "pc", settings={"processes": ["python"]}),
            DeviceConfig("ups-1", "ups", "ups_nut", settings=ups.settings()),
        ]
        if name == "with_camera":
            devices.append(DeviceConfig("camera-1", "camera", "camera_onvif", settings=camera.settings()))
        site, broker = name.replace("_", "-"), BrokerConfig("127.0.0.1", port)
        config = folder / f"{name}.toml"
        config.write_text(room_toml(RoomConfig(site, str(folder / name), broker, tuple(devices))))
        command = [sys.executable, "-c", _AGENT_OF_A_ROOM, "run", "--config", str(config)]
        agents[name] = psutil.Process(processes.start(name, command).pid)
    pause = threading.Event()
    pause.wait(_WARM_S)
    before_s = sum(agents["with_camera"].cpu_times()[:2])
    pause.wait(_MINUTE_S)
    cpu_percent = (sum(agents["with_camera"].cpu_times()[:2]) - before_s) / _MINUTE_S * 100
    for name, agent in agents.items():
        yield Figure(f"agent_memory.{name}", agent.memory_info().rss / 1e6, "MB", "aim", _AIMS_MB[name])
    yield Figure("agent_memory.cpu", cpu_percent, "% of a core", "aim", _CPU_AIM_PERCENT)
