"""What each driver costs an agent: resident memory with its library, and processor time at one poll every 15 s.

Each driver polls its simulated equipment from a process of its own, 10,000 times or for 20 s; what the process has
grown by in the second half is the third figure.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module

from bench.figure import Figure
from device_drivers import registry
from device_drivers.equipment import EquipmentLoop, SimulatedEquipment

_POLL_S, _POLLS, _LONGEST_S = 15.0, 10_000, 20.0
_ROOM_MB, _ROOM_CPU_PERCENT, _MOST_GROWTH_MB = 60.0, 1.0, 6.0
_CHILD = """
import json, sys, time
sys.modules['httpx'] = sys.modules['dns'] = None
import msgspec, psutil
from importlib import import_module
from device_drivers import registry
from wire.times import SystemClock
told = json.load(sys.stdin)
me = psutil.Process()
before = me.memory_info().rss
kind = registry.driver_class(told['driver'])
own = import_module(f"device_drivers.{told['driver']}.simulator").SIMULATOR() if told['settings'] is None else None
driver = kind(msgspec.convert(own.settings() if own else told['settings'], kind.Settings), SystemClock())
if own:
    driver.neighbour = own.neighbour
for _ in range(20):
    driver.observe()
held = me.memory_info().rss - before
began_s, cpu_s, polls, half = time.monotonic(), time.process_time(), 0, None
while polls < told['polls'] and time.monotonic() - began_s < told['longest_s']:
    driver.observe()
    polls += 1
    if half is None and (polls >= told['polls'] // 2 or time.monotonic() - began_s > told['longest_s'] / 2):
        half = me.memory_info().rss
cpu_s = time.process_time() - cpu_s
print(json.dumps({'held': held, 'cpu_s': cpu_s / polls, 'polls': polls, 'grown': me.memory_info().rss - half}))
"""


def measure() -> Iterator[Figure]:
    """Three figures a driver."""
    loop = EquipmentLoop()
    try:
        for driver in sorted(registry.drivers()):
            equipment: SimulatedEquipment = import_module(f"device_drivers.{driver}.simulator").SIMULATOR()
            loop.run(equipment.plug_in())
            settings = equipment.settings() if equipment.transport != "memory" else None
            told = {"driver": driver, "settings": settings, "polls": _POLLS, "longest_s": _LONGEST_S}
            ran = subprocess.run(
                [sys.executable, "-c", _CHILD], input=json.dumps(told), capture_output=True, text=True, check=True,
                timeout=_LONGEST_S + 60,
            )  # fmt: skip
            found = json.loads(ran.stdout)
            loop.run(equipment.unplug())
            cpu_percent = found["cpu_s"] / _POLL_S * 100
            yield Figure(f"driver_cost.{driver}.memory", found["held"] / 1e6, "MB", "aim of a room", _ROOM_MB)
            yield Figure(f"driver_cost.{driver}.cpu", cpu_percent, "% of a core", "aim of a room", _ROOM_CPU_PERCENT)
            yield Figure(
                f"driver_cost.{driver}.growth", found["grown"] / 1e6, f"MB in {found['polls'] // 2} polls", "most",
                _MOST_GROWTH_MB,
            )  # fmt: skip
    finally:
        loop.close()
