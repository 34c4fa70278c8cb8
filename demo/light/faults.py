"""What can befall a light room, by the same names as for whole rooms."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from demo.light.room import LightRoom
from wire.fields import Value


class Fault(Struct, frozen=True):
    """`begin` makes it happen, `end` puts it right."""

    begin: Callable[[LightRoom], None]
    end: Callable[[LightRoom], None]


def _readings(device: str, broken: dict[str, Value], well: dict[str, Value]) -> Fault:
    """A device that says something else for as long as the fault lasts."""
    return Fault(
        lambda room: room.devices[device].change(**broken), lambda room: room.devices[device].change(**well)
    )  # fmt: skip


def _lights(room: LightRoom, are_on: bool) -> None:
    brightness = 48.0 if are_on else 4.0
    room.devices["light-1"].change(lit=are_on, brightness=brightness)
    room.devices["camera-1"].change(brightness=brightness)


FAULTS: Mapping[str, Fault] = {
    "mains_lost": _readings(
        "ups-1", {"power_source": "battery", "battery_runtime": 4_500.0, "battery_charge": 88.0, "input_voltage": 0.0},
        {"power_source": "mains", "battery_runtime": 10_800.0, "battery_charge": 96.0, "input_voltage": 226.0},
    ),
    "camera_frozen": Fault(
        lambda room: room.devices["camera-1"].lose("the camera accepts and says nothing"),
        lambda room: room.devices["camera-1"].restore(),
    ),
    "line_down": Fault(lambda room: room.link.cut(True), lambda room: room.link.cut(False)),
    "disk_full": _readings(
        "storage-1", {"space_free": 1.5e9, "recording_hours": 0.8, "space_used": 99.9},
        {"space_free": 1.2e12, "recording_hours": 660.0, "space_used": 70.0},
    ),
    "software_closed": _readings("pc-1", {"conference_running": False}, {"conference_running": True}),
    "mic_muted": _readings(
        "mixer-1", {"mic_muted": True, "muted_channels": "1, 2"}, {"mic_muted": False, "muted_channels": ""}
    ),
    "display_off": _readings("display-1", {"power": "off"}, {"power": "on"}),
    "mic_pulled": _readings(
        "audio-1", {"mic_present": False, "mic_is_default": None, "mic_muted": None, "mic_volume": None},
        {"mic_present": True, "mic_is_default": True, "mic_muted": False, "mic_volume": 70.0},
    ),
    "lights_out": Fault(lambda room: _lights(room, False), lambda room: _lights(room, True)),
    "line_lossy": _readings(
        "line-1", {"loss": 35.0, "latency": 60.0, "jitter": 18.0}, {"loss": 0.0, "latency": 18.0, "jitter": 1.5}
    ),
    "battery_worn": _readings("ups-1", {"replace_battery": True}, {"replace_battery": False}),
    "picture_still": _readings("camera-1", {"frame_unchanged": 90.0}, {"frame_unchanged": 0.0}),
}  # fmt: skip
"""Name -> fault."""
