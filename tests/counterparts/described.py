"""Devices that only a description makes: Debian's umockdev shows them to a child process as sysfs and udev would."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

UMOCKDEV = shutil.which("umockdev-run")
_ROOT = Path(__file__).parents[2]


def told_with(devices: str, folder: Path, code: str, **environment: str) -> Any:
    """What `code` prints as JSON, in a process that sees these devices and no others."""
    description = folder / "devices.umockdev"
    description.write_text(devices)
    ran = subprocess.run(
        [str(UMOCKDEV), "--device", str(description), "--", sys.executable, "-c", code], capture_output=True, text=True,
        timeout=60, check=False, env=os.environ | {"PYTHONPATH": str(_ROOT)} | environment,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2_000:]
    return json.loads(ran.stdout)


def program(folder: Path, name: str, script: str) -> str:
    """A program of this name before all others; the PATH that finds it."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(script)
    file.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
