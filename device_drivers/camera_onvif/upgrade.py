"""A camera gets other firmware: the image goes where the camera says, and what it runs is read when it is back.

ONVIF Core specification, firmware upgrade over HTTP; device WSDL (ver10/device), StartFirmwareUpgrade: the camera names
an address and a delay, takes the image by one HTTP POST, writes it, and restarts by itself.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import requests

from device_drivers.camera_onvif.soap import Services
from device_drivers.driver import GONE, Progress
from device_drivers.errors import ActFailed, DriverError, WrongCredentials
from wire.fields import Params
from wire.times import Clock

_LONGEST_DELAY_S = 120.0
_UPLOAD_WITHIN_S = 600.0
_GOES_AWAY_WITHIN_S = 30.0
"""A camera that was cut off and restarts has gone by then."""
_LOOK_S = 1.0
_REFUSED, _NOT_ALLOWED = 415, (401, 403)


class Upgrade:
    """One upgrade of one camera. `firmware` asks it what it runs, and raises DriverError while it is away."""

    def __init__(self, services: Services, clock: Clock, firmware: Callable[[], str], progress: Progress) -> None:
        self._services, self._clock, self._firmware, self._progress = services, clock, firmware, progress

    def carry_out(self, begun: Any, image: Path, version: str, within_s: float) -> Params:
        """`begun`: the camera's answer to StartFirmwareUpgrade. Raises ActFailed, DriverError."""
        until_s = self._clock.monotonic() + within_s
        Event().wait(min(_LONGEST_DELAY_S, _seconds(begun.UploadDelay)))
        began_s = self._clock.monotonic()
        self._progress("image_goes", mb=round(image.stat().st_size / 1e6, 1))
        is_whole = self._send(str(begun.UploadUri), image)
        if is_whole:
            self._progress("image_taken", took_s=round(self._clock.monotonic() - began_s, 1))
        found = self._see_it_back(version, is_whole, until_s)
        return {"firmware": found, "took_s": round(self._clock.monotonic() - began_s, 1)}

    def _send(self, address: str, image: Path) -> bool:
        """Whether the camera said that it has all of it; one that restarts at the last byte says nothing."""
        try:
            status = self._services.upload(address, image, _UPLOAD_WITHIN_S)
        except (requests.RequestException, DriverError):
            return False
        if status in _NOT_ALLOWED:
            raise WrongCredentials("the camera refuses user name or password for firmware")
        if status == _REFUSED:
            raise ActFailed("image_refused")
        if status >= 300:
            raise ActFailed("camera_failed", status=status)
        return True

    def _see_it_back(self, version: str, is_whole: bool, until_s: float) -> str:
        """What it runs, once that is the version. Raises ActFailed."""
        asked_s, gone_s, missed = self._clock.monotonic(), None, 0
        while self._clock.monotonic() < until_s:
            try:
                found = self._firmware()
            except DriverError:
                missed += 1
                if gone_s is None and missed > 1:  # one question may be lost on a camera that is busy with its flash
                    gone_s = self._clock.monotonic()
                    self._progress(GONE, after_s=round(gone_s - asked_s, 1))
            else:
                missed = 0
                if names(found, version):
                    return found
                if gone_s is not None:
                    raise ActFailed("old_firmware" if is_whole else "upload_broke", found=found[:60])
                if not is_whole and self._clock.monotonic() - asked_s > _GOES_AWAY_WITHIN_S:
                    raise ActFailed("upload_broke", found=found[:60])
            Event().wait(_LOOK_S if missed != 1 else _LOOK_S / 2)
        raise ActFailed("did_not_go_away" if gone_s is None else "did_not_come_back")


def names(firmware: str, version: str) -> bool:
    """Whether a camera's text names this version: `V5.7.15 build 210628` names `V5.7.15`, and not `V5.7.1`."""
    return re.search(rf"(?<![\w.]){re.escape(version)}(?![\w.])", firmware) is not None


def _seconds(said: object) -> float:
    return max(0.0, said.total_seconds()) if isinstance(said, timedelta) else 0.0
