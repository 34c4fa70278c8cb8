"""The room's light: how bright its camera finds it, or what a sensor on a pin says; and the relay of the lamps."""

import time
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from device_drivers.driver import Driver, Identity, Observation, Progress
from device_drivers.errors import ActFailed, DriverError, Misconfigured, NotOffered
from device_drivers.gpio.settings import BoardSettings, Input, Output
from device_drivers.registry import description_of
from wire.fields import Params, Value
from wire.ids import DeviceId
from wire.times import Clock

if TYPE_CHECKING:
    from device_drivers.gpio.board import Board

_SENSOR = "lit"
_TICK_S = 0.1


class LightSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What tells how light it is, and what switches the lamps; at least one of camera and sensor."""

    camera: DeviceId | None = None
    """The device of this room that reads a `brightness`."""
    sensor: Input | None = None
    """A light sensor with a threshold of its own, on a pin."""
    switch: Output | None = None
    """The relay of the lamps."""
    board: BoardSettings = BoardSettings()
    make: Annotated[str, Meta(max_length=120)] = ""
    model: Annotated[str, Meta(max_length=120)] = ""


class Light(Driver):
    """Pins answer at once; an act ends within its `takes_s`."""

    Settings = LightSettings
    settings: LightSettings

    def __init__(self, settings: LightSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        if settings.camera is None and settings.sensor is None:
            raise Misconfigured("light: name a camera or a sensor, or nobody can tell how light it is")
        self._opened: Board | None = None

    def observe(self) -> Observation:
        """The camera's brightness at its own age, and the pins as they stand."""
        readings: dict[str, Value] = {"brightness": None, "lit": None, "switched_on": None}
        older = {}
        if self.settings.camera is not None and (seen := self.neighbour(self.settings.camera, "brightness")):
            readings["brightness"] = seen.value
            older["brightness"] = seen.seen_s
        try:
            if (board := self._board()) is not None:
                readings["lit"] = board.reads(_SENSOR) if self.settings.sensor else None
                readings["switched_on"] = board.has_power(self._switch.name) if self.settings.switch else None
        except DriverError:
            self.close()
            raise
        return Observation(
            seen_s=self.clock.monotonic(),
            readings=readings,
            # Lamps cannot be asked who they are; who tells of them can.
            identity=Identity(make=self.settings.make, model=self.settings.model or self.settings.camera or _SENSOR),
            actions=description_of("light").actions if self.settings.switch else (),
            older=older,
        )

    def act(self, action: str, params: Params, progress: Progress) -> Params:
        """Switch, and read the pin back; with a sensor wait until it agrees."""
        spec = next((spec for spec in description_of("light").actions if spec.action == action), None)
        board = self._board()
        if spec is None or board is None or self.settings.switch is None:
            raise NotOffered(action)
        began_s, on = time.monotonic(), action == "switch_on"
        board.give_power(self._switch.name, on)
        progress("handed_over")
        while board.has_power(self._switch.name) != on or (self.settings.sensor and board.reads(_SENSOR) != on):
            if time.monotonic() >= began_s + spec.takes_s:
                raise ActFailed("no_effect_seen")
            time.sleep(_TICK_S)
        return {"took_s": round(time.monotonic() - began_s, 1)}

    def close(self) -> None:
        """Release the coil."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @property
    def _switch(self) -> Output:
        assert self.settings.switch is not None
        return self.settings.switch

    def _board(self) -> "Board | None":
        given = self.settings
        if given.sensor is None and given.switch is None:
            return None
        if self._opened is None:
            from device_drivers.gpio.board import Board  # 8 MB that a room with a camera alone need not carry

            self._opened = Board(
                given.board,
                (given.switch,) if given.switch else (),
                {_SENSOR: given.sensor} if given.sensor else {},
            )
        return self._opened


DRIVER = Light
