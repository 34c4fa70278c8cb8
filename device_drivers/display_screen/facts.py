"""What can be known of a PC's screen, before any judgement."""

from typing import Annotated, Literal, Protocol

from msgspec import Meta, Struct

from device_drivers.errors import NotAnswering

Text = Annotated[str, Meta(max_length=120)]


class ScreenFacts(Struct, frozen=True, kw_only=True):
    """A screen at one moment; None is "cannot be told"."""

    connected: bool
    make: Text = ""
    model: Text = ""
    serial: Text = ""
    connector: Text = ""
    power: Literal["off", "on"] | None = None
    width: Annotated[int, Meta(ge=0, le=65_535)] | None = None
    height: Annotated[int, Meta(ge=0, le=65_535)] | None = None


class Screen(Protocol):
    """Where facts come from."""

    def facts(self) -> ScreenFacts:
        """The facts of now. Raises DriverError."""
        ...


def seen(facts: ScreenFacts) -> ScreenFacts:
    """The facts of a screen that is there. Raises NotAnswering."""
    if not facts.connected:
        raise NotAnswering("screen: none is connected to the PC; check its power and its cable")
    return facts
