"""A UPS behind NUT's upsd (RFC 9271)."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import aionut
from msgspec import Meta, Struct

from device_drivers.driver import Driver, Observation, Progress
from device_drivers.errors import (
    ActFailed,
    BadAnswer,
    DriverError,
    Misconfigured,
    NotAnswering,
    NotOffered,
    StaleAnswer,
    WrongCredentials,
)
from device_drivers.registry import texts_of, with_labels
from device_drivers.ups_nut import protocol
from wire.fields import Params

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

T = TypeVar("T")
_PERIOD_S = 0.5
_BEGINS_WITHIN_S = 20.0


class UpsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the UPS is."""

    ups: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    """Its name in ups.conf."""
    host: Annotated[str, Meta(min_length=1, max_length=253)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 3493
    username: Annotated[str, Meta(pattern=r"^[!-~]{1,64}$")] | None = None
    password: Annotated[str, Meta(pattern=r"^[!-~]{1,128}$")] | None = None
    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 3.0


class UpsNut(Driver):
    """One UPS. A call ends within `timeout_s` seconds or raises DriverError."""

    Settings = UpsSettings
    settings: UpsSettings

    def observe(self) -> Observation:
        """Variables and commands that upsd has for this UPS."""

        async def look(upsd: aionut.AIONUTClient) -> tuple[dict[str, str], set[str]]:
            return await upsd.list_vars(self.settings.ups), await upsd.list_commands(self.settings.ups)

        variables, commands = self._ask(look)
        texts = texts_of("ups_nut")
        return Observation(
            seen_s=self.clock.monotonic(),
            readings=protocol.readings_of(variables),
            identity=protocol.identity_of(variables),
            actions=tuple(with_labels(action, texts) for action in protocol.actions_of(commands)),
        )

    def act(self, action: str, params: Params, progress: Progress) -> Params:
        """Hand a command to the UPS and believe its state, not the reply: upsd's OK only means "handed on"."""
        offered = {spec.action: spec for spec in self.observe().actions}
        if action not in offered:
            raise NotOffered(action)
        started_s = self.clock.monotonic()
        until_s = started_s + offered[action].takes_s
        before = self._variables()
        try:
            self._ask(lambda upsd: upsd.run_command(self.settings.ups, action), _SaidOnce)
        except NotAnswering:  # its answer may be what was lost; then the UPS shows that it took it
            if _shows(action, before):
                raise
        progress("handed_over")
        if action in protocol.BEEPER_AFTER:
            wanted = protocol.BEEPER_AFTER[action]
            self._wait("no_effect_seen", until_s, lambda seen: seen.get("ups.beeper.status") == wanted)
        elif action.startswith("outlet."):
            outlet = ".".join(action.split(".")[:2]) + ".status"
            self._wait("no_effect_seen", until_s, lambda seen: seen.get(outlet) == "off")
            progress("outlet_off")
            self._wait("did_not_come_back", until_s, lambda seen: seen.get(outlet) == "on")
            self._wait("not_in_normal_mode", until_s, protocol.is_in_normal_mode)
        elif action == "test.battery.stop":
            self._wait("no_effect_seen", until_s, lambda seen: not protocol.test_is_running(seen))
        else:
            self._battery_test(before, started_s, until_s, progress)
        return {"took_s": round(self.clock.monotonic() - started_s, 1)}

    def cuts(self, action: str, params: Params) -> str | None:
        """`outlet.1` of `outlet.1.load.cycle`."""
        return ".".join(action.split(".")[:2]) if action.startswith("outlet.") else None

    def _battery_test(self, before: Mapping[str, str], started_s: float, until_s: float, progress: Progress) -> None:
        def begun(seen: Mapping[str, str]) -> bool:
            changed = seen.get("ups.test.result") != before.get("ups.test.result")
            return protocol.test_is_running(seen) or changed

        self._wait("no_effect_seen", min(until_s, started_s + _BEGINS_WITHIN_S), begun)
        progress("test_running")
        seen = self._wait("did_not_end", until_s, lambda seen: not protocol.test_is_running(seen))
        if protocol.test_failed(seen):
            raise ActFailed("battery_test_failed", result=seen.get("ups.test.result", "")[:120])
        if protocol.readings_of(seen)["power_source"] != "mains":
            self._wait("not_back_on_mains", until_s, lambda now: protocol.readings_of(now)["power_source"] == "mains")

    def _wait(self, otherwise: str, until_s: float, holds: Callable[[Mapping[str, str]], bool]) -> Mapping[str, str]:
        pause = asyncio.sleep
        while True:
            try:
                seen = self._variables()
                if holds(seen):
                    return seen
            except (NotAnswering, StaleAnswer):
                if self.clock.monotonic() >= until_s:
                    raise
            if self.clock.monotonic() >= until_s:
                raise ActFailed(otherwise)
            asyncio.run(pause(_PERIOD_S))

    def _variables(self) -> dict[str, str]:
        return self._ask(lambda upsd: upsd.list_vars(self.settings.ups))

    def _ask(
        self, question: "Callable[[aionut.AIONUTClient], Coroutine[Any, Any, T]]",
        client: type[aionut.AIONUTClient] = aionut.AIONUTClient,
    ) -> T:  # fmt: skip
        async def talk() -> T:
            upsd = client(
                self.settings.host,
                self.settings.port,
                self.settings.username,
                self.settings.password,
                timeout=self.settings.timeout_s,
            )
            try:
                async with asyncio.timeout(self.settings.timeout_s):
                    return await question(upsd)
            finally:
                upsd.shutdown()

        with _foreign_errors_of(f"{self.settings.ups}@{self.settings.host}:{self.settings.port}"):
            return asyncio.run(talk())


class _SaidOnce(aionut.AIONUTClient):
    """Says nothing a second time: the library asks again where upsd hangs up, and a UPS would be cycled twice."""

    _has_connected = False

    async def _connect(self) -> None:
        if self._has_connected:
            raise aionut.NUTOSError("upsd hung up")
        self._has_connected = True
        await super()._connect()


def _shows(action: str, seen: Mapping[str, str]) -> bool:
    """Whether a UPS looks already as it would after this, so that nothing can be told from how it looks."""
    if action in protocol.BEEPER_AFTER:
        return seen.get("ups.beeper.status") == protocol.BEEPER_AFTER[action]
    if action.startswith("outlet."):
        return seen.get(".".join(action.split(".")[:2]) + ".status") == "off"
    return protocol.test_is_running(seen) is (action != "test.battery.stop")


@contextmanager
def _foreign_errors_of(where: str) -> "Iterator[None]":
    try:
        yield
    except DriverError:
        raise
    except aionut.NUTLoginError as error:
        raise WrongCredentials(f"{where}: upsd refuses user name or password") from error
    except aionut.NUTCommandError as error:
        text = str(error)
        if "DATA-STALE" in text or "DRIVER-NOT-CONNECTED" in text:
            raise StaleAnswer(f"{where}: upsd has lost the UPS; see its cable and its NUT driver") from error
        if "UNKNOWN-UPS" in text:
            raise Misconfigured(f"{where}: upsd knows no such UPS; see ups.conf") from error
        if "ACCESS" in text or "PASSWORD" in text or "USERNAME" in text:
            raise WrongCredentials(f"{where}: upsd refuses user name or password") from error
        raise ActFailed("refused_by_device", said=text[-100:]) from error
    except (
        aionut.NUTTimeoutError,
        aionut.NUTOSError,
        aionut.NUTConnectionClosedError,
        TimeoutError,
        OSError,
    ) as error:
        raise NotAnswering(f"{where}: no upsd answers there") from error
    except (
        aionut.NUTError,
        asyncio.IncompleteReadError,
        asyncio.LimitOverrunError,
        ValueError,
        IndexError,
    ) as error:
        raise BadAnswer(f"{where}: not an answer of upsd: {str(error)[:80]!r}") from error


DRIVER = UpsNut
