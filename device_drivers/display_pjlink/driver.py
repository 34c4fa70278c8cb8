"""One projector or display over PJLink. Its "OK" means "heard": an act is done when the display says so afterwards."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, TypeVar

import msgspec
from aiopjlink import PJLink
from aiopjlink.projector import PJClass, PJLinkConnectionClosed, PJLinkException, PJLinkNoConnection, PJLinkPassword
from msgspec import Meta, Struct

from device_drivers.display_pjlink import protocol
from device_drivers.driver import Driver, Observation, Progress
from device_drivers.errors import ActFailed, BadAnswer, DriverError, NotAnswering, NotOffered, WrongCredentials
from device_drivers.registry import description_of
from wire.description import ActionSpec
from wire.fields import Params
from wire.times import Clock

T = TypeVar("T")
_PERIOD_S = 0.5


class DisplaySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the display is, and what it should show."""

    host: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,253}$")]
    port: Annotated[int, Meta(ge=1, le=65535)] = 4352
    password: Annotated[str, Meta(pattern=r"^[!-~]{1,32}$")] | None = None
    input: Annotated[str, Meta(pattern=r"^[1-6][1-9A-Z]$")] | None = None
    """The input to which the room's PC is connected, such as "31"; None: any will do."""
    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 4.0


class DisplayPjlink(Driver):
    """One display. A call to it ends within `timeout_s` seconds, an act within `takes_s`, or raises DriverError."""

    Settings = DisplaySettings
    settings: DisplaySettings

    def __init__(self, settings: DisplaySettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._inputs: tuple[str, ...] = ()

    def observe(self) -> Observation:
        """One talk with every question."""
        told = self._talk(lambda link: protocol.told_by(link, self.settings.input))
        self._inputs = told.inputs or self._inputs
        return Observation(
            seen_s=self.clock.monotonic(), readings=told.readings, identity=told.identity, actions=self._actions()
        )

    def act(self, action: str, params: Params, progress: Progress) -> Params:
        """Tell it, then ask until it is so; warming and cooling take their time."""
        spec = next((spec for spec in self._actions() if spec.action == action), None)
        if spec is None:
            raise NotOffered(action)
        started_s = self.clock.monotonic()
        until_s = started_s + spec.takes_s
        if action == "set_input":
            wanted = str(params["input"])
            is_class_2 = wanted[0] == "6" or not wanted[1].isdigit()
            self._tell("INPT", wanted, PJClass.TWO if is_class_2 else PJClass.ONE)
            progress("handed_over")
            self._wait(lambda link: protocol.input_of(link, is_class_2), wanted, until_s, {})
        else:
            self._tell("POWR", "1" if action == "on" else "0", PJClass.ONE)
            progress("handed_over")
            self._wait(protocol.power_of, action, until_s, {"warming": progress, "cooling": progress})
        return {"took_s": round(self.clock.monotonic() - started_s, 1)}

    def _tell(self, command: str, param: str, pjclass: PJClass) -> None:
        try:
            self._talk(lambda link: link.transmit(command, param, pjclass))
        except protocol.REFUSALS as error:
            raise ActFailed("refused_by_device", said=str(error)[:100]) from error

    def _wait(
        self, ask: Callable[[PJLink], Awaitable[str | None]], wanted: str, until_s: float, on_way: dict[str, Progress]
    ) -> None:
        """Until the display answers what is wanted; each state on the way is told once."""
        while True:
            said = None
            # A few shut their port while the lamp strikes, others refuse every question.
            with suppress(NotAnswering, *protocol.REFUSALS):
                said = self._talk(ask)
            if said == wanted:
                return
            if tell := on_way.pop(said or "", None):
                tell(said or "")
            if self.clock.monotonic() >= until_s:
                raise ActFailed("no_effect_seen")
            asyncio.run(asyncio.sleep(_PERIOD_S))

    def _actions(self) -> tuple[ActionSpec, ...]:
        """Those of the description; inputs are what the display has listed, and before that there is none to choose."""
        found = []
        for spec in description_of("display_pjlink").actions:
            if spec.action == "set_input":
                if not self._inputs:
                    continue
                params = (msgspec.structs.replace(spec.params[0], values=self._inputs[:64]),)
                found.append(msgspec.structs.replace(spec, params=params))
            else:
                found.append(spec)
        return tuple(found)

    def _talk(self, question: Callable[[PJLink], Awaitable[T]]) -> T:
        given = self.settings
        link = PJLink(given.host, given.port, given.password, timeout=given.timeout_s)

        async def talk() -> T:
            try:
                async with asyncio.timeout(given.timeout_s):
                    with suppress(
                        *protocol.REFUSALS
                    ):  # with a password it asks for the power, which some refuse for a while
                        await link.__aenter__()
                    return await question(link)
            finally:
                # Not `async with`: a greeting that fails would leave the socket open.
                with suppress(AttributeError):
                    await link.__aexit__(None, None, None)

        with _foreign_errors_of(f"display {given.host}:{given.port}"):
            return asyncio.run(talk())


@contextmanager
def _foreign_errors_of(where: str) -> Iterator[None]:
    try:
        yield
    except (DriverError, *protocol.REFUSALS):
        raise
    except PJLinkPassword as error:
        raise WrongCredentials(f"{where}: it wants another PJLink password") from error
    except (PJLinkNoConnection, PJLinkConnectionClosed, OSError, TimeoutError) as error:
        raise NotAnswering(f"{where}: no display answers there in time") from error
    except (PJLinkException, asyncio.LimitOverrunError, ValueError, IndexError) as error:
        if isinstance(error.__context__, TimeoutError):
            raise NotAnswering(f"{where}: it accepts and says nothing") from error
        raise BadAnswer(f"{where}: not PJLink: {str(error)[:80]!r}") from error


DRIVER = DisplayPjlink
