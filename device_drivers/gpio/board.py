"""Outputs and inputs on pins, through gpiozero. A coil that is released is the state of rest, whatever happens to us.

When a process ends, in order or not, its pins become inputs and every coil is released. So what a relay's load does
then is decided by its wiring alone: on the normally closed contact it has power, on the normally open one it has not.
`at_rest` says which of the two the electrician chose; a device that must never be left without power goes on the
normally closed contact.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from gpiozero import BadPinFactory, Device, DigitalInputDevice, GPIOZeroError, OutputDevice
from gpiozero.pins.mock import MockFactory

from device_drivers.errors import Misconfigured, NotAnswering
from device_drivers.gpio.settings import BoardSettings, Input, Output

_FACTORIES = {
    "lgpio": "gpiozero.pins.lgpio:LGPIOFactory",
    "rpigpio": "gpiozero.pins.rpigpio:RPiGPIOFactory",
    "pigpio": "gpiozero.pins.pigpio:PiGPIOFactory",
    "native": "gpiozero.pins.native:NativeFactory",
}
SIMULATED: dict[str, MockFactory] = {}
"""Boards without pins that a simulator of this process has put up, by name."""


class Board:
    """Opened pins; close it, or they stay taken. Every method raises Misconfigured or NotAnswering."""

    def __init__(self, settings: BoardSettings, outputs: tuple[Output, ...], inputs: Mapping[str, Input]) -> None:
        self._outputs: dict[str, tuple[Output, Any]] = {}
        self._inputs: dict[str, tuple[Input, Any]] = {}
        with _foreign_errors_of(settings):
            factory = _factory_of(settings)
            try:
                for output in outputs:
                    # Inactive is the released coil; the first level that the pin drives is already the right one.
                    device = OutputDevice(
                        output.pin, active_high=output.active_high, initial_value=False, pin_factory=factory
                    )
                    self._outputs[output.name] = (output, device)
                for name, wanted in inputs.items():
                    pull = wanted.pull_up or None
                    active = None if pull else True
                    sensor = DigitalInputDevice(wanted.pin, pull_up=pull, active_state=active, pin_factory=factory)
                    self._inputs[name] = (wanted, sensor)
            except BaseException:
                self.close()
                raise
        self._settings = settings

    def has_power(self, name: str) -> bool:
        """Whether the load of an output has power, as the pin stands."""
        output, device = self._outputs[name]
        with _foreign_errors_of(self._settings):
            return bool(device.value) != (output.at_rest == "on")

    def give_power(self, name: str, on: bool) -> None:
        """Pull or release the coil so that the load has power or not."""
        output, device = self._outputs[name]
        with _foreign_errors_of(self._settings):
            if on == (output.at_rest == "on"):
                device.off()
            else:
                device.on()

    def reads(self, name: str) -> bool:
        """An input: whether its contact is closed, or its sensor active."""
        wanted, device = self._inputs[name]
        with _foreign_errors_of(self._settings):
            return bool(device.value) != wanted.inverted

    def on_change(self, wake: Callable[[], None] | None) -> None:
        """Call `wake` at every edge of an input; None: no more."""
        for _, device in self._inputs.values():
            device.when_activated = device.when_deactivated = wake

    def close(self) -> None:
        """Release every coil and let go of the pins."""
        for _, device in (*self._outputs.values(), *self._inputs.values()):
            device.close()


def _factory_of(settings: BoardSettings) -> Any:
    if settings.simulated is not None:
        if settings.simulated not in SIMULATED:
            raise Misconfigured(f"pins: no simulated board {settings.simulated!r} in this process")
        return SIMULATED[settings.simulated]
    if settings.pins == "mock":
        return MockFactory()
    if settings.pins == "auto":
        Device.ensure_pin_factory()
        return Device.pin_factory
    module, _, name = _FACTORIES[settings.pins].partition(":")
    return getattr(import_module(module), name)()


@contextmanager
def _foreign_errors_of(settings: BoardSettings) -> Iterator[None]:
    try:
        yield
    except (BadPinFactory, ImportError) as error:
        raise Misconfigured(
            f"pins: this computer has none that {settings.pins!r} can use; install lgpio on a Raspberry Pi, "
            "or take the relay out of the configuration"
        ) from error
    except GPIOZeroError as error:
        raise Misconfigured(f"pins: {error}") from error
    except OSError as error:
        raise NotAnswering(f"pins: the board does not answer ({error.strerror or error})") from error
