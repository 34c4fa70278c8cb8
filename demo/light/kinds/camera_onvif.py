"""An ONVIF camera."""

import asyncio
from random import Random

from demo.light.device import Kind, LightDevice, Start, Wander, actions_of
from demo.models import CAMERAS
from device_drivers.driver import GONE, Identity, Progress
from device_drivers.errors import ActFailed
from wire.fields import Params, Value

_PRESETS = ("chair", "citizen")


def start(chance: Random) -> Start:
    """A camera that shows a lit room."""
    make, model, firmware = chance.choice(CAMERAS)
    readings: dict[str, Value] = {
        "clock_skew": round(chance.uniform(-1, 1), 1), "profiles": 1, "width": 1920.0, "height": 1080.0,
        "stream": "rtsp://192.0.2.10:554/main", "ntp_server": "pool.ntp.org", "frame": True,
        "brightness": round(chance.uniform(42, 58), 1), "contrast": round(chance.uniform(38, 48), 1),
        "frame_unchanged": 0.0,
    }  # fmt: skip
    actions = actions_of(
        "camera_onvif", "reboot", "go_to_preset", "set_ntp", "upgrade_firmware", preset=_PRESETS
    )  # fmt: skip
    return Start(Identity(make, model, f"{chance.randrange(16**8):08X}", firmware), readings, actions)


async def act(device: LightDevice, action: str, params: Params, progress: Progress) -> Params:
    """A reboot takes the camera away and brings it back, also out of a freeze."""
    began_s = device.clock.monotonic()
    if action == "reboot":
        progress("asked")
        await asyncio.sleep(device.chance.uniform(1.0, 3.0))
        progress(GONE, after_s=round(device.clock.monotonic() - began_s, 1))
        gone_s = device.clock.monotonic()
        await asyncio.sleep(device.chance.uniform(12, 25))
        device.restore()
        device.change(frame_unchanged=0.0)
        away_s = round(device.clock.monotonic() - gone_s, 1)
        progress("back", away_s=away_s)
        return {"away_s": away_s}
    if action == "upgrade_firmware":
        raise ActFailed("image_not_here")
    await asyncio.sleep(device.chance.uniform(0.5, 2.0))
    if action == "set_ntp":
        device.change(ntp_server=str(params["server"]))
    return {"took_s": round(device.clock.monotonic() - began_s, 1)}


KIND = Kind(
    "camera_onvif", start, act,
    wander={"brightness": Wander(0.6, 4), "contrast": Wander(0.5, 3), "clock_skew": Wander(0.1, 0.5)},
)  # fmt: skip
