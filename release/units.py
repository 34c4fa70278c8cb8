"""The units of services are those of the release in use: one that goes back takes its units back along."""

import os
from pathlib import Path

from release.places import HOME, sync

UNITS = Path(os.environ.get("DIEMCAU_UNITS", "/etc/systemd/system"))
_OURS = "lib/python*/site-packages/*/systemd/*"
_OF_THE_TOOL = "diemcau-release"
"""What ends a trial goes with the tool, which is that of the newest release whichever is in use."""


def bring_units(version: str | None) -> list[str]:
    """Put this release's units in place of those that the machine has already; the names of what was changed.

    A unit that was never put there is not wanted here, and a link is somebody's mask. Raises OSError.
    """
    changed = []
    for brought in sorted((HOME / version).glob(_OURS)) if version else ():
        target = UNITS / brought.name
        if brought.name.startswith(_OF_THE_TOOL) or target.is_symlink() or not target.is_file():
            continue
        wanted = brought.read_bytes()
        if target.read_bytes() == wanted:
            continue
        beside = target.with_name(f".{target.name}.new")
        beside.write_bytes(wanted)
        beside.chmod(0o644)
        sync(beside)
        beside.replace(target)
        changed.append(target.name)
    if changed:
        sync(UNITS)
    return changed
