"""What a room says of a board: whose pins, and what is wired to each. Costs no library of pins."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Pin = Annotated[int, Meta(ge=0, le=53)]
Factory = Literal["auto", "mock", "lgpio", "rpigpio", "pigpio", "native"]


class BoardSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose pins."""

    pins: Factory = "auto"
    """auto: as gpiozero finds them; mock: a computer without pins, where nothing is switched."""
    simulated: Annotated[str, Meta(max_length=64)] | None = None


class Output(Struct, frozen=True, forbid_unknown_fields=True):
    """One relay."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,39}$")]
    pin: Pin
    at_rest: Literal["on", "off"]
    """Whether its load has power while the coil is released: on the normally closed contact `on`, else `off`."""
    active_high: bool = False
    """The level of the pin that pulls the coil; most relay boards pull it by a low one."""
    pause_s: Annotated[float, Meta(ge=0.1, le=120)] = 5.0
    """How long a power cycle takes the power away."""


class Input(Struct, frozen=True, forbid_unknown_fields=True):
    """One dry contact between a pin and ground, or a sensor that drives the pin."""

    pin: Pin
    pull_up: bool = True
    """True: the contact closes to ground; False: the sensor drives the pin high."""
    inverted: bool = False
