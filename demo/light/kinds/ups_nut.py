"""A UPS behind upsd."""

import asyncio
from random import Random

from demo.light.device import Kind, LightDevice, Start, Wander
from demo.models import UPSES
from device_drivers.driver import Identity, Progress
from device_drivers.errors import ActFailed
from device_drivers.registry import texts_of, with_labels
from device_drivers.ups_nut.protocol import BEEPER_AFTER, actions_of
from wire.fields import Params, Value

_COMMANDS = (
    "beeper.disable", "beeper.enable", "beeper.mute", "outlet.1.load.cycle", "test.battery.start.quick",
    "test.battery.stop",
)  # fmt: skip


def start(chance: Random) -> Start:
    """On mains, charged."""
    make, model = chance.choice(UPSES)
    readings: dict[str, Value] = {
        "power_source": "mains", "battery_charge": 100.0, "battery_runtime": float(chance.randrange(9_000, 16_000)),
        "battery_low": False, "replace_battery": False, "load": float(chance.randrange(12, 45)),
        "input_voltage": float(chance.randrange(214, 232)), "alarm": "", "beeper": "enabled",
        "battery_test": "No test initiated",
    }  # fmt: skip
    actions = tuple(with_labels(spec, texts_of("ups_nut")) for spec in actions_of(_COMMANDS))
    return Start(Identity(make, model, f"{chance.randrange(10**10):010}", "01.04"), readings, actions)


async def act(device: LightDevice, action: str, params: Params, progress: Progress) -> Params:
    """A battery test is passed or failed by the battery; the other commands answer at once."""
    began_s = device.clock.monotonic()
    if action == "test.battery.start.quick":
        progress("handed_over")
        device.change(battery_test="In progress")
        await asyncio.sleep(8.0)
        if device.readings["replace_battery"]:
            device.change(battery_test="Done and failed")
            raise ActFailed("battery_test_failed", result="Done and failed")
        device.change(battery_test="Done and passed")
        return {"result": "Done and passed"}
    await asyncio.sleep(1.0)
    if action in BEEPER_AFTER:
        device.change(beeper=BEEPER_AFTER[action])
    return {"took_s": round(device.clock.monotonic() - began_s, 1)}


KIND = Kind(
    "ups_nut", start, act,
    {"load": Wander(1, 4, 0), "input_voltage": Wander(1.5, 5, 0), "battery_runtime": Wander(60, 300, 0)},
)  # fmt: skip
