"""From `diemcau-server serve` to its first good answer, beside what the libraries that it stands on take to load."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.figure import Figure
from demo.broker import mosquitto, start_mosquitto
from demo.processes import Processes
from device_drivers.loopback import free_port
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.waiting import listening

_TIMES = 7
_LIBRARIES = "import fastapi, uvicorn, sqlalchemy, paho.mqtt.client, jinja2, msgspec, httpx, cryptography.x509"


def measure() -> Iterator[Figure]:
    """The median of some starts, in seconds, each on a database that is there already."""
    program = mosquitto()
    if program is None:
        print("server_start: mosquitto is not on this machine", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory(prefix="dc-") as name:
        folder, processes, port = Path(name), Processes(Path(name)), free_port()
        try:
            start_mosquitto(processes, program, folder / "broker", port)
            listening(port)
            fleet = FleetUnderTest(processes, port, folder / "server")
            starts, loads = [], []
            for _ in range(_TIMES):
                starts.append(_took_s(fleet))
                loads.append(_load_s())
            fleet.close()
        finally:
            processes.end()
    yield Figure("server_start", median(starts), "s", "its libraries alone", median(loads))


def _took_s(fleet: FleetUnderTest) -> float:
    began_s = time.perf_counter()
    fleet.start()
    took_s = time.perf_counter() - began_s
    fleet.kill()
    return took_s


def _load_s() -> float:
    began_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", _LIBRARIES], check=True, timeout=60)
    return time.perf_counter() - began_s
