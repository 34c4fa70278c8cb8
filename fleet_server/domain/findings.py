"""What a check may answer, and what it may look at."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Literal

from msgspec import Struct

from wire.description import Role
from wire.fields import Value
from wire.units import Unit


class Outcome(StrEnum):
    """The answer of a check, or what became of it."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    WAIVED = "waived"


class Finding(Struct, frozen=True, gc=False):
    """An outcome with the message that explains it; `observed` and `required` are what was compared."""

    outcome: Outcome
    key: str = "ok"
    params: Mapping[str, Any] = {}
    observed: Value = None
    required: Value = None
    unit: Unit | None = None
    """Where it is another one than its check's."""


class Need(Struct, frozen=True):
    """What the check measures by: the planned time, the limits of the blueprint, and whether it counts already."""

    planned_s: float
    limits: Mapping[str, float] = {}
    live: bool = False
    """A session is under way in this room."""
    in_session: bool = False
    """Judged for a session, under way or to come."""
    starts_in_s: float = 0.0
    """How long until it starts; 0 once it has."""


Evidence = Mapping[str, Any]
"""Reading key -> value. Only fresh values are in it; of `reads` none is None."""

Decide = Callable[[Evidence, Need], Finding]


class Check(Struct, frozen=True):
    """One question about the devices of one role; `role` None: about each device that a slot asks for."""

    role: Role | Literal["people", "centre"] | None
    """`people` and `centre`: about what the centre knows beside the report; it is asked once, and what the centre does
    not know is None."""
    reads: tuple[str, ...]
    decide: Decide
    where_told: bool = False
    """Asked only of a device whose driver tells all of `reads`; of others of the role it asks nothing."""
    may_lack: tuple[str, ...] = ()
    """Read too where the device tells them; None where not."""
    mend_min: int = 15
    """Minutes that it usually takes to put right: what takes longest is shown first."""
    unit: Unit = ""
    """Of what it observes and requires, where that is a number."""
    awaits: tuple[str, ...] = ()
    """Message keys by which it says that a person has yet to do something for the session."""


_PASSED = Finding(Outcome.PASS)


def passed(observed: Value = None, required: Value = None) -> Finding:
    """All is well."""
    return _PASSED if observed is None and required is None else Finding(Outcome.PASS, "ok", {}, observed, required)


def not_asked(key: str, required: Value = None) -> Finding:
    """Nothing stands against the room, for nobody has to know it yet; the text says so."""
    return Finding(Outcome.PASS, key, {}, None, required)


def warned(
    key: str, observed: Value = None, required: Value = None, unit: Unit | None = None, **params: Any
) -> Finding:
    """It will do, and may not for long."""
    return Finding(Outcome.WARN, key, params, observed, required, unit)


def failed(
    key: str, observed: Value = None, required: Value = None, unit: Unit | None = None, **params: Any
) -> Finding:
    """It will not do."""
    return Finding(Outcome.FAIL, key, params, observed, required, unit)
