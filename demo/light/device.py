"""One device of a light room: readings and identity as data that drift, fail, recover, and that commands change."""

import asyncio
import logging
import queue
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from device_drivers.driver import GONE, Identity, Observation, Progress
from device_drivers.errors import ActFailed
from device_drivers.registry import description_of
from edge_agent.config import DeviceConfig
from edge_agent.journal import Journal
from edge_agent.room import View
from wire.description import ActionSpec, ParamSpec, ReadingSpec
from wire.fields import Params, Value
from wire.messages import Command, DeviceState
from wire.times import Clock

log = logging.getLogger("diemcau.demo")


class Wander(Struct, frozen=True):
    """How a number drifts: by at most `step` at a time, and never further than `spread` from where it began."""

    step: float
    spread: float
    digits: int = 1


class Start(Struct, frozen=True):
    """A device as it begins: what it says it is and what it observes."""

    identity: Identity
    readings: dict[str, Value]
    actions: tuple[ActionSpec, ...] = ()


class Kind(Struct, frozen=True):
    """All devices of one driver. `start` draws one; `act` carries out an action or raises ActFailed."""

    driver: str
    start: Callable[[Random], Start]
    act: Callable[["LightDevice", str, Params, Progress], Awaitable[Params]] | None = None
    wander: Mapping[str, Wander] = {}


class LightDevice:
    """What the agent's `Commands` and `Reporter` expect of a worker, without a thread. Used on one event loop."""

    hangs = False

    def __init__(
        self, device: DeviceConfig, kind: Kind, chance: Random, journal: Journal, clock: Clock,
        changed: Callable[[View | None, View], None], others: Callable[[], Mapping[str, "LightDevice"]],
    ) -> None:  # fmt: skip
        self.device, self._kind, self.chance = device, kind, chance
        self._journal, self.clock, self._changed, self.others = journal, clock, changed, others
        start = kind.start(chance)
        self.readings = dict(start.readings)
        self.identity, self._actions = start.identity, start.actions
        self._base = dict(start.readings)
        self._older: dict[str, float] = {}
        self._state: DeviceState = "ok"
        self._detail = ""
        self._found_s = self._seen_s = clock.monotonic()
        self._acting: str | None = None
        self._task: asyncio.Task[None] | None = None

    def view(self) -> View:
        """What is known now."""
        seen = Observation(self._seen_s, dict(self.readings), self.identity, self._actions, dict(self._older))
        return View(self.device, self._state, self._found_s, self._detail, seen)

    @property
    def acting(self) -> str | None:
        """The command that is being executed."""
        return self._acting

    def drift(self) -> None:
        """Observe it once more: numbers have moved a little. A device that does not answer is not observed."""
        if self._state != "ok":
            return
        before = self.view()
        self._seen_s = self._found_s = self.clock.monotonic()
        for key, how in self._kind.wander.items():
            now, base = self.readings.get(key), self._base.get(key)
            if isinstance(now, int | float) and isinstance(base, int | float):
                moved = now + self.chance.uniform(-how.step, how.step)
                self.readings[key] = round(min(base + how.spread, max(base - how.spread, moved)), how.digits)
        self._changed(before, self.view())

    def change(self, **readings: Value) -> None:
        """These readings are so from now on; numbers drift around their new values."""
        before = self.view()
        self.readings |= readings
        self._base |= readings
        if self._state == "ok":
            self._seen_s = self._found_s = self.clock.monotonic()
        self._changed(before, self.view())

    def measured(self, **readings: Value) -> None:
        """Readings that an action has taken, at this moment; they age from now on."""
        self._older |= dict.fromkeys(readings, self.clock.monotonic())
        self.change(**readings)

    def lose(self, detail: str) -> None:
        """It does not answer any more."""
        self._set("not_answering", detail)

    def restore(self) -> None:
        """It answers again."""
        self._set("ok", "")

    def act(self, command: Command) -> None:
        """Execute an accepted command. Raises queue.Full while another one is executed."""
        if self._task is not None and not self._task.done():
            raise queue.Full
        self._acting = command.id
        self._task = asyncio.get_running_loop().create_task(self._execute(command))

    async def _execute(self, command: Command) -> None:
        step = self._journal.step
        try:
            if self.clock.now() > command.expires_at:
                step(command.id, "refused", "expired", {})
                return
            step(command.id, "running", "started", {})
            if self._state != "ok":
                await asyncio.sleep(self.device.deadline_s)
                raise ActFailed("not_answering")
            assert self._kind.act is not None, f"{self.device.driver} offers actions and has no act"
            result = await self._kind.act(self, command.action, command.params, self._progress_of(command.id))
        except ActFailed as error:
            step(command.id, "failed", error.reason, error.params)
        else:
            step(command.id, "succeeded", "succeeded", result)
        finally:
            self._acting = None
            self._changed(self.view(), self.view())

    def _progress_of(self, command: str) -> Progress:
        def progress(detail: str, **params: Value) -> None:
            self._journal.step(command, "running", detail, params)
            if detail == GONE:
                self.lose("away while a command runs")

        return progress

    def _set(self, state: DeviceState, detail: str) -> None:
        if state == self._state:
            return
        before = self.view()
        self._state, self._detail, self._found_s = state, detail, self.clock.monotonic()
        if state == "ok":
            self._seen_s = self._found_s
        self._changed(before, self.view())


def actions_of(driver: str, *names: str, **choices: tuple[str, ...]) -> tuple[ActionSpec, ...]:
    """Actions of a driver's description, with the values that this device lets people choose from by parameter."""
    found = [spec for spec in description_of(driver).actions if spec.action in names]
    return tuple(replace(spec, params=tuple(_with_choices(p, choices) for p in spec.params)) for spec in found)


def readings_of(driver: str) -> tuple[ReadingSpec, ...]:
    """What a driver observes."""
    return description_of(driver).readings


def _with_choices(param: ParamSpec, choices: Mapping[str, Any]) -> ParamSpec:
    return replace(param, type="choice", values=choices[param.name]) if param.name in choices else param
