"""`diemcau-server profiles check`: the catalogue that comes with us, and what the province has added."""

import subprocess
import sys
from pathlib import Path

import msgspec

from firmware_profiles.examination import Asked, Fault, ProfileFile, examine
from firmware_profiles.loader import blueprints, own_files, shipped_families
from firmware_profiles.schema import Family
from fleet_server.domain.checks import checks
from fleet_server.errors import BadFile
from wire.description import Description

_WITHIN_S = 60


def faults_in(folder: Path, drivers: Path | None) -> list[Fault]:
    """Every fault. `drivers`: what `diemcau-agent describe --json` printed; None asks the agent of this machine."""
    own = [(path, ProfileFile(str(path), _text(path), kind)) for path, kind in own_files(folder)]
    replaced = {path.name for path, file in own if file.kind is Family}
    files = [ProfileFile(name, text) for name, text in shipped_families() if name not in replaced]
    files += [file for _, file in own]
    limits = {name: set[str]() for name in checks()}
    for blueprint in blueprints().values():
        for name, rule in blueprint.checks.items():
            limits[name] |= rule.limits.keys()
    asked = {name: Asked(frozenset(check.reads), frozenset(limits[name])) for name, check in checks().items()}
    return examine(files, _descriptions(drivers), asked)


def _descriptions(file: Path | None) -> list[Description]:
    """The server knows no driver; the agent's program tells what its drivers are."""
    if file is not None:
        told = _text(file).encode()
    else:
        command = [sys.executable, "-m", "edge_agent.cli", "describe", "--json"]
        ran = subprocess.run(command, capture_output=True, timeout=_WITHIN_S, check=False)
        if ran.returncode != 0:
            raise BadFile("profiles.no_drivers", detail=ran.stderr.decode("utf-8", "replace").strip()[-300:])
        told = ran.stdout
    try:
        return msgspec.json.decode(told, type=list[Description])
    except msgspec.MsgspecError as error:
        raise BadFile("profiles.no_drivers", detail=str(error)) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadFile("profiles.not_text", file=str(path), detail=str(error)) from error
