"""The kinds of light devices: a module for each driver, found by being there."""

import importlib
import pkgutil
from functools import cache

from demo.light.device import Kind


@cache
def kinds() -> dict[str, Kind]:
    """Driver -> kind."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found: list[Kind] = [importlib.import_module(f"{__package__}.{name}").KIND for name in names]
    return {kind.driver: kind for kind in found}
