"""A decoder with SNMP, on a PoE switch."""

import asyncio
from random import Random

from demo.light.device import Kind, LightDevice, Start, actions_of
from demo.models import DECODERS
from device_drivers.driver import Identity, Progress
from wire.fields import Params, Value


def start(chance: Random) -> Start:
    """A decoder that has been up for a while."""
    make, model, firmware = chance.choice(DECODERS)
    readings: dict[str, Value] = {
        "uptime": float(chance.randrange(3_600, 900_000)), "system_name": "decoder", "links_up": 8.0, "links_down": 0.0,
        "poe_ports_off": 0.0, "power_source": "mains", "battery_charge": 100.0, "battery_runtime": 9600.0,
        "battery_low": False, "replace_battery": False, "load": 22.0, "input_voltage": 228.0, "on_bypass": False,
    }  # fmt: skip
    actions = actions_of("snmp", "cycle_port", port=("1.1", "1.2"))
    return Start(Identity(make, model, f"{chance.randrange(16**10):010X}", firmware), readings, actions)


async def act(device: LightDevice, action: str, params: Params, progress: Progress) -> Params:
    """The port goes off and comes on again."""
    began_s = device.clock.monotonic()
    device.change(poe_ports_off=1.0)
    progress("outlet_off")
    await asyncio.sleep(device.chance.uniform(3, 6))
    device.change(poe_ports_off=0.0)
    return {"took_s": round(device.clock.monotonic() - began_s, 1)}


KIND = Kind("snmp", start, act)
