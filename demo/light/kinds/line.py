"""The line to the centre. Its bandwidth is measured by real streams; the narrower of line and measurement counts."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from random import Random

from demo.light.device import Kind, LightDevice, Start, Wander, actions_of
from demo.models import LINES
from device_drivers.driver import Identity, Progress
from device_drivers.errors import ActFailed, DriverError
from device_drivers.line.stream import Centre, Rate
from wire.fields import Params, Value

_MEASURING = ThreadPoolExecutor(4, thread_name_prefix="line-test")
"""The centre admits a few tests at a time."""


def start(chance: Random) -> Start:
    """A line as its contract says; how wide it is nobody has measured yet."""
    provider, contract = chance.choice(LINES)
    readings: dict[str, Value] = {
        "latency": round(chance.uniform(6, 45), 1), "jitter": round(chance.uniform(0.5, 4), 1), "loss": 0.0,
        "bandwidth_down": None, "bandwidth_up": None, "bandwidth_method": None,
    }  # fmt: skip
    return Start(Identity(provider, contract), readings, actions_of("line", "measure_bandwidth"))


async def act(device: LightDevice, action: str, params: Params, progress: Progress) -> Params:
    """Receive bytes, then send bytes, with the centre's ticket."""
    loop = asyncio.get_running_loop()
    try:
        centre = Centre(str(device.device.settings["url"]), None, str(params["ticket"]))
        down = await loop.run_in_executor(_MEASURING, centre.take)
        progress("measured_down", mbit_s=down.mbit_s, took_s=down.took_s)
        up = await loop.run_in_executor(_MEASURING, centre.bring)
    except DriverError as error:
        raise ActFailed("not_answering", detail=str(error)[:200]) from error
    progress("measured_up", mbit_s=up.mbit_s, took_s=up.took_s)
    found: Params = {"down_mbit_s": _narrower(device, down), "up_mbit_s": _narrower(device, up)}
    device.measured(
        bandwidth_down=found["down_mbit_s"], bandwidth_up=found["up_mbit_s"], bandwidth_method="tcp_1"
    )  # fmt: skip
    return {**found, "down_s": down.took_s, "up_s": up.took_s, "method": "tcp_1"}


def _narrower(device: LightDevice, measured: Rate) -> float:
    line_mbit_s = float(device.device.settings["mbit_s"]) * device.chance.uniform(0.95, 1.0)
    return round(min(measured.mbit_s, line_mbit_s), 2)


KIND = Kind("line", start, act, {"latency": Wander(1.5, 8), "jitter": Wander(0.3, 1.5)})
