"""What has become worse in a session's rooms since the decision to go."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from fleet_server.domain.findings import Outcome
from fleet_server.domain.readiness import CheckResult, Judgement, Verdict
from wire.fields import Value

OFFLINE = "offline"
"""Stands in the place of a check where the room is not heard of any more; its devices are then not asked."""
_RANK = {Outcome.PASS: 0, Outcome.WAIVED: 0, Outcome.WARN: 1, Outcome.UNKNOWN: 2, Outcome.FAIL: 2}
Key = tuple[str, str]
"""Check and device; the device is empty where a check asks none."""


class Trouble(Struct, frozen=True):
    """One check of one room that is worse than it was."""

    check: str
    device: str
    outcome: Outcome
    key: str
    params: Mapping[str, Value]


class Change(Struct, frozen=True):
    """What to write down of one room."""

    opened: tuple[Trouble, ...] = ()
    worsened: tuple[Trouble, ...] = ()
    cleared: tuple[Key, ...] = ()


def base_of(checks: Iterable[CheckResult]) -> dict[Key, Outcome]:
    """How a room was at the decision."""
    return {(check.check, check.device or ""): check.outcome for check in checks}


def change_of(base: Mapping[Key, Outcome], judgement: Judgement, open_ones: Mapping[Key, Outcome]) -> Change:
    """What is new since `open_ones` was written down.

    Whatever is as it was at the decision is no setback. An unknown opens one and never clears one.
    """
    if judgement.verdict is Verdict.OFFLINE:
        known = (OFFLINE, "") in open_ones
        return Change(() if known else (Trouble(OFFLINE, "", Outcome.UNKNOWN, "offline", {}),))
    opened, worsened, cleared = [], [], []
    if (OFFLINE, "") in open_ones:
        cleared.append((OFFLINE, ""))
    for check in judgement.checks:
        key = (check.check, check.device or "")
        rank, was = _RANK[check.outcome], _RANK[base.get(key, Outcome.PASS)]
        trouble = Trouble(*key, check.outcome, check.key, check.params)
        if key not in open_ones:
            if rank > was:
                opened.append(trouble)
        elif rank <= was and check.outcome is not Outcome.UNKNOWN:
            cleared.append(key)
        elif rank > _RANK[open_ones[key]]:
            worsened.append(trouble)
    return Change(tuple(opened), tuple(worsened), tuple(cleared))
