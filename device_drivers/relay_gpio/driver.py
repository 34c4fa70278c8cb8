"""A board of relays and contacts."""

import time
from collections.abc import Callable
from threading import Event
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from device_drivers.driver import Driver, Identity, Observation, Progress
from device_drivers.errors import ActFailed, DriverError, NotOffered
from device_drivers.gpio.board import Board
from device_drivers.gpio.settings import BoardSettings, Input, Output
from device_drivers.registry import description_of
from device_drivers.relay_gpio.description import INPUTS, OUTPUTS
from wire.description import ActionSpec
from wire.fields import Params, Value
from wire.times import Clock

_TICK_S = 0.05
_LISTENERS: "dict[RelaySettings, Callable[[], None]]" = {}


class Inputs(Struct, frozen=True, forbid_unknown_fields=True):
    """What is connected to which input; the names are those of the readings."""

    door_open: Input | None = None
    motion: Input | None = None
    light_on: Input | None = None
    contact_1: Input | None = None
    contact_2: Input | None = None


class RelaySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The board and its wiring."""

    board: BoardSettings = BoardSettings()
    outputs: Annotated[tuple[Output, ...], Meta(max_length=len(OUTPUTS))] = ()
    """In the order of the readings `output_1`, `output_2`, …"""
    inputs: Inputs = Inputs()


class RelayGpio(Driver):
    """Pins answer at once or not at all; only `power_cycle` takes time, the configured pause."""

    Settings = RelaySettings
    settings: RelaySettings
    watches = True

    def __init__(self, settings: RelaySettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._wired = {name: found for name in INPUTS if (found := getattr(settings.inputs, name)) is not None}
        self._opened: Board | None = None

    def observe(self) -> Observation:
        """Every output and input as its pin stands."""
        readings: dict[str, Value] = dict.fromkeys((*OUTPUTS, *INPUTS))
        try:
            board = self._board()
            for reading, output in zip(OUTPUTS, self.settings.outputs, strict=False):
                readings[reading] = board.has_power(output.name)
            for name in self._wired:
                readings[name] = board.reads(name)
        except DriverError:
            self.close()
            raise
        return Observation(
            seen_s=self.clock.monotonic(),
            readings=readings,
            identity=Identity(make="gpiozero", model=self.settings.board.pins),
            actions=self._actions(),
        )

    def act(self, action: str, params: Params, progress: Progress) -> Params:
        """Switch, and read the pin back. A power cycle gives the power back whatever happens in between."""
        if action not in {spec.action for spec in self._actions()}:
            raise NotOffered(action)
        board, name = self._board(), str(params["output"])
        output = next(output for output in self.settings.outputs if output.name == name)
        began_s = time.monotonic()
        if action == "power_cycle":
            try:
                self._switch(board, name, False)
                progress("outlet_off")
                while time.monotonic() < began_s + output.pause_s:
                    time.sleep(_TICK_S)
            finally:
                self._switch(board, name, True)
        else:
            self._switch(board, name, action == "power_on")
        return {"took_s": round(time.monotonic() - began_s, 1)}

    def cuts(self, action: str, params: Params) -> str | None:
        """The output, where power is taken away."""
        return str(params["output"]) if action in ("power_cycle", "power_off") else None

    def gives(self, action: str) -> bool:
        """Only a cycle gives it back."""
        return action == "power_cycle"

    def watch(self, stop: Event, wake: Callable[[], None]) -> None:
        """Hear of every edge of an input. Whoever observes holds the pins, which is another object than this."""
        _LISTENERS[self.settings] = wake
        stop.wait()
        del _LISTENERS[self.settings]

    def close(self) -> None:
        """Release every coil."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _switch(self, board: Board, name: str, on: bool) -> None:
        board.give_power(name, on)
        if board.has_power(name) != on:
            raise ActFailed("no_effect_seen")

    def _board(self) -> Board:
        if self._opened is None:
            self._opened = Board(self.settings.board, self.settings.outputs, self._wired)
            self._opened.on_change(self._changed)
        return self._opened

    def _changed(self) -> None:
        if (wake := _LISTENERS.get(self.settings)) is not None:
            wake()

    def _actions(self) -> tuple[ActionSpec, ...]:
        names = tuple(output.name for output in self.settings.outputs)
        return tuple(
            msgspec.structs.replace(spec, params=(msgspec.structs.replace(spec.params[0], values=names),))
            for spec in description_of("relay_gpio").actions
            if names
        )


DRIVER = RelayGpio
