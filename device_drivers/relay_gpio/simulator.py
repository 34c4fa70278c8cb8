"""A relay board in this process: gpiozero's own mock pins, with loads on the relays and contacts on the inputs."""

from collections.abc import Callable
from typing import Any

from device_drivers.equipment import SimulatedEquipment
from device_drivers.gpio.simulator import SimulatedBoard

_DOOR, _MOTION, _LIGHT, _CONTACTS = 5, 6, 13, (19, 26)
_OUTPUTS = {"mixer": 17, "camera": 27, "display": 22, "lights": 23}


class SimulatedRelays(SimulatedEquipment):
    """Four relays on the normally closed contact, pulled by a low level, and five contacts to ground."""

    transport = "memory"

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.board = SimulatedBoard()
        self.open_door(False)

    async def plug_in(self) -> None:
        """The board is there."""
        self.board.is_gone = False

    async def unplug(self) -> None:
        """The board's cable is out."""
        self.board.is_gone = True

    def settings(self) -> dict[str, Any]:
        """For the driver relay_gpio."""
        return {
            "board": {"pins": "mock", "simulated": self.board.name},
            "outputs": [
                {"name": name, "pin": pin, "at_rest": "on", "pause_s": 0.5} for name, pin in _OUTPUTS.items()
            ],
            "inputs": {
                "door_open": {"pin": _DOOR, "inverted": True}, "motion": {"pin": _MOTION, "pull_up": False},
                "light_on": {"pin": _LIGHT}, "contact_1": {"pin": _CONTACTS[0]}, "contact_2": {"pin": _CONTACTS[1]},
            },
        }  # fmt: skip

    def feeds(self, output: str, told: Callable[[bool], None]) -> None:
        """Tell a load when it has power and when not: a low level pulls the coil and takes it away."""
        self.board.wire(_OUTPUTS[output], told)

    def open_door(self, is_open: bool) -> None:
        """The reed contact closes to ground while the door is shut."""
        self.board.drive(_DOOR, is_open)


SIMULATOR = SimulatedRelays
