"""Where the releases of this machine lie, and which is in use."""

import os
import subprocess
from pathlib import Path

from release.manifest import ReleaseError

HOME = Path(os.environ.get("DIEMCAU_HOME", "/opt/diemcau"))
CURRENT, WHOLE = "current", "WHOLE"
"""The link to the one in use; the file of one that is all there."""


def current() -> str | None:
    """The release in use."""
    try:
        return (HOME / CURRENT).readlink().name
    except OSError:
        return None


def point_to(version: str) -> None:
    """At once or not at all (rename(2)), and on the disk when this returns."""
    new = HOME / f".{CURRENT}.new"
    new.unlink(missing_ok=True)
    new.symlink_to(version)
    new.replace(HOME / CURRENT)
    sync(HOME)


def sync(path: Path) -> None:
    """On the disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def run(command: list[str], within_s: float, check: bool = True) -> int:
    """Its exit status. Raises ReleaseError, OSError, subprocess.SubprocessError."""
    ran = subprocess.run(command, capture_output=True, text=True, timeout=within_s, check=False)
    if check and ran.returncode != 0:
        said = (ran.stderr or ran.stdout).strip().splitlines()[-3:]
        raise ReleaseError(f"{command[0]}: {' '.join(said)[:500]}")
    return ran.returncode
