"""From checks to causes: what a person is told of once, and which symptoms it explains."""

from collections.abc import Collection, Mapping

from msgspec import Struct

from fleet_server.domain.findings import Outcome
from fleet_server.domain.readiness import CheckResult, Judgement, Verdict
from fleet_server.domain.setbacks import OFFLINE, Key
from wire.fields import Value

POWER = "power_lasts"
"""The check that says that a room is without mains."""
_ANSWERS = "answers"
ONLY_CHARGING = "charging"


class Cause(Struct, frozen=True):
    """One thing that is wrong in a room."""

    key: Key
    outcome: Outcome
    counts: bool
    """It makes the room not ready."""
    role: str
    says: str
    """The text key of the check's message."""
    params: Mapping[str, Value] = {}
    held: tuple[Key, ...] = ()
    """Symptoms that it explains: nobody is told of them beside it."""

    @property
    def is_root(self) -> bool:
        """Whether the whole room hangs on it."""
        return self.key[0] in (OFFLINE, POWER)


class Found(Struct, frozen=True):
    """A room at one moment. What is neither a cause nor well is not known: nothing begins or ends by it."""

    causes: Mapping[Key, Cause]
    well: frozenset[Key]
    asked: frozenset[Key] | None = None
    """Everything that was looked at, well or not; None where the room cannot be looked at."""


def found_in(judgement: Judgement) -> Found:
    """A room that is away has that one cause; one without mains explains what does not answer; a device that does not
    answer explains what cannot be known of it."""
    if judgement.verdict is Verdict.OFFLINE:
        away = Cause((OFFLINE, ""), Outcome.FAIL, True, "", "offline")
        return Found({away.key: away}, frozenset())
    well = {_key(check) for check in judgement.checks if check.outcome is Outcome.PASS} | {(OFFLINE, "")}
    ill = {_key(check): check for check in judgement.checks if check.outcome is not Outcome.PASS}
    silent = {device for (name, device), check in ill.items() if name == _ANSWERS and check.outcome is not Outcome.WARN}
    powerless = [key for key, check in ill.items() if key[0] == POWER and check.key != ONLY_CHARGING]
    holder: dict[Key, Key] = {}
    for key, check in ill.items():
        name, device = key
        if powerless and key not in powerless and (device in silent or check.outcome is Outcome.UNKNOWN):
            holder[key] = powerless[0]
        elif device in silent and name != _ANSWERS:
            holder[key] = (_ANSWERS, device)
    causes = {}
    for key, check in ill.items():
        if key not in holder:
            held = tuple(sorted(symptom for symptom, by in holder.items() if by == key))
            causes[key] = Cause(key, check.outcome, check.counts, check.role, check.key, check.params, held)
    return Found(causes, frozenset(well), frozenset(well | ill.keys()))


def without_awaited(found: Found, awaits: Mapping[str, Collection[str]]) -> Found:
    """The room without what only awaits a person who has not had the time yet: that is neither wrong nor well.

    `awaits`: check -> message keys by which it says so.
    """
    causes = {key: cause for key, cause in found.causes.items() if cause.says not in awaits.get(key[0], ())}
    return Found(causes, found.well, found.asked)


def _key(check: CheckResult) -> Key:
    return check.check, check.device or ""
