"""Disks on USB with a file system that is mounted."""

from collections.abc import Iterator
from pathlib import Path

import psutil

from device_drivers.area import Area
from wire.messages import FoundDevice

try:
    import pyudev
except ImportError:  # no libudev on this machine
    pyudev = None


def discover(area: Area) -> Iterator[FoundDevice]:
    """Each external disk at its mount point."""
    if pyudev is None:
        return
    udev = pyudev.Context()
    for partition in psutil.disk_partitions():
        try:
            device = pyudev.Devices.from_device_file(udev, partition.device)
        except (pyudev.DeviceNotFoundError, OSError, ValueError):
            continue
        if device.find_parent("usb") is None and device.properties.get("ID_BUS") != "usb":
            continue
        told = device.properties
        disk = told.get("DEVNAME", partition.device).rstrip("0123456789")
        yield FoundDevice(
            "storage", "storage", partition.mountpoint[:120], told.get("ID_VENDOR", "")[:120],
            told.get("ID_MODEL", "")[:120], told.get("ID_SERIAL_SHORT", "")[:120],
            {"folder": str(Path(partition.mountpoint)), "mount": partition.mountpoint, "device": disk},
        )  # fmt: skip
