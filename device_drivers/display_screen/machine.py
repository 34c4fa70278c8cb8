"""A screen of the computer that the agent runs on: told by the kernel (DRM), switched over DDC/CI by ddcutil."""

import re
from pathlib import Path

from device_drivers.display_screen.edid import BLOCK_BYTES, ScreenIdentity, identity_in
from device_drivers.display_screen.facts import ScreenFacts
from device_drivers.errors import ActFailed, BadAnswer, DriverError, NotAnswering
from device_drivers.programs import said_by

_DRM = Path("/sys/class/drm")
_CONNECTOR = re.compile(r"card\d+-(?!Writeback)(.+)$")
_POWER, _INPUT = "d6", "60"
_ON, _OFF = 0x01, 0x04
"""VESA MCCS 2.2a, VCP code D6h: 1 on, 4 off by soft switch."""


class OwnScreen:
    """`connector`: such as HDMI-A-1; None is the first where a screen is connected."""

    def __init__(self, connector: str | None, timeout_s: float) -> None:
        self._connector, self._timeout_s = connector, timeout_s

    def facts(self) -> ScreenFacts:
        """One look at the kernel's files."""
        if (found := self._found()) is None:
            return ScreenFacts(connected=False)
        connector, folder = found
        who = _identity(folder / "edid")
        width, height = _size(_said(folder / "modes"))
        return ScreenFacts(
            connected=True, make=who.make, model=who.model, serial=who.serial, connector=connector,
            power="on" if _said(folder / "enabled") == "enabled" and _said(folder / "dpms") == "On" else "off",
            width=width, height=height,
        )  # fmt: skip

    def can_switch(self) -> bool:
        """Whether the screen answers over DDC/CI."""
        try:
            return self._get(_POWER) is not None
        except DriverError:
            return False

    def switch(self, on: bool) -> None:
        """Tell it; whether it did is asked afterwards. Raises DriverError."""
        self._set(_POWER, _ON if on else _OFF)

    def is_on(self) -> bool | None:
        """Whether the screen itself says that it is on. Raises DriverError."""
        value = self._get(_POWER)
        return None if value is None else value == _ON

    def choose(self, value: int) -> None:
        """Tell it to show an input. Raises DriverError."""
        self._set(_INPUT, value)

    def shown(self) -> int | None:
        """The input that it shows. Raises DriverError."""
        return self._get(_INPUT)

    def _found(self) -> tuple[str, Path] | None:
        for folder in sorted(_DRM.glob("card*-*")):
            name = _CONNECTOR.match(folder.name)
            if name is None or self._connector not in (None, name[1]):
                continue
            if _said(folder / "status") == "connected":
                return name[1], folder
        return None

    def _which(self) -> tuple[str, str]:
        """This very screen, for ddcutil, which else speaks to the first that answers."""
        found = self._found()
        edid = _bytes(found[1] / "edid")[:BLOCK_BYTES] if found is not None else b""
        if len(edid) < BLOCK_BYTES:
            raise NotAnswering("screen: it has no EDID, so ddcutil cannot tell it from others")
        return "--edid", edid.hex()

    def _get(self, code: str) -> int | None:
        said = said_by(["ddcutil", "getvcp", code, "--terse", *self._which()], self._timeout_s)
        found = re.search(rf"^VCP {code} SNC x([0-9a-f]{{2}})", said or "", re.IGNORECASE | re.MULTILINE)
        return int(found[1], 16) if found else None

    def _set(self, code: str, value: int) -> None:
        """Raises ActFailed where ddcutil could not hand it over: silence must not pass for a screen that went off."""
        command = ["ddcutil", "setvcp", code, f"0x{value:02x}", "--noverify", *self._which()]
        if said_by(command, self._timeout_s) is None:
            raise ActFailed("refused_by_device", said="ddcutil setvcp")


def _said(file: Path) -> str:
    try:
        return file.read_text(errors="replace").split("\n")[0].strip()
    except OSError:
        return ""


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _identity(file: Path) -> ScreenIdentity:
    try:
        return identity_in(_bytes(file))
    except BadAnswer:
        return ScreenIdentity()  # an adapter on the way may eat it; the screen is there all the same


def _size(mode: str) -> tuple[int | None, int | None]:
    found = re.match(r"(\d{1,5})x(\d{1,5})", mode)
    return (int(found[1]), int(found[2])) if found else (None, None)
