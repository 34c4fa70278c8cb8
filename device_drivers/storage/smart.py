"""A disk's own opinion of itself, through smartctl (smartmontools) and its JSON output."""

import json
import subprocess
from typing import Any

from msgspec import Struct

from wire.times import Clock

_EVERY_S = 600.0
_WITHIN_S = 10.0
_MOST_BYTES = 262_144


class SmartFacts(Struct, frozen=True):
    """None where the disk does not tell: many USB bridges and all virtual disks."""

    healthy: bool | None = None
    temperature: float | None = None
    hours: float | None = None
    make: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""


class Smart:
    """Asked every ten minutes: it wakes a sleeping disk."""

    def __init__(self, device: str, program: str, clock: Clock) -> None:
        self._command = [program, "-j", "-i", "-H", "-A", device]
        self._clock = clock
        self._known: tuple[float, SmartFacts] | None = None

    def read(self) -> SmartFacts:
        """Never fails: what cannot be had is unknown."""
        now_s = self._clock.monotonic()
        if self._known is None or now_s >= self._known[0] + _EVERY_S:
            self._known = (now_s, self._ask())
        return self._known[1]

    def _ask(self) -> SmartFacts:
        try:
            # The exit status is a set of bits about the disk; the answer is good with any of them.
            ran = subprocess.run(self._command, capture_output=True, timeout=_WITHIN_S, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return SmartFacts()
        return smart_of(ran.stdout[:_MOST_BYTES])


def smart_of(answer: bytes) -> SmartFacts:
    """What `smartctl -j -i -H -A` says; anything else is an empty SmartFacts."""
    try:
        told = json.loads(answer)
    except (ValueError, RecursionError):
        return SmartFacts()
    passed = _at(told, "smart_status", "passed")
    return SmartFacts(
        healthy=passed if isinstance(passed, bool) else None,
        temperature=_number(_at(told, "temperature", "current"), -40, 150),
        hours=_number(_at(told, "power_on_time", "hours"), 0, 1e7),
        make=_text(_at(told, "model_family")),
        model=_text(_at(told, "model_name")) or _text(_at(told, "scsi_model_name")),
        serial=_text(_at(told, "serial_number")),
        firmware=_text(_at(told, "firmware_version")),
    )


def _at(told: Any, *keys: str) -> Any:
    for key in keys:
        told = told.get(key) if isinstance(told, dict) else None
    return told


def _number(value: Any, low: float, high: float) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and low <= value <= high else None


def _text(value: Any) -> str:
    return value[:120] if isinstance(value, str) else ""
