"""Reads blueprints. Adding one is adding a file to blueprints/."""

from functools import cache
from importlib.resources import files

import msgspec
import yaml

from firmware_profiles.errors import WrongBlueprint
from firmware_profiles.schema import Blueprint


@cache
def blueprints() -> dict[str, Blueprint]:
    """Kind of site -> its blueprint. Raises WrongBlueprint."""
    folder = files(__package__).joinpath("blueprints")
    found = [
        blueprint_of(file.name, file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".yaml")
    ]
    return {blueprint.kind: blueprint for blueprint in found}


def blueprint_of(name: str, text: str) -> Blueprint:
    """The blueprint in a YAML text. Raises WrongBlueprint with file and place."""
    try:
        return msgspec.convert(yaml.safe_load(text), Blueprint)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise WrongBlueprint(f"{name}: {error}") from error
