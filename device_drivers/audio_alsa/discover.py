"""Sound cards on USB that udev knows."""

from collections.abc import Iterator

from device_drivers.area import Area
from wire.messages import FoundDevice

try:
    import pyudev
except ImportError:  # no libudev on this machine
    pyudev = None


def discover(area: Area) -> Iterator[FoundDevice]:
    """Every USB sound card; a sound server calls its ends by the card's name."""
    if pyudev is None:
        return
    for card in pyudev.Context().list_devices(subsystem="sound"):
        usb = card.find_parent("usb", "usb_device")
        if not card.sys_name.startswith("card") or usb is None:
            continue
        told = usb.properties
        name = usb.attributes.get("product", b"").decode("utf-8", "replace").strip() or told.get("ID_MODEL", "")
        make = usb.attributes.get("manufacturer", b"").decode("utf-8", "replace").strip()
        yield FoundDevice(
            "audio_alsa", "audio", card.sys_name, make[:120], name[:120],
            usb.attributes.get("serial", b"").decode("utf-8", "replace").strip()[:120],
            {"microphone": name[:120], "speaker": name[:120]},
        )  # fmt: skip
