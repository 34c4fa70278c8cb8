"""A board of pins that gpiozero drives as it would real ones, and what hangs on them."""

import itertools
from collections.abc import Callable
from typing import Any

from gpiozero.pins.mock import MockFactory, MockPin

from device_drivers.gpio.board import SIMULATED

_NUMBERS = itertools.count(1)


class _WiredPin(MockPin):  # type: ignore[misc]
    """Tells its board when its level changes, and fails when the board is gone."""

    def _get_state(self) -> Any:
        if self.factory.is_gone:
            raise OSError("the board is unplugged")
        return super()._get_state()

    def _set_pull(self, value: str) -> None:
        """What drives the pin from outside is stronger than its own pull."""
        super()._set_pull(value)
        if (held := self.factory.held.get(self.info.name)) is not None and self.function == "input":
            (self.drive_high if held else self.drive_low)()

    def _change_state(self, value: bool) -> bool:
        changed = bool(super()._change_state(value))
        if changed and self.function == "output" and (told := self.factory.wires.get(self.info.name)):
            told(value)
        return changed


class SimulatedBoard(MockFactory):  # type: ignore[misc]
    """Pins by number; `wire` is what hangs on an output."""

    def __init__(self) -> None:
        super().__init__(pin_class=_WiredPin)
        self.name = f"board-{next(_NUMBERS)}"
        self.is_gone = False
        self.wires: dict[str, Callable[[bool], None]] = {}
        self.held: dict[str, bool] = {}
        SIMULATED[self.name] = self

    def wire(self, pin: int, told: Callable[[bool], None]) -> None:
        """Call `told` with the level of a pin whenever an output drives it to another one."""
        self.wires[f"GPIO{pin}"] = told

    def drive(self, pin: int, high: bool) -> None:
        """A sensor or a contact outside changes an input's level."""
        self.held[f"GPIO{pin}"] = high
        found = self.pin(pin)
        (found.drive_high if high else found.drive_low)()
