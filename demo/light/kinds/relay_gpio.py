"""Four relays that feed the room's devices, and contacts."""

import asyncio
from random import Random

from demo.light.device import Kind, LightDevice, Start, actions_of
from device_drivers.driver import Identity, Progress
from device_drivers.relay_gpio.description import INPUTS, OUTPUTS
from wire.fields import Params, Value

_FEEDS = {"mixer": "mixer-1", "camera": "camera-1", "display": "display-1", "lights": "light-1"}
_PAUSE_S = 0.5


def start(chance: Random) -> Start:
    """Every output on, every contact at rest."""
    readings: dict[str, Value] = {**dict.fromkeys(OUTPUTS, True), **dict.fromkeys(INPUTS, False)}
    actions = actions_of("relay_gpio", "power_cycle", "power_on", "power_off", output=tuple(_FEEDS))
    return Start(Identity("gpiozero", "mock"), readings, actions)


async def act(device: LightDevice, action: str, params: Params, progress: Progress) -> Params:
    """What hangs on the output goes with its power, and needs its time to be back."""
    began_s, name = device.clock.monotonic(), str(params["output"])
    output, load = OUTPUTS[tuple(_FEEDS).index(name)], device.others().get(_FEEDS[name])
    if action != "power_on":
        device.change(**{output: False})
        if load is not None:
            load.lose("its power is off")
    if action == "power_cycle":
        progress("outlet_off")
        await asyncio.sleep(_PAUSE_S)
    if action != "power_off":
        device.change(**{output: True})
        if load is not None:
            progress("waiting_for_fed", devices=load.device.id)
            await asyncio.sleep(device.chance.uniform(4, 9))
            load.restore()
    took_s = round(device.clock.monotonic() - began_s, 1)
    return {"took_s": took_s, "back_after_s": took_s} if action == "power_cycle" else {"took_s": took_s}


KIND = Kind("relay_gpio", start, act)
