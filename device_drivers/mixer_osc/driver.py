"""One network mixer over OSC. What is set gets no reply, so that "done" is what the mixer says when asked again."""

import time
from collections.abc import Callable
from contextlib import closing
from threading import Event
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from device_drivers.driver import Driver, Observation, Progress
from device_drivers.errors import ActFailed, DriverError, Misconfigured, NotAnswering, NotOffered
from device_drivers.mixer_osc import protocol
from device_drivers.mixer_osc.line import Line, decoded
from device_drivers.registry import description_of
from wire.description import ActionSpec, ParamSpec
from wire.fields import Params
from wire.times import Clock

_KEEP_ALIVE_S = 8.0
"""A mixer stops telling us of changes 10 s after /xremote."""
_DEAF_S = 0.5
_CLOSE_ENOUGH_DB = 0.6
"""A fader has 1024 steps of up to this much."""


class MixerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the mixer is, of which family, and which of its channels carry the room's microphones."""

    host: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,253}$")]
    family: protocol.Family = "x32"
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    """None: the family's own, 10023 or 10024."""
    channels: Annotated[tuple[Annotated[int, Meta(ge=1, le=32)], ...], Meta(min_length=1, max_length=8)] = (1,)
    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 2.0


class MixerOsc(Driver):
    """One mixer. A call to it ends within `timeout_s` seconds, an act within `takes_s`, or raises DriverError."""

    Settings = MixerSettings
    settings: MixerSettings
    watches = True

    def __init__(self, settings: MixerSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        most = protocol.FAMILIES[settings.family].channels
        if max(settings.channels) > most:
            raise Misconfigured(f"mixer {settings.host}: a mixer of the family {settings.family} has {most} channels")

    def observe(self) -> Observation:
        """Who it is, the strips that matter, the scene, and how loud the microphones are now."""
        given = self.settings
        questions = protocol.questions_of(given.family, given.channels)
        with closing(self._line()) as line:
            answers = line.ask(questions, protocol.METERS)
        if protocol.INFO not in answers:
            raise NotAnswering(f"mixer {given.host}: it does not say who it is")
        return Observation(
            seen_s=self.clock.monotonic(),
            readings=protocol.readings_of(given.family, given.channels, answers),
            identity=protocol.identity_of(answers),
            actions=self._actions(),
        )

    def act(self, action: str, params: Params, progress: Progress) -> Params:
        """Set and read back, again and again until it is so."""
        spec = next((spec for spec in self._actions() if spec.action == action), None)
        if spec is None:
            raise NotOffered(action)
        at = protocol.FAMILIES[self.settings.family]
        started_s = self.clock.monotonic()
        until_s = started_s + spec.takes_s
        if action == "recall_scene":
            scene = int(float(params["scene"] or 0))
            self._set_until(at.recall, scene, at.scene, lambda said: said == scene, until_s, progress)
        elif action == "set_fader":
            address, level = f"{at.strip(str(params['target']))}/fader", float(params["level"] or 0)

            def is_near(said: float) -> bool:
                return abs(protocol.db_of(said) - level) <= _CLOSE_ENOUGH_DB

            self._set_until(address, float(protocol.position_of(level)), address, is_near, until_s, progress)
        else:
            address, wanted = f"{at.strip(str(params['target']))}/on", int(action == "unmute")
            self._set_until(address, wanted, address, lambda said: said == wanted, until_s, progress)
        return {"took_s": round(self.clock.monotonic() - started_s, 1)}

    def watch(self, stop: Event, wake: Callable[[], None]) -> None:
        """Hear of changes that somebody makes at the desk, or with another remote."""
        at = protocol.FAMILIES[self.settings.family]
        strips = (at.main, *(at.strip(str(channel)) for channel in self.settings.channels))
        watched = {at.scene, *(f"{strip}/{part}" for strip in strips for part in ("on", "fader"))}
        while not stop.is_set():
            try:
                with closing(self._line()) as line:
                    self._hear_changes(line, watched, stop, wake)
            except DriverError:
                stop.wait(_KEEP_ALIVE_S)  # `observe` is who says that the mixer has gone

    def _hear_changes(self, line: Line, watched: set[str], stop: Event, wake: Callable[[], None]) -> None:
        again_s = 0.0
        while not stop.is_set():
            if time.monotonic() >= again_s:
                again_s = time.monotonic() + _KEEP_ALIVE_S
                line.tell("/xremote")
            datagram = line.hear(time.monotonic() + _DEAF_S)
            if datagram is not None and decoded(datagram, self.settings.host)[0] in watched:
                wake()

    def _set_until(
        self, address: str, value: float, shown_at: str, holds: Callable[[float], bool], until_s: float,
        progress: Progress,
    ) -> None:  # fmt: skip
        said: object = None
        while self.clock.monotonic() < until_s:
            with closing(self._line()) as line:
                line.tell(address, value)
                progress("handed_over")
                try:
                    said = line.ask((shown_at,))[shown_at][0]
                except NotAnswering:
                    continue
            if isinstance(said, int | float) and holds(said):
                return
            Event().wait(_DEAF_S)
        if said is None:
            raise NotAnswering(f"mixer {self.settings.host}: no answer since it was told")
        raise ActFailed("no_effect_seen")

    def _actions(self) -> tuple[ActionSpec, ...]:
        targets = ("main", *(str(channel) for channel in self.settings.channels))

        def with_targets(param: ParamSpec) -> ParamSpec:
            return msgspec.structs.replace(param, values=targets) if param.name == "target" else param

        return tuple(
            msgspec.structs.replace(spec, params=tuple(with_targets(param) for param in spec.params))
            for spec in description_of("mixer_osc").actions
        )

    def _line(self) -> Line:
        port = self.settings.port or protocol.FAMILIES[self.settings.family].port
        return Line(self.settings.host, port, self.settings.timeout_s)


DRIVER = MixerOsc
