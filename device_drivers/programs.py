"""Small programs of the system, run with a deadline and a bound."""

import os
import subprocess
from collections.abc import Mapping, Sequence

from device_drivers.errors import Misconfigured, NotAnswering

_MOST_BYTES = 1_000_000


def said_by(command: Sequence[str], within_s: float, more: Mapping[str, str] | None = None) -> str | None:
    """Standard output; None where the program says that it could not. Raises NotAnswering, Misconfigured."""
    try:
        environment = {**os.environ, "LC_ALL": "C", **(more or {})}
        ran = subprocess.run(command, capture_output=True, timeout=within_s, check=False, env=environment)
    except FileNotFoundError as error:
        raise Misconfigured(f"{command[0]}: no such program; install the package that brings it") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotAnswering(f"{command[0]}: no answer within {within_s:g} s") from error
    return ran.stdout[:_MOST_BYTES].decode("utf-8", "replace") if ran.returncode == 0 else None
