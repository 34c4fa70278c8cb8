"""The checks: each a Python file with its rule and a TOML file with its texts, found by being there."""

import importlib
from functools import cache
from importlib.resources import files

from fleet_server.domain.findings import Check


@cache
def checks() -> dict[str, Check]:
    """Name -> check, for every file of this folder."""
    names = sorted(
        file.name.removesuffix(".py")
        for file in files(__package__).iterdir()
        if file.name.endswith(".py") and not file.name.startswith("_")
    )
    return {name: importlib.import_module(f"{__package__}.{name}").CHECK for name in names}
