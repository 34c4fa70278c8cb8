"""The disk that recordings go to."""

from random import Random

from demo.light.device import Kind, Start, Wander
from device_drivers.driver import Identity
from wire.fields import Value

_BYTES_AN_HOUR = 4.0 * 1e6 / 8 * 3600
"""Of a recording of 4 Mbit/s."""


def start(chance: Random) -> Start:
    """A disk with space for months."""
    free = float(chance.randrange(400, 3_600)) * 1e9
    readings: dict[str, Value] = {
        "writable": True, "space_free": free, "space_used": round(100 - free / 4e10, 1),
        "recording_hours": round(free / _BYTES_AN_HOUR), "recording_still": 2400.0, "recording_grows": False,
        "recordings": float(chance.randrange(20, 120)), "smart_healthy": True,
        "disk_temperature": float(chance.randrange(31, 46)), "disk_hours": float(chance.randrange(300, 20_000)),
    }  # fmt: skip
    serial = f"WD-WX{chance.randrange(10**9):09}"
    return Start(Identity("Western Digital Purple", "WDC WD40PURZ-85A", serial, "80.00A80"), readings)


KIND = Kind("storage", start, wander={"disk_temperature": Wander(0.4, 3)})
