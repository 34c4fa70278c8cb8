"""The screen on this computer's own output."""

from collections.abc import Iterator

from device_drivers.area import Area
from device_drivers.display_screen.machine import OwnScreen
from wire.messages import FoundDevice


def discover(area: Area) -> Iterator[FoundDevice]:
    """The first connected screen."""
    seen = OwnScreen(None, area.wait_s).facts()
    if seen.connected:
        settings = {"connector": seen.connector}
        yield FoundDevice("display_screen", "display", seen.connector, seen.make, seen.model, seen.serial, {**settings})
