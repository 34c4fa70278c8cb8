"""Finds drivers by looking: every folder here with a description.py, and entry points of other packages.

A folder's description is data and cheap to read; its driver module, with the library behind it, is imported
on first use.
"""

import importlib
import logging
import tomllib
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import entry_points
from importlib.resources import files
from typing import Any

import msgspec

from device_drivers.area import Area
from device_drivers.driver import Driver
from device_drivers.errors import Misconfigured
from wire.description import ActionSpec, Description, ParamSpec, ReadingSpec, Text
from wire.messages import FoundDevice

log = logging.getLogger("diemcau.drivers")

GROUP = "diemcau.drivers"


@cache
def drivers() -> dict[str, str]:
    """Name of each driver -> package that holds it."""
    here = files(__package__)
    found = {
        folder.name: f"{__package__}.{folder.name}"
        for folder in here.iterdir()
        if folder.is_dir() and folder.joinpath("description.py").is_file()
    }
    return found | {entry.name: entry.value for entry in entry_points(group=GROUP)}


@cache
def description_of(name: str) -> Description:
    """The driver in data, with the texts of both languages in it. Raises Misconfigured."""
    module = importlib.import_module(f"{_package_of(name)}.description")
    description: Description = module.DESCRIPTION
    texts = texts_of(name)
    return msgspec.structs.replace(
        description,
        readings=tuple(_with_label(spec, texts.get("readings", {})) for spec in description.readings),
        actions=tuple(with_labels(spec, texts) for spec in description.actions),
    )


@cache
def texts_of(name: str) -> dict[str, Any]:
    """The driver's texts.toml."""
    return tomllib.loads(files(_package_of(name)).joinpath("texts.toml").read_text(encoding="utf-8"))


@cache
def driver_class(name: str) -> type[Driver]:
    """The driver's class; this imports its library. Raises Misconfigured."""
    try:
        module = importlib.import_module(f"{_package_of(name)}.driver")
    except ImportError as error:
        raise Misconfigured(f"driver {name}: {error}; install the extra that brings it, see the README") from error
    found: type[Driver] = module.DRIVER
    return found


@cache
def discoverers() -> dict[str, Callable[[Area], Iterable[FoundDevice]]]:
    """Driver -> how it looks round, for each that has a discover.py and the library behind it."""
    found = {}
    for name in sorted(drivers()):
        package = _package_of(name)
        if not files(package).joinpath("discover.py").is_file():
            continue
        try:
            found[name] = importlib.import_module(f"{package}.discover").discover
        except ImportError as error:
            log.info("cannot_discover driver=%s error=%s", name, error)
    return found


def with_labels(spec: ActionSpec, texts: dict[str, Any]) -> ActionSpec:
    """The action with the labels that the texts have for it and its parameters."""
    labels = texts.get("actions", {}).get(spec.action, {})
    params: dict[str, Any] = texts.get("params", {})
    return msgspec.structs.replace(
        spec,
        label=spec.label or _text(labels),
        params=tuple(_param_with_label(param, params) for param in spec.params),
    )


def _package_of(name: str) -> str:
    try:
        return drivers()[name]
    except KeyError:
        raise Misconfigured(f"no driver {name!r}; there are: {', '.join(sorted(drivers()))}") from None


def _with_label(spec: ReadingSpec, texts: dict[str, Any]) -> ReadingSpec:
    return msgspec.structs.replace(spec, label=_text(texts.get(spec.key, {})))


def _param_with_label(spec: ParamSpec, texts: dict[str, Any]) -> ParamSpec:
    return msgspec.structs.replace(spec, label=_text(texts.get(spec.name, {})))


def _text(entry: dict[str, str]) -> Text | None:
    return Text(vi=entry["vi"], en=entry["en"]) if entry else None
