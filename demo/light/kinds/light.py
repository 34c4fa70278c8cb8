"""The room's lamps, with a sensor and a relay."""

import asyncio
from random import Random

from demo.light.device import Kind, LightDevice, Start, Wander, actions_of
from demo.models import LAMPS
from device_drivers.driver import Identity, Progress
from wire.fields import Params, Value


def start(chance: Random) -> Start:
    """Lit."""
    make, model = chance.choice(LAMPS)
    readings: dict[str, Value] = {
        "brightness": round(chance.uniform(42, 58), 1), "lit": True, "switched_on": True
    }  # fmt: skip
    return Start(Identity(make, model), readings, actions_of("light", "switch_on", "switch_off"))


async def act(device: LightDevice, action: str, params: Params, progress: Progress) -> Params:
    """The camera of the room sees the difference too."""
    began_s, is_on = device.clock.monotonic(), action == "switch_on"
    progress("handed_over")
    await asyncio.sleep(0.3)
    device.change(switched_on=is_on, lit=is_on, brightness=48.0 if is_on else 4.0)
    if (camera := device.others().get("camera-1")) is not None:
        camera.change(brightness=48.0 if is_on else 4.0)
    return {"took_s": round(device.clock.monotonic() - began_s, 1)}


KIND = Kind("light", start, act, {"brightness": Wander(0.6, 4)})
