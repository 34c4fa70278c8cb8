"""Finding parts by looking into a folder, so that adding one touches no list."""

import importlib
import pkgutil
from types import ModuleType


def modules_in(package: str, part: str = "") -> list[ModuleType]:
    """The modules of a package, or of each of its sub-packages the module `part`, sorted by name."""
    found = importlib.import_module(package)
    names = sorted(entry.name for entry in pkgutil.iter_modules(found.__path__) if bool(part) == entry.ispkg)
    return [importlib.import_module(".".join(filter(None, (package, name, part)))) for name in names]
