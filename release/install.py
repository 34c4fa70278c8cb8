"""diemcau-release: one virtual environment for each release under /opt/diemcau, and a link `current` to the one in use.

A release is tried: whoever does not report within its time is put back by itself. A power cut at any moment leaves
`current` on the old or the new one, both whole; `settle` ends what was interrupted. Standard library alone.
"""

import argparse
import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from release.manifest import PARTS, TOOL, ReleaseError, is_version, read, unpack

HOME = Path(os.environ.get("DIEMCAU_HOME", "/opt/diemcau"))
KEY = Path("/etc/diemcau/release.pub")
WITHIN_S = 180.0
_CURRENT, _STATE, _WHOLE, _UNPACKED = "current", "state.json", "WHOLE", ".unpacked-"
_SPACE = 4
"""So many times its size a bundle needs while it is installed: its files, and the environment made of them."""
_KEPT = 3
"""So many releases stay: what is in use, what it came from, and one to go back to by hand."""
_SETTLE = "diemcau-release-settle.service"


def main(arguments: list[str] | None = None) -> int:
    """0 when done, 1 when a release was put back, 2 when nothing was changed."""
    parser = argparse.ArgumentParser(prog="diemcau-release", description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    install = commands.add_parser("install", help="verify a bundle and unpack it beside what runs")
    install.add_argument("bundle", type=Path)
    install.add_argument("--part", choices=PARTS, required=True)
    install.add_argument("--key", type=Path, default=KEY, help="public key of whoever makes releases")
    switch = commands.add_parser("switch", help="use a release; go back when it does not report")
    switch.add_argument("version")
    for each in (switch, commands.add_parser("settle", help="end what was interrupted; run at each start")):
        each.add_argument("--unit", help="the service to restart")
        each.add_argument("--proof", type=Path, help="the file in which the service says that it has reported")
        each.add_argument("--within", type=float, default=WITHIN_S, help="seconds for it (default: 180)")
    take = commands.add_parser(
        "take", help="what an agent has fetched: install it, try it, go back when it does not report"
    )
    take.add_argument("folder", type=Path)
    take.add_argument("--key", type=Path, default=KEY, help="public key of whoever makes releases")
    take.add_argument("--unit", required=True)
    take.add_argument("--proof", type=Path, required=True)
    take.add_argument("--within", type=float, default=WITHIN_S)
    commands.add_parser("status", help="what is in use, as JSON")
    given = parser.parse_args(arguments)
    try:
        if given.command == "status":
            print(json.dumps(status()))
            return 0
        with _alone():
            if given.command == "install":
                print(install_bundle(given.bundle, given.part, given.key))
                return 0
            if given.command == "take":
                return 0 if take_over(given.folder, given.key, given.unit, given.proof, given.within) else 1
            if given.command == "switch":
                return 0 if switch_to(given.version, given.unit, given.proof, given.within) else 1
            return 0 if settle(given.within) else 1
    except (ReleaseError, OSError, subprocess.SubprocessError) as error:
        print(f"diemcau-release: {error}", file=sys.stderr)
        return 2


def install_bundle(bundle: Path, part: str, key: Path) -> str:
    """The version that was installed; nothing happens where it is there already. Raises ReleaseError."""
    manifest = read(bundle, key)
    version = str(manifest["version"])
    home = HOME / version
    if (home / _WHOLE).exists():
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
    (home / _WHOLE).write_text(json.dumps({"part": part, **manifest}))
    _sync(home / _WHOLE)
    _sync(home)
    return version


def _make(home: Path, bundle: Path, manifest: dict[str, Any], part: str) -> None:
    with tempfile.TemporaryDirectory(prefix=_UNPACKED, dir=HOME) as name:
        unpack(bundle, manifest, Path(name))
        venv.create(home, symlinks=True)
        (carried,) = Path(name).glob("wheels/pip-*.whl")  # Debian's python3 alone brings none
        pip = [str(home / "bin/python"), str(carried / "pip"), "--disable-pip-version-check", "--no-input", "install"]
        offline = ["--no-index", "--no-deps", f"--find-links={Path(name) / 'wheels'}", "--require-hashes"]
        _run([*pip, *offline, "--no-compile", "-r", str(Path(name) / f"{part}.txt")], 900)
        _run([str(home / "bin/python"), "-m", "compileall", "-q", "-j", "0", str(home / "lib")], 600, check=False)
        _put_tool(Path(name) / TOOL)
    _sync_tree(home)


def take_over(folder: Path, key: Path, unit: str, proof: Path, within_s: float) -> bool:
    """Whether what lies in an agent's folder is in use now. Whatever comes of it, it is not tried a second time.

    The agent owns the folder, so nothing there is believed but what the key has signed, and no release goes backwards.
    """
    bundle, wanted = folder / "bundle.tar", folder / "wanted"
    offer = _offer_in(wanted)
    try:
        settle(within_s)  # or a trial that was cut off would be forgotten where this one is refused
        version, before = install_bundle(bundle, "room", key), current()
        if before is not None and _order(version) < _order(before):
            raise ReleaseError(f"{version}: is older than {before}, which is in use; `switch` goes back by hand")
        return switch_to(version, unit, proof, within_s, offer)
    except (ReleaseError, OSError, subprocess.SubprocessError) as error:
        _write_state({"phase": "refused", "from": current(), "to": None, "why": str(error)[:300], "offer": offer})
        raise
    finally:
        wanted.unlink(missing_ok=True)
        bundle.unlink(missing_ok=True)


def switch_to(version: str, unit: str | None, proof: Path | None, within_s: float, offer: str = "") -> bool:
    """Whether it is in use now; False: it was tried and put back. Raises ReleaseError."""
    if not is_version(version) or not (HOME / version / _WHOLE).exists():
        raise ReleaseError(f"{version}: is not installed under {HOME}")
    settle(within_s)
    before = current()
    if before == version:
        print(f"{version}: in use already")
        return True
    if proof is not None:
        proof.unlink(missing_ok=True)
    trial = {
        "phase": "trial", "from": before, "to": version, "unit": unit, "proof": str(proof) if proof else None,
        "offer": offer,
    }  # fmt: skip
    _write_state(trial)
    if unit is not None:
        _begin(_SETTLE, "start")  # it waits until we are done, and ends the trial where we were killed
    _point_to(version)
    _begin(unit, "restart")
    return _await(trial, within_s)


def settle(within_s: float) -> bool:
    """End a trial that a power cut has interrupted: whoever has not reported by then is put back."""
    trial = _state()
    if trial.get("phase") != "trial":
        return True
    if current() != trial["to"]:  # cut before the link was turned
        _write_state({**trial, "phase": "back", "why": "interrupted"})
        return False
    return _await(trial, within_s)


def status() -> dict[str, Any]:
    """What is in use, what is installed, and how the last change ended."""
    installed = sorted(path.parent.name for path in HOME.glob(f"*/{_WHOLE}") if path.parent.name != _CURRENT)
    return {"current": current(), "installed": installed, "last": _state()}


def current() -> str | None:
    """The release in use."""
    try:
        return (HOME / _CURRENT).readlink().name
    except OSError:
        return None


def _await(trial: dict[str, Any], within_s: float) -> bool:
    until_s = time.monotonic() + within_s
    while True:
        if _has_reported(trial):
            _write_state({**trial, "phase": "done"})
            _clear_away(trial)
            return True
        if time.monotonic() >= until_s:
            return _go_back(trial)
        time.sleep(1.0)


def _has_reported(trial: dict[str, Any]) -> bool:
    """By its proof; without one, its service is active and stays so."""
    if trial["proof"] is not None:
        try:
            return Path(trial["proof"]).read_text(encoding="utf-8").split()[:1] == [trial["to"]]
        except (OSError, UnicodeDecodeError):
            return False
    if trial["unit"] is None:
        return True
    time.sleep(5.0)
    return _run(["systemctl", "is-active", "--quiet", trial["unit"]], 30, check=False) == 0


def _go_back(trial: dict[str, Any]) -> bool:
    why = f"{trial['to']} has not reported"
    if trial["from"] is None:
        _write_state({**trial, "phase": "stuck", "why": why})  # the first release: there is nothing to go back to
        return False
    _point_to(trial["from"])
    _write_state({**trial, "phase": "back", "why": why})
    _begin(trial["unit"], "restart")
    print(f"diemcau-release: {why}; {trial['from']} is in use again", file=sys.stderr)
    return False


def _begin(unit: str | None, how: str) -> None:
    """Not waited for: a release that hangs as it begins must not keep us from putting it back."""
    if not unit:
        return
    try:
        _run(["systemctl", how, "--no-block", unit], 60, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"diemcau-release: {unit} was not {how}ed: {error}", file=sys.stderr)


def _clear_away(trial: dict[str, Any]) -> None:
    """Releases that nobody goes back to: a room's disk is small."""
    kept = {trial["from"], trial["to"]}
    others = [whole for whole in HOME.glob(f"*/{_WHOLE}") if whole.parent.name not in {*kept, _CURRENT}]
    others.sort(key=lambda whole: whole.stat().st_mtime, reverse=True)
    for whole in others[max(0, _KEPT - len(kept)):]:  # fmt: skip
        whole.unlink()  # first: what is half gone is no release
        shutil.rmtree(whole.parent, ignore_errors=True)


def _point_to(version: str) -> None:
    """At once or not at all (rename(2)), and on the disk when this returns."""
    new = HOME / f".{_CURRENT}.new"
    new.unlink(missing_ok=True)
    new.symlink_to(version)
    new.replace(HOME / _CURRENT)
    _sync(HOME)


def _put_tool(new: Path) -> None:
    """This program, as the newest release has it."""
    target = HOME / "bin/diemcau-release"
    target.parent.mkdir(exist_ok=True)
    beside = target.with_name(".diemcau-release.new")
    shutil.copyfile(new, beside)
    beside.chmod(0o755)
    _sync(beside)
    beside.replace(target)


def _offer_in(wanted: Path) -> str:
    """By which the agent knows again what became of it."""
    try:
        found = wanted.read_text(encoding="ascii")[:32]
    except (OSError, UnicodeDecodeError):
        return ""
    return found if re.fullmatch(r"[0-9a-f]{16}", found) else ""


def _order(version: str) -> tuple[tuple[int, ...], bool, tuple[int, ...]]:
    """Versions in the order of their making: 0.2.0rc1 comes before 0.2.0, and 0.2.0.post1 after it."""
    ((number, rest),) = re.findall(r"^([0-9.]*[0-9])(.*)$", version)
    is_whole = re.match(r"[.-]?(a|b|c|rc|alpha|beta|pre|dev)", rest) is None
    return tuple(map(int, number.split("."))), is_whole, tuple(map(int, re.findall(r"\d+", rest)))


def _state() -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((HOME / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _write_state(state: dict[str, Any]) -> None:
    new = HOME / f".{_STATE}.new"
    new.write_text(json.dumps(state), encoding="utf-8")
    _sync(new)
    new.replace(HOME / _STATE)
    _sync(HOME)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_tree(folder: Path) -> None:
    """All of it on the disk before it counts as whole."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            _sync(path)


def _run(command: list[str], within_s: float, check: bool = True) -> int:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=within_s, check=False)
    if check and ran.returncode != 0:
        said = (ran.stderr or ran.stdout).strip().splitlines()[-3:]
        raise ReleaseError(f"{command[0]}: {' '.join(said)[:500]}")
    return ran.returncode


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
