"""The room's PC."""

from random import Random

from demo.light.device import Kind, Start, Wander
from device_drivers.driver import Identity
from wire.fields import Value


def start(chance: Random) -> Start:
    """A desktop in working order."""
    readings: dict[str, Value] = {
        "cpu": float(chance.randrange(4, 40)), "memory": float(chance.randrange(30, 70)),
        "disk_free": float(chance.randrange(120, 800)) * 1e9, "disk_used": float(chance.randrange(15, 60)),
        "temperature": float(chance.randrange(38, 62)), "uptime": float(chance.randrange(3_600, 900_000)),
        "clock_offset": 0.0, "link_up": True, "link_speed": 1000.0, "conference_running": True, "usb_camera": True,
        "usb_audio": True, "external_disk": True,
    }  # fmt: skip
    return Start(Identity("Dell Inc.", "OptiPlex 3090", "", "Windows 10 Pro 19045"), readings)


KIND = Kind(
    "pc", start, wander={
        "cpu": Wander(6, 15), "memory": Wander(1, 6), "temperature": Wander(0.5, 4),
        "clock_offset": Wander(0.05, 0.4, 2),
    },
)  # fmt: skip
