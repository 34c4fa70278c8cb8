"""What a look of the doctor's finds."""

from typing import Any, Literal

from msgspec import Struct


class Finding(Struct, frozen=True):
    """One sentence, by its text key below `doctor`."""

    level: Literal["ok", "warn", "fail"]
    key: str
    params: dict[str, Any] = {}


def ok(key: str, **params: Any) -> Finding:
    """All is well."""
    return Finding("ok", key, params)


def warn(key: str, **params: Any) -> Finding:
    """It will go wrong, or might."""
    return Finding("warn", key, params)


def fail(key: str, **params: Any) -> Finding:
    """It is wrong now."""
    return Finding("fail", key, params)
