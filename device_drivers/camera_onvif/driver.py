"""One ONVIF camera (Profile S). Operations: ONVIF Core, Media and PTZ service specifications."""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Annotated, Any

import msgspec
import onvif
import zeep.exceptions
from msgspec import Meta, Struct

from device_drivers.camera_onvif.border import cause_of, foreign_errors_of, is_not_offered, is_refusal
from device_drivers.camera_onvif.layout import Layout, look_round
from device_drivers.camera_onvif.soap import Services
from device_drivers.camera_onvif.upgrade import Upgrade, names
from device_drivers.driver import GONE, Driver, Observation, Progress
from device_drivers.errors import (
    ActFailed,
    BadAnswer,
    DriverError,
    NotAnswering,
    NotOffered,
    WrongClock,
    WrongCredentials,
)
from device_drivers.frame import FrameNumbers, numbers_of
from device_drivers.registry import description_of
from wire.description import ActionSpec
from wire.fields import Params, Value
from wire.times import Clock

_PERIOD_S = 0.5
_GOES_AWAY_WITHIN_S = 30.0
_LOOK_ROUND_EVERY_S = 120.0
_ACCEPTED_SKEW_S = 300.0
"""Cameras refuse a digest whose time is further off than this."""


class CameraSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the camera is and how it knows us."""

    host: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,253}$")]
    username: Annotated[str, Meta(max_length=64)] = ""
    password: Annotated[str, Meta(max_length=128)] = ""
    port: Annotated[int, Meta(ge=1, le=65535)] = 80
    path: Annotated[str, Meta(pattern=r"^/[^\s]{0,200}$")] = "/onvif/device_service"
    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 3.0


class CameraOnvif(Driver):
    """One camera. A call to it ends within `timeout_s` seconds or raises DriverError."""

    Settings = CameraSettings
    settings: CameraSettings

    def __init__(self, settings: CameraSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._services = Services(
            settings.host, settings.port, settings.username, settings.password, settings.timeout_s
        )
        self._layout: Layout | None = None
        self._looked_s = 0.0
        self._skew_s = 0.0
        self._refused: set[str] = set()
        self._wants_a_name = False
        self._frame: tuple[bytes, float] | None = None

    def observe(self) -> Observation:
        """Clock, then identity and profiles when they are not known yet, then one frame as numbers."""
        try:
            with self._border():
                self._set_skew()
                layout = self._known_layout()
        except DriverError:
            self._layout = None  # whoever answers next may be another camera
            raise
        frame = self._look_at_frame(layout)
        readings: dict[str, Value] = {
            "clock_skew": round(self._skew_s, 1),
            "profiles": layout.profiles,
            "width": layout.width,
            "height": layout.height,
            "stream": layout.stream,
            "ntp_server": layout.ntp_server,
            "frame": frame is not None,
            "brightness": frame.brightness if frame else None,
            "contrast": frame.contrast if frame else None,
            "frame_unchanged": self._unchanged_s(frame),
        }
        return Observation(self.clock.monotonic(), readings, identity=layout.identity, actions=self._actions(layout))

    def act(self, action: str, params: Params, progress: Progress) -> Params:
        """Reboot (proved by its going and coming back), move to a preset, set the NTP server, take other firmware (both
        read back)."""
        self._layout = None
        with self._border():
            self._set_skew()
            layout = self._known_layout()
        if action not in {spec.action for spec in self._actions(layout)}:
            raise NotOffered(action)
        started_s = self.clock.monotonic()
        if action == "reboot":
            return self._reboot(progress)
        if action == "upgrade_firmware":
            return self._upgrade(layout, str(params["image"]), str(params["version"]), progress)
        if action == "go_to_preset":
            self._ask(action, "ptz", layout.ptz or "", "GotoPreset",
                      {"ProfileToken": layout.profile, "PresetToken": params["preset"]})  # fmt: skip
        else:
            server = str(params["server"])
            kind = {"Type": "IPv4", "IPv4Address": server} if _is_ipv4(server) else {"Type": "DNS", "DNSname": server}
            self._ask(action, "devicemgmt", self.settings.path, "SetNTP", {"FromDHCP": False, "NTPManual": [kind]})
            found = self._ask(action, "devicemgmt", self.settings.path, "GetNTP")
            servers = {entry.DNSname or entry.IPv4Address for entry in found.NTPManual or ()}
            if server not in servers:
                raise ActFailed("not_kept", wanted=server)
            self._layout = None  # what it said of its server is no longer so
        return {"took_s": round(self.clock.monotonic() - started_s, 1)}

    def close(self) -> None:
        """Close the connections."""
        self._services.close()

    def _reboot(self, progress: Progress) -> Params:
        with suppress(NotAnswering):  # it may be gone before it has answered; whether it did it is seen below
            self._ask("reboot", "devicemgmt", self.settings.path, "SystemReboot")
        progress("asked")
        asked_s = self.clock.monotonic()
        takes_s = _takes_s("reboot")
        self._wait_until(self._is_gone, asked_s + _GOES_AWAY_WITHIN_S, "did_not_go_away")
        gone_s = self.clock.monotonic()
        progress(GONE, after_s=round(gone_s - asked_s, 1))
        self._wait_until(self._is_back, asked_s + takes_s, "did_not_come_back")
        away_s = round(self.clock.monotonic() - gone_s, 1)
        progress("back", away_s=away_s)
        return {"away_s": away_s}

    def _upgrade(self, layout: Layout, image: str, version: str, progress: Progress) -> Params:
        if names(layout.identity.firmware, version):
            return {"firmware": layout.identity.firmware}
        file = self.image(image)
        if file is None:
            raise ActFailed("image_not_here")
        begun = self._ask("upgrade_firmware", "devicemgmt", self.settings.path, "StartFirmwareUpgrade")
        self._frame = None
        upgrade = Upgrade(self._services, self.clock, self._firmware, progress)
        try:
            return upgrade.carry_out(begun, file, version, _takes_s("upgrade_firmware"))
        finally:
            self._layout = None
            self._services.forget()

    def _firmware(self) -> str:
        """What it runs now; its clock may have been lost with its power."""
        with self._border():
            self._set_skew()
            said = self._services.service("devicemgmt", self.settings.path).GetDeviceInformation()
        return str(said.FirmwareVersion or "").strip()

    def _wait_until(self, is_so: Callable[[], bool], until_s: float, otherwise: str) -> None:
        while not is_so():
            if self.clock.monotonic() >= until_s:
                raise ActFailed(otherwise)
            Event().wait(_PERIOD_S)

    def _is_gone(self) -> bool:
        """Twice in a row: one question may be lost on a camera that stays where it is."""
        for pause_s in (_PERIOD_S, 0.0):
            try:
                with self._border():
                    self._camera_time()
            except NotAnswering:
                Event().wait(pause_s)
                continue
            except DriverError:
                pass  # it answers, whatever it says
            return False
        return True

    def _is_back(self) -> bool:
        """Whether it answers all that we ask of it: its media may begin long after its clock."""
        try:
            with self._border():
                self._camera_time()
        except DriverError:
            return False
        self._layout = None
        self._frame = None
        self._services.forget()
        try:
            self.observe()
        except (NotAnswering, BadAnswer):
            return False
        return True

    def _camera_time(self) -> datetime:
        """The camera's UTC; the one question that a camera answers to anybody (Core, 5.12.1.1).

        So nobody is named: a digest goes by the camera's own time, which is what is asked here, and some makes refuse
        one whose time is wrong. Others want a name all the same.
        """
        said = None
        if not self._wants_a_name:
            try:
                said = self._services.open_service("devicemgmt", self.settings.path).GetSystemDateAndTime()
            except onvif.ONVIFError as error:
                if not is_refusal(cause_of(error)):
                    raise
                self._wants_a_name = True
        if said is None:
            said = self._services.service("devicemgmt", self.settings.path).GetSystemDateAndTime()
        utc = said.UTCDateTime
        if utc is None:
            raise BadAnswer(f"{self.settings.host}: the camera does not tell its time in UTC")
        day, hour = utc.Date, utc.Time
        return datetime(day.Year, day.Month, day.Day, hour.Hour, hour.Minute, min(hour.Second, 59), tzinfo=UTC)

    def _set_skew(self) -> None:
        self._skew_s = (self._camera_time() - self.clock.now()).total_seconds()
        skew = timedelta(seconds=round(self._skew_s))
        if abs((skew - self._services.skew).total_seconds()) > 30:
            self._services.skew = skew
            self._services.forget()

    def _known_layout(self) -> Layout:
        now_s = self.clock.monotonic()
        if self._layout is None or now_s - self._looked_s > _LOOK_ROUND_EVERY_S:
            self._layout, self._looked_s = look_round(self._services, self.settings.path), now_s
        return self._layout

    def _look_at_frame(self, layout: Layout) -> FrameNumbers | None:
        if layout.snapshot is None:
            return None
        with suppress(BadAnswer), self._border():
            return numbers_of(self._services.picture(layout.snapshot))
        return None

    def _unchanged_s(self, frame: FrameNumbers | None) -> float | None:
        if frame is None:
            self._frame = None
            return None
        now_s = self.clock.monotonic()
        if self._frame is None or self._frame[0] != frame.fingerprint:
            self._frame = (frame.fingerprint, now_s)
        return round(now_s - self._frame[1], 1)

    def _actions(self, layout: Layout) -> tuple[ActionSpec, ...]:
        offered = []
        for spec in description_of("camera_onvif").actions:
            if spec.action in self._refused or (spec.action == "set_ntp" and layout.ntp_server is None):
                continue
            if spec.action == "upgrade_firmware" and not layout.takes_firmware:
                continue
            if spec.action == "go_to_preset":
                if not layout.presets:
                    continue
                preset = msgspec.structs.replace(spec.params[0], type="choice", values=layout.presets)
                spec = msgspec.structs.replace(spec, params=(preset,))
            offered.append(spec)
        return tuple(offered)

    def _ask(self, action: str, service: str, path: str, operation: str, wants: Any = None) -> Any:
        """An operation of an act; a camera that says it has no such thing is not asked again."""
        with self._border():
            try:
                return getattr(self._services.service(service, path), operation)(wants)
            except onvif.ONVIFError as error:
                cause = cause_of(error)
                if isinstance(cause, zeep.exceptions.Fault) and is_not_offered(cause):
                    self._refused.add(action)
                    raise NotOffered(action) from error
                raise

    def _border(self) -> AbstractContextManager[None]:
        where = f"camera {self.settings.host}:{self.settings.port}"
        return foreign_errors_of(where, lambda: self._refusal(where))

    def _refusal(self, where: str) -> DriverError:
        if abs(self._skew_s) > _ACCEPTED_SKEW_S:
            return WrongClock(f"{where}: it refuses us and its clock is {self._skew_s:.0f} s off; set its clock first")
        return WrongCredentials(f"{where}: it refuses user name or password")


def _takes_s(action: str) -> float:
    return next(spec.takes_s for spec in description_of("camera_onvif").actions if spec.action == action)


def _is_ipv4(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 4 and all(part.isdigit() and int(part) < 256 for part in parts)


DRIVER = CameraOnvif
