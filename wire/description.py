"""How a driver describes itself: what it observes and what it can do, in data, with texts in both languages.

The server shows readings, offers actions and checks parameters by these alone; it knows no driver.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from wire.units import Unit

Role = Literal["pc", "camera", "mixer", "audio", "display", "light", "line", "decoder", "storage", "ups", "relay"]
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_.]{0,63}$(?!\n)")]
Label = Annotated[str, Meta(min_length=1, max_length=200)]
ReadingType = Literal["number", "bool", "text", "choice"]


class Text(Struct, frozen=True, gc=False):
    """One text in both languages."""

    vi: Label
    en: Label


class ReadingSpec(Struct, frozen=True, gc=False, omit_defaults=True):
    """One thing that a driver observes."""

    key: Name
    type: ReadingType = "number"
    unit: Unit = ""
    max_age_s: Annotated[float, Meta(gt=0, le=86_400)] = 60.0
    """Past this age the reading is no evidence."""
    values: Annotated[tuple[str, ...], Meta(max_length=32)] = ()
    low: float | None = None
    high: float | None = None
    step: float | None = None
    """A number that moves by this much is worth a report at once; None: never at once."""
    notable: bool = False
    """A change is an event of the room and goes into its log."""
    label: Text | None = None


class ParamSpec(Struct, frozen=True, gc=False, omit_defaults=True):
    """One parameter of an action."""

    name: Name
    type: ReadingType = "text"
    values: Annotated[tuple[Annotated[str, Meta(max_length=120)], ...], Meta(max_length=64)] = ()
    low: float | None = None
    high: float | None = None
    max_length: Annotated[int, Meta(ge=1, le=500)] = 120
    label: Text | None = None


class ActionSpec(Struct, frozen=True, gc=False, omit_defaults=True):
    """One thing that a device can do."""

    action: Name
    params: Annotated[tuple[ParamSpec, ...], Meta(max_length=8)] = ()
    blind_s: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    """How long the room is without this device."""
    takes_s: Annotated[float, Meta(gt=0, le=3600)] = 30.0
    """After this long it has failed."""
    dangerous: bool = False
    """It takes something away from the room while it lasts: it asks for a reason."""
    needs_proof: bool = False
    """Makes differ in what it does: it is offered only where a profile says that it was proved on the model."""
    by_centre: bool = False
    """Only the centre itself asks for it, as a part of something that people ask for elsewhere."""
    label: Text | None = None


class Description(Struct, frozen=True):
    """A driver in data."""

    driver: Name
    roles: Annotated[tuple[Role, ...], Meta(min_length=1, max_length=4)]
    """What such a device can be in a room."""
    readings: Annotated[tuple[ReadingSpec, ...], Meta(max_length=64)]
    actions: Annotated[tuple[ActionSpec, ...], Meta(max_length=64)] = ()


def wrong_params(spec: ActionSpec, params: dict[str, object]) -> str | None:
    """The first thing that is wrong with the parameters of an action, in English for a log; None when all fit."""
    known = {param.name: param for param in spec.params}
    for name in params:
        if name not in known:
            return f"{spec.action} has no parameter {name!r}"
    for name, param in known.items():
        if name not in params:
            return f"{spec.action} needs {name!r}"
        if reason := _wrong_value(param, params[name]):
            return f"{name!r}: {reason}"
    return None


def _wrong_value(param: ParamSpec, value: object) -> str | None:
    if param.type == "bool":
        return None if isinstance(value, bool) else "must be true or false"
    if param.type == "number":
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "must be a number"
        if param.low is not None and value < param.low:
            return f"must be at least {param.low:g}"
        if param.high is not None and value > param.high:
            return f"must be at most {param.high:g}"
        return None
    if not isinstance(value, str) or not 0 < len(value) <= param.max_length:
        return f"must be a text of 1 to {param.max_length} characters"
    if param.values and value not in param.values:
        return "must be one of " + ", ".join(param.values)
    return None
