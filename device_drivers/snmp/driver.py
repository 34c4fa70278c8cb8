"""One piece of equipment with an SNMP agent."""

from collections.abc import Sequence
from contextlib import suppress
from threading import Event
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from puresnmp import V2C, V3, Auth, Priv
from puresnmp.exc import AuthorizationError, ErrorResponse, TooBig

from device_drivers.driver import Driver, Observation, Progress
from device_drivers.errors import ActFailed, BadAnswer, Misconfigured, NotAnswering, NotOffered, WrongCredentials
from device_drivers.registry import description_of
from device_drivers.snmp import objects
from device_drivers.snmp.description import PAUSE_S
from device_drivers.snmp.line import AT_ONCE, Line
from wire.description import ActionSpec
from wire.fields import Params
from wire.times import Clock

Secret = Annotated[str, Meta(min_length=8, max_length=64)]
_ObjectName = Annotated[str, Meta(pattern=r"^1\.3(\.\d{1,10}){2,30}$")]
_PERIOD_S = 0.3
_COLUMNS = (objects.IF_TYPE, objects.IF_ADMIN, objects.IF_OPER)


class User(Struct, frozen=True, forbid_unknown_fields=True):
    """A user of SNMPv3 (RFC 3414). With no passphrase there is neither proof nor secrecy."""

    name: Annotated[str, Meta(min_length=1, max_length=32)]
    auth: Secret | None = None
    auth_method: Literal["sha1", "md5"] = "sha1"
    priv: Secret | None = None
    priv_method: Literal["aes", "des"] = "aes"


class Poe(Struct, frozen=True, forbid_unknown_fields=True):
    """Ports whose power over Ethernet may be taken and given."""

    ports: Annotated[tuple[Annotated[str, Meta(pattern=r"^\d{1,5}(\.\d{1,5}){0,3}$")], ...], Meta(max_length=48)]
    """As the object numbers them, such as "1.7": group and port."""
    object: _ObjectName = objects.POE_ADMIN
    """1 gives power, 2 takes it."""
    pause_s: Annotated[float, Meta(ge=0.1, le=20)] = PAUSE_S


class SnmpSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the agent is, and who we are to it."""

    host: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,253}$")]
    port: Annotated[int, Meta(ge=1, le=65535)] = 161
    community: Annotated[str, Meta(pattern=r"^[!-~]{1,64}$")] | None = None
    write_community: Annotated[str, Meta(pattern=r"^[!-~]{1,64}$")] | None = None
    user: User | None = None
    poe: Poe | None = None
    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 4.0


class _TooMuch(BadAnswer):
    """Less at once may be answered."""


class Snmp(Driver):
    """One agent. An observation ends within `timeout_s` seconds or raises DriverError."""

    Settings = SnmpSettings
    settings: SnmpSettings

    def __init__(self, settings: SnmpSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        if settings.user is None and settings.community is None:
            raise Misconfigured(f"SNMP {settings.host}: give a community (v2c) or a user (v3)")
        self._at_once, self._was_silent = AT_ONCE, False

    def observe(self) -> Observation:
        """Identity, uptime, ports, and a UPS's own objects where there are any."""
        poe = self.settings.poe
        ports = poe.ports if poe else ()
        poe_object = poe.object if poe else objects.POE_ADMIN
        told = self._told((*objects.SCALARS, *(f"{poe_object}.{port}" for port in ports)))
        if told.get(objects.SYS_UPTIME) is None:
            raise BadAnswer(f"SNMP {self.settings.host}: an agent without sysUpTime is not allowed to show us itself")
        return Observation(
            seen_s=self.clock.monotonic(),
            readings=objects.readings_of(told, ports, poe_object),
            identity=objects.identity_of(told),
            actions=self._actions(),
        )

    def act(self, action: str, params: Params, progress: Progress) -> Params:
        """Take a port's power and give it back, reading each back. It is given back whatever happens in between."""
        poe = self.settings.poe
        if poe is None or action not in {spec.action for spec in self._actions()}:
            raise NotOffered(action)
        name = f"{poe.object}.{params['port']}"
        began_s = self.clock.monotonic()
        try:
            self._set(name, objects.POE_OFF)
            progress("outlet_off")
            Event().wait(poe.pause_s)
        finally:
            self._set(name, objects.POE_ON)
        return {"took_s": round(self.clock.monotonic() - began_s, 1)}

    def mark(self, action: str, params: Params) -> str | None:
        """The port that will be without power for a while."""
        return str(params["port"]) if action == "cycle_port" else None

    def give_back(self, action: str, mark: str) -> None:
        """Power to the port: nobody else knows that it was ever taken."""
        if self.settings.poe is not None:
            self._set(f"{self.settings.poe.object}.{mark}", objects.POE_ON)

    def cuts(self, action: str, params: Params) -> str | None:
        """The port."""
        return str(params["port"]) if action == "cycle_port" else None

    def _told(self, names: Sequence[str]) -> dict[str, object]:
        """All that is asked for. Cards of some UPSs are silent to a request for many objects, or say tooBig, and answer
        each alone: one that was silent last time and now answers to its uptime is asked so, from then on."""
        until_s, timeout_s = self.clock.monotonic() + self.settings.timeout_s, self.settings.timeout_s
        if self._was_silent and self._at_once > 1:
            self._read(self._line(within_s=timeout_s / 4), (objects.SYS_UPTIME,), ())
            timeout_s /= 4
        if self._at_once > 1:
            try:
                told = self._read(self._line(within_s=timeout_s), names)
            except NotAnswering:
                if not self._was_silent:
                    self._was_silent = True
                    raise
            except _TooMuch:
                pass
            else:
                self._was_silent = False
                return told
        left_s = max(0.1, until_s - self.clock.monotonic())
        told = self._read(self._line(within_s=left_s, at_once=1), names)
        self._at_once = 1
        return told

    def _read(self, line: Line, names: Sequence[str], columns: Sequence[str] = _COLUMNS) -> dict[str, object]:
        try:
            return line.get(names) | (line.columns(columns) if columns else {})
        except TooBig as error:
            raise _TooMuch(f"{line.where}: it says that its answer would be too big") from error
        except AuthorizationError as error:
            raise WrongCredentials(f"{line.where}: this user may not read") from error
        except ErrorResponse as error:
            raise BadAnswer(f"{line.where}: it refuses to be read: {type(error).__name__}") from error

    def _set(self, name: str, value: int) -> None:
        """Set, and read back until it is so; datagrams get lost in both directions."""
        said: object = None
        until_s = self.clock.monotonic() + 2 * self.settings.timeout_s
        while True:
            with suppress(NotAnswering):
                self._line(to_write=True).set(name, value)
                said = self._read(self._line(), (name,), ())[name]
            if said == value:
                return
            if self.clock.monotonic() >= until_s:
                raise ActFailed("no_effect_seen")
            Event().wait(_PERIOD_S)

    def _line(self, to_write: bool = False, within_s: float | None = None, at_once: int = AT_ONCE) -> Line:
        given = self.settings
        return Line(given.host, given.port, self._credentials(to_write), within_s or given.timeout_s, at_once)

    def _credentials(self, to_write: bool) -> V2C | V3:
        """Version 3 where a user is named, else 2c."""
        given = self.settings
        if given.user is not None:
            auth = Auth(given.user.auth.encode(), given.user.auth_method) if given.user.auth else None
            priv = Priv(given.user.priv.encode(), given.user.priv_method) if given.user.priv else None
            return V3(given.user.name, auth, priv)
        community = given.write_community if to_write else given.community
        if community is None:
            raise Misconfigured(f"SNMP {given.host}: no community to {'write' if to_write else 'read'} with")
        return V2C(community)

    def _actions(self) -> tuple[ActionSpec, ...]:
        """Only where the configuration names ports, and something to write with."""
        given = self.settings
        if given.poe is None or not given.poe.ports or (given.user is None and given.write_community is None):
            return ()
        (spec,) = description_of("snmp").actions
        params = (msgspec.structs.replace(spec.params[0], values=given.poe.ports),)
        return (msgspec.structs.replace(spec, params=params),)


DRIVER = Snmp
