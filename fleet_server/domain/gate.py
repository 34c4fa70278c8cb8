"""The go/no-go of a session: every site's verdict under the session's own needs. The decision is a person's."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct

from fleet_server.domain.checks import checks
from fleet_server.domain.findings import Outcome
from fleet_server.domain.readiness import CheckResult, Judgement, Verdict


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
    """What is not a pass, longest to mend first."""
    waived: tuple[CheckResult, ...]


class Gate(Struct, frozen=True):
    """All of a session's sites at one moment."""

    go: bool
    sites: tuple[SiteAtGate, ...]


def gate_of(judged: Mapping[str, Judgement], waivers: Iterable[Waiver], now: datetime) -> Gate:
    """Go only when every site is ready or at risk, or all that stands against it is waived. No site is no go."""
    in_force = {(waiver.site, waiver.check) for waiver in waivers if waiver.until > now}
    sites = []
    for site, judgement in judged.items():
        troubles = [check for check in judgement.checks if check.outcome is not Outcome.PASS]
        waived = tuple(check for check in troubles if (site, check.check) in in_force)
        reasons = tuple(sorted((check for check in troubles if check not in waived), key=_mend_order))
        blocked = any(check.counts and check.outcome is not Outcome.WARN for check in reasons)
        admitted = judgement.verdict is not Verdict.OFFLINE and bool(judgement.checks) and not blocked
        sites.append(SiteAtGate(site, judgement.verdict, admitted, reasons, waived))
    sites.sort(key=lambda entry: (entry.admitted, entry.verdict is Verdict.READY))
    return Gate(bool(sites) and all(entry.admitted for entry in sites), tuple(sites))


def _mend_order(check: CheckResult) -> tuple[bool, int]:
    return check.outcome is Outcome.WARN, -checks()[check.check].mend_min
