"""Cameras that udev knows."""

from collections.abc import Iterator

from device_drivers.area import Area
from device_drivers.camera_usb.machine import cameras
from wire.messages import FoundDevice


def discover(area: Area) -> Iterator[FoundDevice]:
    """Every camera of this computer that gives a picture, named by its USB id where it has one."""
    for node, who in cameras():
        usb = who["model"].rpartition("[")[2].rstrip("]") if who["model"].endswith("]") else ""
        settings = {"name": usb} if usb else {"node": node}
        yield FoundDevice("camera_usb", "camera", node, who["make"], who["model"], who["serial"], {**settings})
