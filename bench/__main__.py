"""`./dev bench [NAME]`: every figure of this folder, or one; a file with `measure` is a figure."""

import importlib
import logging
import pkgutil
import sys

import bench


def main() -> int:
    """Measure and print; 2 for a name that is none."""
    wanted = sys.argv[1:]
    logging.basicConfig(level=logging.WARNING)  # first, for onvif-zeep would ask for more
    names = [entry.name for entry in pkgutil.iter_modules(bench.__path__) if not entry.name.startswith("_")]
    figures = {name: importlib.import_module(f"bench.{name}") for name in sorted(names)}
    figures = {name: module for name, module in figures.items() if hasattr(module, "measure")}
    if unknown := [name for name in wanted if name not in figures]:
        print(f"no figure {', '.join(unknown)}; there are: {', '.join(figures)}", file=sys.stderr)
        return 2
    for name, module in figures.items():
        if not wanted or name in wanted:
            for figure in module.measure():
                print(figure.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
