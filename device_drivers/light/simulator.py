"""Lamps on a relay, a light sensor that sees them, and a camera that tells how bright its picture is."""

import time
from typing import Any

from device_drivers.driver import Sighting
from device_drivers.equipment import SimulatedEquipment
from device_drivers.gpio.simulator import SimulatedBoard

_SENSOR, _LAMPS = 12, 16


class SimulatedLight(SimulatedEquipment):
    """The lamps hang on the normally closed contact; `burn_out` leaves the room dark whatever the relay does."""

    transport = "memory"

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.board = SimulatedBoard()
        self.board.wire(_LAMPS, self._power)
        self.make, self.model = "Rạng Đông", "LED Panel 60x60"
        self.brightness = 46.0
        self._has_power, self._burnt_out = True, False
        self._shine()

    async def plug_in(self) -> None:
        """The board is there."""
        self.board.is_gone = False

    async def unplug(self) -> None:
        """The board's cable is out."""
        self.board.is_gone = True

    def settings(self) -> dict[str, Any]:
        """For the driver light."""
        return {
            "camera": "camera-1", "make": self.make, "model": self.model,
            "board": {"pins": "mock", "simulated": self.board.name},
            "sensor": {"pin": _SENSOR, "pull_up": False},
            "switch": {"name": "lamps", "pin": _LAMPS, "at_rest": "on"},
        }  # fmt: skip

    def settings_elsewhere(self) -> dict[str, Any]:
        """Without the pins, which are of this process."""
        return {"camera": "camera-1", "make": self.make, "model": self.model}

    def neighbour(self, device: str, key: str) -> Sighting | None:
        """The camera of a room that has no other."""
        return Sighting(self.brightness, time.monotonic())

    def burn_out(self, burnt: bool = True) -> None:
        """The lamps are broken, or replaced."""
        self._burnt_out = burnt
        self._shine()

    def _power(self, is_high: bool) -> None:
        self._has_power = is_high  # a low level pulls the coil, which takes the power away
        self._shine()

    def _shine(self) -> None:
        self.board.drive(_SENSOR, self._has_power and not self._burnt_out)


SIMULATOR = SimulatedLight
