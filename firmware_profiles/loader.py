"""Reads blueprints, families and overrides. Adding one is adding a file."""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

import msgspec

from firmware_profiles.catalogue import Catalogue
from firmware_profiles.errors import NotYaml, WrongFile
from firmware_profiles.positions import content_of
from firmware_profiles.schema import Blueprint, Family, SiteOverride

T = TypeVar("T")
OWN_FAMILIES, OVERRIDES = "families", "sites"
"""Folders beside the server's other files for what a province adds."""


@cache
def blueprints() -> dict[str, Blueprint]:
    """Kind of site -> its blueprint. Raises WrongFile."""
    found = [parsed(name, text, Blueprint) for name, text in _yaml_in(files(__package__).joinpath("blueprints"))]
    return {blueprint.kind: blueprint for blueprint in found}


def catalogue_of(folder: Path | None) -> Catalogue:
    """The families that come with us, then those and the overrides of a province's folder. Raises WrongFile."""
    families = {name: parsed(name, text, Family) for name, text in shipped_families()}
    overrides = {}
    if folder is not None:
        families |= {name: parsed(name, text, Family) for name, text in _yaml_in(folder / OWN_FAMILIES)}
        overrides = {
            name.removesuffix(".yaml"): parsed(name, text, SiteOverride) for name, text in _yaml_in(folder / OVERRIDES)
        }
    return Catalogue(tuple(families.values()), overrides)


def shipped_families() -> Iterator[tuple[str, str]]:
    """File name and text of each family that comes with us."""
    yield from _yaml_in(files(__package__).joinpath("families"))


def own_files(folder: Path) -> Iterator[tuple[Path, type[Family] | type[SiteOverride]]]:
    """The files that a province has added, and what each of them is."""
    for below, kind in ((OWN_FAMILIES, Family), (OVERRIDES, SiteOverride)):
        for file in sorted((folder / below).glob("*.yaml")):
            yield file, kind


def parsed(name: str, text: str, kind: type[T]) -> T:
    """A YAML text as one of our forms. Raises WrongFile with file and place."""
    try:
        return msgspec.convert(content_of(text), kind)
    except (NotYaml, msgspec.ValidationError, RecursionError) as error:
        raise WrongFile(f"{name}: {error}") from error


def _yaml_in(folder: Traversable) -> Iterator[tuple[str, str]]:
    if folder.is_dir():
        for file in sorted(folder.iterdir(), key=lambda file: file.name):
            if file.name.endswith(".yaml"):
                try:
                    yield file.name, file.read_text(encoding="utf-8")
                except UnicodeDecodeError as error:
                    raise WrongFile(f"{file.name}: is not UTF-8 text ({error})") from error
