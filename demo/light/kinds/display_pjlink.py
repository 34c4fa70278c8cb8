"""A projector with PJLink."""

import asyncio
from random import Random

from demo.light.device import Kind, LightDevice, Start, actions_of
from demo.models import DISPLAYS
from device_drivers.display_pjlink.description import PARTS
from device_drivers.driver import Identity, Progress
from device_drivers.errors import ActFailed
from wire.fields import Params, Value

_INPUTS = {"11": "RGB1", "31": "HDMI1", "32": "HDMI2", "51": "LAN"}
_RIGHT_INPUT = "31"


def start(chance: Random) -> Start:
    """On, with the PC's picture."""
    make, model = chance.choice(DISPLAYS)
    readings: dict[str, Value] = {
        "power": "on", "input": _RIGHT_INPUT, "input_name": _INPUTS[_RIGHT_INPUT], "input_right": True,
        "picture_muted": False, "sound_muted": False, "lamp_hours": float(chance.randrange(40, 4_000)),
        **{f"{part}_fault": "ok" for part in PARTS},
    }  # fmt: skip
    serial = f"{chance.choice('XVK')}{chance.randrange(10**9):09}"
    actions = actions_of("display_pjlink", "on", "off", "set_input", input=tuple(_INPUTS))
    return Start(Identity(make, model, serial, "1.05"), readings, actions)


async def act(device: LightDevice, action: str, params: Params, progress: Progress) -> Params:
    """Switching takes the time that lamps take; input can be chosen only while it is on."""
    began_s = device.clock.monotonic()
    if action == "set_input":
        if device.readings["power"] != "on":
            raise ActFailed("refused_by_device", said="ERR3")
        chosen = str(params["input"])
        await asyncio.sleep(1.0)
        device.change(input=chosen, input_name=_INPUTS[chosen], input_right=chosen == _RIGHT_INPUT)
    else:
        on_way = "warming" if action == "on" else "cooling"
        progress("handed_over")
        if device.readings["power"] != action:
            device.change(power=on_way)
            progress(on_way)
            await asyncio.sleep(device.chance.uniform(6, 14))
            device.change(power=action)
    return {"took_s": round(device.clock.monotonic() - began_s, 1)}


KIND = Kind("display_pjlink", start, act)
