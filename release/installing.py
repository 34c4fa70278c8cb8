"""A bundle becomes a release beside what runs: verified, unpacked, whole or not there at all."""

import json
import shutil
import tempfile
import venv
from pathlib import Path
from typing import Any

from release.manifest import TOOL, ReleaseError, order_of, read, unpack
from release.places import HOME, WHOLE, run, sync

_UNPACKED = ".unpacked-"
_SPACE = 4
"""So many times its size a bundle needs while it is installed: its files, and the environment made of them."""


def install_bundle(bundle: Path, part: str, key: Path, not_before: str | None = None) -> str:
    """The version that was installed; nothing happens where it is there already.

    Raises ReleaseError, also for a bundle that is older than `not_before`: nothing of it is unpacked, the tool stays.
    """
    manifest = read(bundle, key)
    version = str(manifest["version"])
    if not_before is not None and order_of(version) < order_of(not_before):
        raise ReleaseError(f"{version}: is older than {not_before}, which is in use; `switch` goes back by hand")
    home = HOME / version
    if (home / WHOLE).exists():
        return version
    for rest in (home, *HOME.glob(f"{_UNPACKED}*")):  # of an installation that was interrupted
        shutil.rmtree(rest, ignore_errors=True)
    HOME.mkdir(parents=True, exist_ok=True)
    free, wanted = shutil.disk_usage(HOME).free, bundle.stat().st_size * _SPACE
    if free < wanted:
        raise ReleaseError(
            f"{HOME}: {free >> 20} MB are free, and {version} wants {wanted >> 20} MB; nothing was changed"
        )
    try:
        _make(home, bundle, manifest, part)
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    beside = home / f".{WHOLE}.new"
    beside.write_text(json.dumps({"part": part, **manifest}))
    sync(beside)
    beside.replace(home / WHOLE)
    sync(home)
    return version


def _make(home: Path, bundle: Path, manifest: dict[str, Any], part: str) -> None:
    with tempfile.TemporaryDirectory(prefix=_UNPACKED, dir=HOME) as name:
        unpack(bundle, manifest, Path(name))
        venv.create(home, symlinks=True)
        (carried,) = Path(name).glob("wheels/pip-*.whl")  # Debian's python3 alone brings none
        pip = [str(home / "bin/python"), str(carried / "pip"), "--disable-pip-version-check", "--no-input", "install"]
        offline = ["--no-index", "--no-deps", f"--find-links={Path(name) / 'wheels'}", "--require-hashes"]
        run([*pip, *offline, "--no-compile", "-r", str(Path(name) / f"{part}.txt")], 900)
        run([str(home / "bin/python"), "-m", "compileall", "-q", "-j", "0", str(home / "lib")], 600, check=False)
        _put_tool(Path(name) / TOOL)
    run(["sync", "--file-system", str(HOME)], 600)  # names and links too, not the files' bytes alone


def _put_tool(new: Path) -> None:
    """This program, as the newest release has it."""
    target = HOME / "bin/diemcau-release"
    target.parent.mkdir(exist_ok=True)
    beside = target.with_name(".diemcau-release.new")
    shutil.copyfile(new, beside)
    beside.chmod(0o755)
    sync(beside)
    beside.replace(target)
