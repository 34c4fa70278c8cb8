"""OSC addresses of the two families, and their answers as readings. Pure.

Source: "Unofficial X32/M32 OSC Remote Protocol" (P.-G. Maillot): /info, channel and main strips, fader law, /-show and
/-action, /meters/1; "X AIR Mixer Series Remote Control Protocol" (Behringer): the same strips, /lr, /-snap, meters as
16-bit numbers of 1/256 dB.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from device_drivers.driver import Identity
from device_drivers.errors import BadAnswer
from device_drivers.mixer_osc.description import HIGHEST_DB
from wire.fields import Value

Family = Literal["x32", "xair"]
Answers = Mapping[str, Sequence[object]]
"""Address -> arguments of its newest answer."""

INFO, METERS = "/info", "/meters/1"
_QUIETEST_DBFS = -128.0
_SLOPES = ((0.5, 40.0, 30.0), (0.25, 80.0, 50.0), (0.0625, 160.0, 70.0), (0.0, 480.0, 90.0))
"""The fader law: from this position on, dB = slope x position - offset."""
_MIDAS = ("M32", "MR")


class Addresses(Struct, frozen=True):
    """Where a family keeps what we ask for."""

    port: int
    channels: int
    main: str
    scene: str
    recall: str

    def strip(self, target: str) -> str:
        """The strip of `main`, or of a channel by its number."""
        return self.main if target == "main" else f"/ch/{int(target):02d}/mix"


FAMILIES: Mapping[Family, Addresses] = {
    "x32": Addresses(10023, 32, "/main/st/mix", "/-show/prepos/current", "/-action/goscene"),
    "xair": Addresses(10024, 16, "/lr/mix", "/-snap/index", "/-snap/load"),
}


def questions_of(family: Family, channels: Sequence[int]) -> tuple[str, ...]:
    """What one observation asks, each answered under its own address."""
    at = FAMILIES[family]
    strips = (at.main, *(at.strip(str(channel)) for channel in channels))
    return (INFO, at.scene, *(f"{strip}/{part}" for strip in strips for part in ("on", "fader")))


def readings_of(family: Family, channels: Sequence[int], answers: Answers) -> dict[str, Value]:
    """The readings in a mixer's answers; None for what it did not answer. Raises BadAnswer."""
    at = FAMILIES[family]
    heard = {channel: _is_on(answers, at.strip(str(channel))) for channel in channels}
    faders = [_fader(answers, at.strip(str(channel))) for channel in channels]
    main = _is_on(answers, at.main)
    known = [on for on in heard.values() if on is not None]
    whole = len(known) == len(channels)
    scene = _number(answers, at.scene)
    return {
        "main_muted": None if main is None else not main,
        "main_fader": _fader(answers, at.main),
        "mic_muted": not all(known) if whole else None,
        "mic_fader": None if None in faders else min(level for level in faders if level is not None),
        "muted_channels": ", ".join(str(channel) for channel, on in heard.items() if not on) if whole else None,
        "input_level": _level(family, channels, answers),
        "scene": None if scene is None else int(scene),
    }


def identity_of(answers: Answers) -> Identity:
    """Model and firmware in the answer to /info: server version, name, model, firmware. Raises BadAnswer."""
    said = answers[INFO]
    if len(said) != 4 or not all(isinstance(part, str) for part in said):
        raise BadAnswer(f"/info answered with {str(said)[:80]}, not with four texts")
    model, firmware = str(said[2])[:120], str(said[3])[:120]
    return Identity(make="Midas" if model.startswith(_MIDAS) else "Behringer", model=model, firmware=firmware)


def db_of(position: float) -> float:
    """The fader law: 0.75 is 0 dB, 0.0 is closed."""
    slope, offset = next((slope, offset) for start, slope, offset in _SLOPES if position >= start)
    return round(min(HIGHEST_DB, slope * position - offset), 1)


def position_of(db: float) -> float:
    """The fader law backwards."""
    slope, offset = next((s, o) for start, s, o in _SLOPES if db >= s * start - o)
    return min(1.0, (db + offset) / slope)


def peak_of(family: Family, blob: bytes, channels: Sequence[int]) -> float:
    """The loudest of these channels in a meters blob, in dBFS. Raises BadAnswer."""
    layout = "<f" if family == "x32" else "<h"
    try:
        (count,) = struct.unpack_from("<i", blob)
        if not 0 < count <= 512 or len(blob) < 4 + count * struct.calcsize(layout):
            raise BadAnswer(f"a meters blob of {len(blob)} bytes that says it holds {count} values")
        size = struct.calcsize(layout)
        values = [struct.unpack_from(layout, blob, 4 + (channel - 1) * size)[0] for channel in channels]
    except struct.error as error:
        raise BadAnswer(f"a meters blob of {len(blob)} bytes: {error}") from error
    return max(_dbfs(family, value) for value in values)


def _dbfs(family: Family, value: float) -> float:
    if family == "xair":
        return round(max(_QUIETEST_DBFS, value / 256), 1)
    if not math.isfinite(value):
        raise BadAnswer(f"a meter shows {value}")
    return round(min(40.0, max(_QUIETEST_DBFS, 20 * math.log10(value))), 1) if value > 0 else _QUIETEST_DBFS


def _level(family: Family, channels: Sequence[int], answers: Answers) -> float | None:
    said = answers.get(METERS)
    if said is None:
        return None
    if len(said) != 1 or not isinstance(said[0], bytes):
        raise BadAnswer(f"{METERS} answered with {str(said)[:80]}, not with a blob")
    return peak_of(family, said[0], channels)


def _is_on(answers: Answers, strip: str) -> bool | None:
    found = _number(answers, f"{strip}/on")
    return None if found is None else found >= 1


def _fader(answers: Answers, strip: str) -> float | None:
    position = _number(answers, f"{strip}/fader")
    if position is None:
        return None
    if not 0 <= position <= 1:
        raise BadAnswer(f"{strip}/fader is {position}, not within 0 and 1")
    return db_of(position)


def _number(answers: Answers, address: str) -> float | None:
    said = answers.get(address)
    if said is None:
        return None
    found = said[0] if len(said) == 1 and not isinstance(said[0], bool) else None
    if not isinstance(found, int | float) or not math.isfinite(found):
        raise BadAnswer(f"{address} answered with {str(said)[:80]}, not with a number")
    return float(found)
