"""What the agent's commands print, in Vietnamese and English; drivers bring their own texts."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


def translate(lang: str, key: str, **params: object) -> str:
    """The sentence of a key such as `discover.none`."""
    part, _, name = key.partition(".")
    sentence: str = _texts()[part][name][lang]
    return sentence.format(**params)


@cache
def _texts() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("texts.toml").read_text(encoding="utf-8"))
