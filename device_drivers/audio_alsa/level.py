"""How loud it is, in dBFS, over two seconds. The sound itself stays in this function's memory and goes nowhere."""

import math
import subprocess
import threading
from array import array
from collections.abc import Mapping, Sequence

from msgspec import Struct

from device_drivers.errors import ActFailed

RATE = 16_000
SECONDS = 2.0
_WITHIN_S = SECONDS + 4.0
_BYTES = int(RATE * SECONDS) * 2
_FULL_SCALE = 32_768.0
SILENCE_DBFS = -100.0
"""Below what 16 bits can say; absolute silence is told as this."""


class Level(Struct, frozen=True):
    """Peak and root mean square of 16-bit samples, in dB below full scale."""

    peak_dbfs: float
    rms_dbfs: float


def measure(command: Sequence[str], more: Mapping[str, str]) -> Level:
    """Listen through a program until there are two seconds. Raises ActFailed when they do not come."""
    try:
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=dict(more)
        )
    except OSError as error:
        raise ActFailed("cannot_listen", error=f"{command[0]}: {error.strerror}") from error
    deadline = threading.Timer(_WITHIN_S, child.kill)
    deadline.start()
    try:
        assert child.stdout is not None
        sound = child.stdout.read(_BYTES)
    finally:
        deadline.cancel()
        child.kill()
        child.wait()
        child.stdout.close()  # type: ignore[union-attr]
    if len(sound) < _BYTES:
        raise ActFailed("cannot_listen", error=f"{len(sound) / 2 / RATE:.1f} s")
    return level_of(sound)


def level_of(sound: bytes) -> Level:
    """Of little-endian 16-bit samples; there must be one at least."""
    samples = array("h", sound[: len(sound) // 2 * 2])
    peak = max(max(samples), -min(samples)) / _FULL_SCALE
    mean_square = sum(sample * sample for sample in samples) / len(samples)
    return Level(_dbfs(peak), _dbfs(math.sqrt(mean_square) / _FULL_SCALE))


def _dbfs(ratio: float) -> float:
    return round(max(SILENCE_DBFS, 20 * math.log10(ratio)), 2) if ratio > 0 else SILENCE_DBFS
