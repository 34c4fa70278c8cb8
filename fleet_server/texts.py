"""Every sentence that a person reads, in Vietnamese and English; it lies in a texts file beside what uses it.

A key is the path of the file's place and the entry's name: `checks.power_lasts.on_battery`, `map.title`.
"""

import tomllib
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Literal
from zoneinfo import ZoneInfo

from babel.numbers import format_decimal

from fleet_server.errors import FleetError

Lang = Literal["vi", "en"]
LANGS: tuple[Lang, ...] = ("vi", "en")
_BINARY_GB = 1e9


@cache
def texts() -> Mapping[str, Mapping[str, str]]:
    """Key -> {vi, en}, of every file there is."""
    found: dict[str, dict[str, str]] = {}
    package = files(__package__)
    _add(found, "checks", package.joinpath("domain/checks/texts.toml"))
    for file in package.joinpath("domain/checks").iterdir():
        if file.name.endswith(".toml") and file.name != "texts.toml":
            _add(found, f"checks.{file.name.removesuffix('.toml')}", file)
    _add(found, "", package.joinpath("pages/texts.toml"))
    for folder in package.joinpath("pages").iterdir():
        if folder.is_dir() and folder.joinpath("texts.toml").is_file():
            _add(found, folder.name, folder.joinpath("texts.toml"))
    return found


_NAMES = frozenset({"number", "year"})
"""Parameters that say which, not how many: incident 1234 is never written 1.234."""


def translate(lang: Lang, key: str, **params: Any) -> str:
    """The sentence of a key, its parameters written as the language writes them; the key itself where it is unknown."""
    entry = texts().get(key)
    if entry is None:
        return key
    shown = {name: str(value) if name in _NAMES else _shown(lang, value) for name, value in params.items()}
    try:
        return entry[lang].format(**shown)
    except (KeyError, IndexError):
        return entry[lang]


def error_text(lang: Lang, error: FleetError) -> str:
    """What an error of ours says."""
    return translate(lang, f"errors.{error.key}", **error.params)


def why_text(lang: Lang, why: str) -> str:
    """Why a room did not do it: the sentence of a known reason, the room's own words for any other."""
    return translate(lang, f"why.{why}") if has(f"why.{why}") else why


def has(key: str) -> bool:
    """Whether there is such a text."""
    return key in texts()


def check_message(lang: Lang, check: str, key: str, params: Mapping[str, Any]) -> str:
    """What a check says."""
    return translate(lang, check_key(check, key), **params)


def check_key(check: str, key: str) -> str:
    """The key of a check's own text, or of the one that every check may use."""
    own = f"checks.{check}.{key}"
    return own if has(own) else f"checks.{key}"


def reason_of(reason: str, lang: Lang) -> str:
    """Why a command was asked for: in a person's words, or by a key where the server itself asked."""
    key = f"command_reason.{reason.replace(' ', '_')}"
    return translate(lang, key) if has(key) else reason


def number(lang: Lang, value: float) -> str:
    """A number with at most one decimal, as the language writes it."""
    return format_decimal(value, "#,##0.#", locale=lang)


def quantity(lang: Lang, value: Any, unit: str) -> str:
    """A reading with its unit, in the size that people say."""
    if value is None:
        return translate(lang, "value.none")
    if isinstance(value, bool):
        return translate(lang, "value.yes" if value else "value.no")
    if isinstance(value, str):
        return translate(lang, f"value.{value}") if has(f"value.{value}") else value
    if unit == "bytes":
        return f"{number(lang, value / _BINARY_GB)}\u202fGB"
    if unit == "s" and abs(value) >= 120:
        return span(lang, value)
    sign = {
        "percent": "%",
        "celsius": "°C",
        "mbit_s": "Mbit/s",
        "volt": "V",
        "db": "dB",
        "dbfs": "dBFS",
        "min": translate(lang, "unit.min"),
        "": "",
    }.get(unit, unit)
    return f"{number(lang, value)}\u202f{sign}".rstrip()


def span(lang: Lang, seconds: float) -> str:
    """A length of time in its largest whole unit: `4 phút`."""
    rest = abs(seconds)
    for name, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if rest >= 2 * size or (name == "minutes" and rest >= size):
            return translate(lang, f"span.{name}", n=int(rest // size))
    return translate(lang, "span.seconds", n=int(rest))


def clock(lang: Lang, moment: datetime, today: date, zone: ZoneInfo, form: str = "%H:%M") -> str:
    """`14:02` today, `14:02 hôm qua`, `14:02 23/11/2026` else."""
    local = moment.astimezone(zone)
    hour = local.strftime(form)
    if local.date() == today:
        return hour
    if local.date() == today - timedelta(days=1):
        return translate(lang, "time.yesterday", hour=hour)
    return f"{hour} {local.strftime('%d/%m/%Y')}"


def _shown(lang: Lang, value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return quantity(lang, value, "")
    if isinstance(value, int | float):
        return number(lang, value)
    return str(value)


def _add(found: dict[str, dict[str, str]], prefix: str, file: Traversable) -> None:
    def walk(entry: dict[str, Any], key: str) -> None:
        if entry.keys() == {"vi", "en"} and isinstance(entry["vi"], str):
            found[key] = entry
            return
        for name, inner in entry.items():
            walk(inner, f"{key}.{name}".lstrip("."))

    walk(tomllib.loads(file.read_text(encoding="utf-8")), prefix)
