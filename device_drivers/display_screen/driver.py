"""One screen: of this computer, or of the PC beside it."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

from msgspec import Meta, Struct

from device_drivers.display_screen.description import INPUTS
from device_drivers.display_screen.facts import Screen, ScreenFacts, seen
from device_drivers.display_screen.machine import OwnScreen
from device_drivers.driver import Driver, Identity, Observation, Progress
from device_drivers.errors import ActFailed, NotAnswering, NotOffered
from device_drivers.far import Far
from device_drivers.registry import description_of
from wire.fields import Params, Value
from wire.times import Clock

_SILENT_TIMES = 3
_PERIOD_S = 0.5


class ScreenSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Which screen."""

    connector: Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,40}$")] | None = None
    """As the kernel calls it, such as HDMI-A-1; None: the first with a screen."""
    host: Annotated[str, Meta(min_length=1, max_length=253)] | None = None
    """Set where the screen is on a PC beside the agent's own box."""
    port: Annotated[int, Meta(ge=1, le=65535)] = 9109
    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 4.0


class DisplayScreen(Driver):
    """One screen; one that is not connected does not answer."""

    Settings = ScreenSettings
    settings: ScreenSettings

    def __init__(self, settings: ScreenSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._own = OwnScreen(settings.connector, settings.timeout_s) if settings.host is None else None
        self._screen: Screen = self._own or Far(
            ScreenFacts, "screen of", settings.host or "", settings.port, settings.timeout_s
        )
        self._can_switch: tuple[str, bool] | None = None

    def observe(self) -> Observation:
        """What the kernel says of it. DDC/CI is slow, so whether it can be switched is asked once for each screen."""
        facts = self._screen.facts()
        if not facts.connected:
            self._can_switch = None  # the next one is asked anew, and so is this one when it is back
        facts = seen(facts)
        readings: dict[str, Value] = {
            "power": facts.power, "connector": facts.connector, "width": facts.width, "height": facts.height,
        }  # fmt: skip
        if self._own is not None and (self._can_switch is None or self._can_switch[0] != facts.serial):
            self._can_switch = (facts.serial, self._own.can_switch())
        offered = self._can_switch is not None and self._can_switch[1]
        return Observation(
            seen_s=self.clock.monotonic(),
            readings=readings,
            identity=Identity(facts.make, facts.model, facts.serial),
            actions=description_of("display_screen").actions if offered else (),
        )

    def act(self, action: str, params: Params, progress: Progress) -> Params:
        """Tell the screen, and ask it until it is so."""
        spec = next((spec for spec in self.observe().actions if spec.action == action), None)
        own = self._own
        if spec is None or own is None:
            raise NotOffered(action)
        until_s = time.monotonic() + spec.takes_s
        holds: Callable[[], bool]
        if action == "set_input":
            value = INPUTS[str(params["input"])]
            own.choose(value)
            holds = lambda: own.shown() == value  # noqa: E731
        elif action == "on":
            own.switch(True)
            holds = lambda: own.is_on() is True  # noqa: E731
        else:
            own.switch(False)
            holds = lambda: _is_off(own)  # noqa: E731
        progress("handed_over")
        while not holds():
            if time.monotonic() >= until_s:
                raise ActFailed("no_effect_seen")
            time.sleep(_PERIOD_S)
        return {}


def _is_off(own: OwnScreen) -> bool:
    """A screen that is off may say so, or may not answer over DDC/CI any more: a lost answer is no silence."""
    for _ in range(_SILENT_TIMES):
        with suppress(NotAnswering):
            said = own.is_on()
            if said is not None:
                return not said
    return True


DRIVER = DisplayScreen
