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
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from release.installing import install_bundle
from release.manifest import PARTS, ReleaseError, is_version
from release.places import CURRENT, HOME, WHOLE, current, point_to, run, sync
from release.units import bring_units

KEY = Path("/etc/diemcau/release.pub")
WITHIN_S = 180.0
_STATE = "state.json"
_KEPT = 3
"""So many releases stay: what is in use, what it came from, and one to go back to by hand."""
_SETTLE = "diemcau-release-settle.service"
_CUT = "interrupted"
_ACTING = "acting"
"""A folder beside the proof, in which the agent has a file for each act of a device that it is in the middle of."""
_ACTS_WITHIN_S = 2_400.0
"""The longest act there is: firmware of a camera, and its return."""


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
    os.umask(0o022)  # services of other accounts run what root unpacks, also where root's own umask is narrower
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


def take_over(folder: Path, key: Path, unit: str, proof: Path, within_s: float) -> bool:
    """Whether what lies in an agent's folder is in use now. Whatever comes of it, it is not tried a second time.

    The agent owns the folder, so nothing there is believed but what the key has signed, and no bundle goes backwards.
    Without a bundle it names a release that is still installed: so a room goes back, and to nothing but that.
    """
    bundle, wanted = folder / "bundle.tar", folder / "wanted"
    offer, installed = _offer_in(wanted)
    try:
        settle(within_s)  # or a trial that was cut off would be forgotten where this one is refused
        ended = _state()
        was_tried = ended.get("phase") in ("done", "back", "stuck") and ended.get("why") != _CUT
        if offer and ended.get("offer") == offer and was_tried:  # and we were killed before we took the word away
            return bool(ended["phase"] == "done")
        if installed and not bundle.exists():
            return switch_to(installed, unit, proof, within_s, offer)
        version = install_bundle(bundle, "room", key, not_before=current())
        return switch_to(version, unit, proof, within_s, offer)
    except (ReleaseError, OSError, subprocess.SubprocessError) as error:
        _write_state({"phase": "refused", "from": current(), "to": None, "why": str(error)[:300], "offer": offer})
        raise
    finally:
        wanted.unlink(missing_ok=True)
        bundle.unlink(missing_ok=True)


def switch_to(version: str, unit: str | None, proof: Path | None, within_s: float, offer: str = "") -> bool:
    """Whether it is in use now; False: it was tried and put back. Raises ReleaseError."""
    if not is_version(version) or not (HOME / version / WHOLE).exists():
        raise ReleaseError(f"{version}: is not installed under {HOME}")
    settle(within_s)
    before = current()
    if before == version:
        print(f"{version}: in use already")
        return True
    if proof is not None:
        _await_acts(proof.with_name(_ACTING), unit)
        proof.unlink(missing_ok=True)
    trial = {
        "phase": "trial", "from": before, "to": version, "unit": unit, "proof": str(proof) if proof else None,
        "offer": offer,
    }  # fmt: skip
    _write_state(trial)
    if unit is not None:
        _systemd("start", "--no-block", _SETTLE)  # it waits until we are done, and ends the trial where we were killed
    _bring_units(version)
    point_to(version)
    _restart(unit)
    return _await(trial, within_s)


def _await_acts(acting: Path, unit: str | None) -> None:
    """Nothing is begun anew while a device acts: a camera may be taking its firmware. Raises ReleaseError."""
    until_s = time.monotonic() + _ACTS_WITHIN_S
    while any(_is_fresh(mark) for mark in acting.glob("*")):
        if unit is not None and run(["systemctl", "is-active", "--quiet", unit], 30, check=False) != 0:
            return  # whoever does not run acts no more
        if time.monotonic() >= until_s:
            raise ReleaseError("a device of this room acts still; run this again")
        time.sleep(1.0)


def _is_fresh(mark: Path) -> bool:
    """Not left behind by an agent that was killed and never started again."""
    with contextlib.suppress(OSError):
        return time.time() - mark.stat().st_mtime < _ACTS_WITHIN_S
    return False


def settle(within_s: float) -> bool:
    """End a trial that a power cut has interrupted: whoever has not reported by then is put back."""
    trial = _state()
    if trial.get("phase") != "trial":
        return True
    if current() != trial["to"]:  # cut before the link was turned, or after it was turned back
        _bring_units(current())
        _restart(trial["unit"])
        _write_state({**trial, "phase": "back", "why": _CUT})
        return False
    return _await(trial, within_s)


def status() -> dict[str, Any]:
    """What is in use, what is installed, and how the last change ended."""
    installed = sorted(path.parent.name for path in HOME.glob(f"*/{WHOLE}") if path.parent.name != CURRENT)
    return {"current": current(), "installed": installed, "last": _state()}


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
    return run(["systemctl", "is-active", "--quiet", trial["unit"]], 30, check=False) == 0


def _go_back(trial: dict[str, Any]) -> bool:
    why = f"{trial['to']} has not reported"
    if trial["from"] is None:
        _write_state({**trial, "phase": "stuck", "why": why})  # the first release: there is nothing to go back to
        return False
    point_to(trial["from"])
    try:
        _bring_units(trial["from"])
    except OSError as error:  # the release before with the new one's units is better than a room without either
        print(f"diemcau-release: the units of {trial['to']} stay: {error}", file=sys.stderr)
    _restart(trial["unit"])  # first: a full disk keeps what comes next from being written
    _write_state({**trial, "phase": "back", "why": why})
    print(f"diemcau-release: {why}; {trial['from']} is in use again", file=sys.stderr)
    return False


def _bring_units(version: str | None) -> bool:
    """Whether any was changed; systemd knows of it then. Raises OSError."""
    changed = bring_units(version)
    if changed:
        _systemd("daemon-reload")
    return bool(changed)


def _restart(unit: str | None) -> None:
    """Not waited for: a release that hangs as it begins must not keep us from putting it back."""
    if unit:
        _systemd("restart", "--no-block", unit)


def _systemd(*words: str) -> None:
    try:
        run(["systemctl", *words], 60, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"diemcau-release: systemctl {' '.join(words)}: {error}", file=sys.stderr)


def _clear_away(trial: dict[str, Any]) -> None:
    """Releases that nobody goes back to: a room's disk is small."""
    kept = {trial["from"], trial["to"]}
    others = [whole for whole in HOME.glob(f"*/{WHOLE}") if whole.parent.name not in {*kept, CURRENT}]
    others.sort(key=lambda whole: whole.stat().st_mtime, reverse=True)
    for whole in others[max(0, _KEPT - len(kept)):]:  # fmt: skip
        whole.unlink()  # first: what is half gone is no release
        shutil.rmtree(whole.parent, ignore_errors=True)


def _offer_in(wanted: Path) -> tuple[str, str]:
    """By which the agent knows again what became of it, and the release where it names one."""
    try:
        found = re.fullmatch(r"([0-9a-f]{16})(?: (\S{1,40}))?", wanted.read_text(encoding="ascii")[:100])
    except (OSError, UnicodeDecodeError):
        found = None
    return (found[1], found[2] or "") if found else ("", "")


def _state() -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((HOME / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _write_state(state: dict[str, Any]) -> None:
    new = HOME / f".{_STATE}.new"
    new.write_text(json.dumps(state), encoding="utf-8")
    sync(new)
    new.replace(HOME / _STATE)
    sync(HOME)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
