"""Where a room's secrets are that room.toml takes from the environment: set for this process, or for the service alone.

The service is given `/etc/diemcau/agent.env` by systemd (EnvironmentFile=); whoever types a command is not.
"""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

NAME = "agent.env"
_MAX_BYTES = 65_536


def environment_beside(config: Path) -> tuple[Mapping[str, str], str]:
    """The variables, and why the file beside room.toml said nothing; empty where it did, or is not there.

    Form: systemd.exec(5), EnvironmentFile=, without values that go over several lines.
    """
    file = config.parent / NAME
    try:
        with file.open(encoding="utf-8") as opened:
            text = opened.read(_MAX_BYTES)
        return {**_parsed(text), **os.environ}, ""
    except FileNotFoundError:
        return os.environ, ""
    except (OSError, ValueError) as error:
        return os.environ, f"; {file} cannot be read ({error})"


def _parsed(text: str) -> dict[str, str]:
    found = {}
    for line in text.splitlines():
        name, is_set, value = line.strip().partition("=")
        if not is_set or name.startswith(("#", ";")):
            continue
        value = value.strip()
        found[name.strip()] = "".join(shlex.split(value)) if value[:1] in ("'", '"') else value
    return found
