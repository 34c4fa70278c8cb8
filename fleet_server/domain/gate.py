"""The go/no-go of a session: every site's verdict under the session's own needs. The decision is a person's."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct

from fleet_server.domain.findings import Outcome
from fleet_server.domain.readiness import SET_BACK_S, CheckResult, Judgement, Room, Verdict

EVIDENCE_S = 10.0
"""A decision rests on reports that are no older."""


class Waiver(Struct, frozen=True):
    """A named person's exception: one check of one site counts as waived until the end."""

    site: str
    check: str
    reason: str
    by: str
    until: datetime


class SiteAtGate(Struct, frozen=True):
    """One site as the gate sees it."""

    site: str
    verdict: Verdict
    admitted: bool
    reasons: tuple[CheckResult, ...]
    """What is not a pass: what blocks before what does not, longest to mend first."""
    waived: tuple[CheckResult, ...]
    report_at: float | None = None
    """When its report came, in seconds since the epoch; None where it has none that counts."""
    checks: tuple[CheckResult, ...] = ()
    """All that was asked."""


class Step(Struct, frozen=True):
    """What is to be put right first: one check that fails, and everywhere where it does."""

    check: str
    sites: tuple[str, ...]
    blocks: bool
    """It stands against a go."""
    mend_min: int
    learnt: bool = False
    """It is what it took here until now, and not what profile or blueprint guess."""


class Gate(Struct, frozen=True):
    """All of a session's sites at one moment."""

    go: bool
    sites: tuple[SiteAtGate, ...]

    @property
    def state(self) -> Literal["go", "no_go"]:
        """What is recommended."""
        return "go" if self.go else "no_go"


def gate_of(
    judged: Mapping[str, Judgement], waivers: Iterable[Waiver], now: datetime,
    report_at: Mapping[str, float | None] = {},
) -> Gate:  # fmt: skip
    """Go only when every site is ready or at risk, or all that stands against it is waived. No site is no go."""
    in_force = {(waiver.site, waiver.check) for waiver in waivers if waiver.until > now}
    sites = []
    for site, judgement in judged.items():
        troubles = [check for check in judgement.checks if check.outcome is not Outcome.PASS]
        waived = tuple(check for check in troubles if (site, check.check) in in_force)
        reasons = tuple(sorted((check for check in troubles if check not in waived), key=_mend_order))
        admitted = judgement.verdict is not Verdict.OFFLINE and bool(judgement.checks) and not any(map(blocks, reasons))
        sites.append(
            SiteAtGate(site, judgement.verdict, admitted, reasons, waived, report_at.get(site), judgement.checks)
        )
    sites.sort(key=lambda entry: (entry.admitted, entry.verdict is Verdict.READY))
    return Gate(bool(sites) and all(entry.admitted for entry in sites), tuple(sites))


def blocks(check: CheckResult) -> bool:
    """Whether it must be put right or waived before a go."""
    return check.counts and check.outcome not in (Outcome.WARN, Outcome.PASS)


def steps_of(gate: Gate, usual_min: Mapping[str, int] = {}) -> list[Step]:
    """What to do, in the order in which to begin: what blocks before what does not, longest to mend first.

    `usual_min`: check -> the minutes that it took until now, where that is known.
    """
    found: dict[str, Step] = {}
    for entry in gate.sites:
        for check in entry.reasons:
            known = found.get(check.check, Step(check.check, (), False, 0))
            where = known.sites if entry.site in known.sites else (*known.sites, entry.site)
            found[check.check] = Step(
                check.check, where, known.blocks or blocks(check),
                usual_min.get(check.check, max(known.mend_min, check.mend_min)), check.check in usual_min,
            )  # fmt: skip
    return sorted(found.values(), key=lambda step: (not step.blocks, -step.mend_min, -len(step.sites)))


def too_old(gate: Gate, now: float, agents: Iterable[str]) -> list[str]:
    """Sites, of those that have an agent, whose report is older than a decision may rest on."""
    with_agent = set(agents)
    return [
        entry.site for entry in gate.sites
        if entry.site in with_agent and not is_recent(entry.report_at, now)
    ]  # fmt: skip


def is_recent(report_at: float | None, now: float) -> bool:
    """Whether a decision may rest on this report; not on one of the future, for then our clock was set back."""
    return report_at is not None and -SET_BACK_S <= now - report_at <= EVIDENCE_S


def report_at_of(room: Room) -> float | None:
    """When the room's report came, where the room is there at all."""
    return room.received_at if room.present and room.report is not None else None


def _mend_order(check: CheckResult) -> tuple[bool, int]:
    return not blocks(check), -check.mend_min
