"""The form of a blueprint: which slots a kind of site must fill, and which checks run over them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from wire.description import Name, Role

Kind = Literal["hub", "commune", "department"]


class Slot(Struct, frozen=True, forbid_unknown_fields=True):
    """A place in the room that devices must fill; a device of any of its roles does."""

    name: Name
    roles: Annotated[tuple[Role, ...], Meta(min_length=1, max_length=4)]
    count: Annotated[int, Meta(ge=0, le=16)] = 1
    """How many at least; 0: a room may have one, and then it is checked."""


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """How one check counts at this kind of site."""

    counts: Literal["required", "advisory"] = "required"
    """Advisory: its worst is "at risk"."""
    max_age_s: Annotated[float, Meta(gt=0, le=86_400)] | None = None
    """Tighter than the driver's own; it never makes old evidence good."""
    limits: dict[Name, float] = {}


class Blueprint(Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of site."""

    kind: Kind
    report_interval_s: Annotated[float, Meta(ge=1, le=3600)]
    planned_s: Annotated[float, Meta(ge=60, le=86_400)]
    """How long a room must last when no session says otherwise."""
    slots: Annotated[tuple[Slot, ...], Meta(min_length=1, max_length=32)]
    checks: Annotated[dict[Name, Rule], Meta(min_length=1, max_length=64)]
