"""A network mixer of the X32 family."""

import asyncio
from random import Random

from demo.light.device import Kind, LightDevice, Start, Wander, actions_of
from device_drivers.driver import Identity, Progress
from wire.fields import Params, Value

_CHANNELS = ("1", "2")
_TARGETS = ("main", *_CHANNELS)
_FAMILIES = (("Behringer", "X32", "4.06"), ("Behringer", "XR18", "1.17"))


def start(chance: Random) -> Start:
    """Everything open."""
    make, model, firmware = chance.choice(_FAMILIES)
    readings: dict[str, Value] = {
        "main_muted": False, "main_fader": 0.0, "mic_muted": False, "mic_fader": 0.0, "muted_channels": "",
        "input_level": -26.0, "scene": 3,
    }  # fmt: skip
    actions = actions_of("mixer_osc", "mute", "unmute", "set_fader", "recall_scene", target=_TARGETS)
    return Start(Identity(make, model, "", firmware), readings, actions)


async def act(device: LightDevice, action: str, params: Params, progress: Progress) -> Params:
    """What was set is read back, as the mixer itself confirms nothing."""
    began_s = device.clock.monotonic()
    progress("handed_over")
    await asyncio.sleep(device.chance.uniform(0.1, 0.4))
    target = str(params.get("target", ""))
    if action == "recall_scene":
        device.change(scene=int(float(str(params["scene"]))))
    elif action == "set_fader":
        device.change(**{"main_fader" if target == "main" else "mic_fader": float(str(params["level"]))})
    elif target == "main":
        device.change(main_muted=action == "mute")
    else:
        muted = {*filter(None, str(device.readings["muted_channels"]).split(", "))}
        muted = muted | {target} if action == "mute" else muted - {target}
        device.change(mic_muted=muted >= set(_CHANNELS), muted_channels=", ".join(sorted(muted)))
    return {"took_s": round(device.clock.monotonic() - began_s, 1)}


KIND = Kind("mixer_osc", start, act, {"input_level": Wander(3, 8)})
