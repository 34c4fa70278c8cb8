"""Report, needs and the time -> verdict, checks, and the moment at which time alone would change them.

A verdict is the worst of its required checks: a `fail` or `unknown` makes not_ready, a `warn` at_risk. No presence,
or three reports missed, is offline. All times here are seconds since the epoch on the server's clock; the age of
evidence is the server's time since receipt plus the age that the agent stated, so a wrong clock in a room makes
nothing young.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from firmware_profiles.schema import Blueprint, Rule, Threshold
from fleet_server.domain.findings import Check, Evidence, Finding, Need, Outcome
from wire.fields import Value
from wire.messages import About, DeviceAbout, DeviceReport, Reading, Report
from wire.units import Unit

REPORTS_MISSED = 3
NEVER = math.inf
SET_BACK_S = 1.0
"""What came later than now by more than this, came before our clock was set back: how old it is nobody knows."""
_NO_EVIDENCE, _LONGEST_KEY = Finding(Outcome.UNKNOWN, "no_evidence"), 64
_STATE_MAX_AGE_S = 60.0
_NOTHING_OWN = Threshold()
PEOPLE, CENTRE = "people", "centre"
"""Roles of checks about what the centre itself knows, and no device of the room."""
_Said = tuple[DeviceReport, dict[str, Reading]]
"""A device of the report, and its readings by their key."""


class Verdict(StrEnum):
    """What a site is."""

    READY = "ready"
    AT_RISK = "at_risk"
    NOT_READY = "not_ready"
    OFFLINE = "offline"


class Room(Struct, frozen=True, gc=False):
    """What the server has of a room."""

    present: bool
    report: Report | None = None
    about: About | None = None
    received_at: float | None = None
    """When the server itself received the report, less what it waited on its way; None: it is no evidence."""


class CheckResult(Struct, frozen=True, gc=False):
    """One check over one device."""

    check: str
    role: str
    device: str | None
    outcome: Outcome
    key: str
    params: Mapping[str, Value]
    observed: Value
    required: Value
    seen_at: float | None
    """The moment of the oldest evidence that it rests on."""
    counts: bool
    """Required: its fail makes the site not ready."""
    unit: Unit = ""
    """Of what it observed and requires, where that is a number."""
    mend_min: int = 15
    """Minutes that it usually takes to put right."""


class Judgement(Struct, frozen=True, gc=False):
    """A site at one moment."""

    verdict: Verdict
    checks: tuple[CheckResult, ...]
    changes_at: float
    """When the verdict or a check would change with no message arriving; NEVER where it would not."""


class Known(Struct, frozen=True):
    """What the centre knows of a room beside its report; times are seconds since the epoch."""

    value: Value
    at: float
    until: float = NEVER
    """From then on it is as good as not known."""


class Wanted(Struct, frozen=True):
    """What a room must be good for."""

    planned_s: float
    """How long it must last."""
    live: bool = False
    """It is in use already."""
    in_session: bool = True
    """For a session; False: for any that might come."""
    starts_in_s: float = 0.0
    known: Mapping[str, Known] = {}
    limits: Mapping[str, float] = {}
    """What the session itself asks, beside the limits of the blueprint."""


class _Planned(Struct, frozen=True):
    name: str
    check: Check
    rule: Rule
    role: str
    device: str | None
    limits: Mapping[str, float]
    max_ages_s: tuple[float, ...]
    lacking_ages_s: tuple[float, ...]
    mend_min: int


class Plan(Struct, frozen=True):
    """The checks of a blueprint laid over the devices of one room; made once for each `about`."""

    interval_s: float
    planned_s: float
    checks: tuple[_Planned, ...]
    about_revision: str | None
    has_agent: bool = True
    """False: nobody reports; what counts is what the centre knows."""


Thresholds = Callable[[DeviceAbout], Mapping[str, Threshold]]
"""What a device's profile wants otherwise than the blueprint, check by check."""


def _as_blueprint(_device: DeviceAbout) -> Mapping[str, Threshold]:
    return {}


def plan_of(
    blueprint: Blueprint, about: About | None, checks: Mapping[str, Check], limits: Mapping[str, float] = {},
    thresholds: Thresholds = _as_blueprint,
) -> Plan:  # fmt: skip
    """Which check asks which device. Without `about` every check stands, with nobody to ask.

    `limits` are the site's own, such as the contract of its line; they stand for every check.
    """
    planned = []
    known = {device.id: thresholds(device) for device in about.devices} if about is not None else {}

    def plan(name: str, role: str, device: DeviceAbout | None) -> None:
        own = known[device.id].get(name, _NOTHING_OWN) if device is not None else _NOTHING_OWN
        rule = blueprint.checks[name]
        ages = _ages_of(device, about)
        most_s = own.max_age_s or rule.max_age_s
        told = checks[name]
        planned.append(
            _Planned(
                name, told, rule, role, device.id if device is not None else None,
                {**rule.limits, **limits, **own.limits}, ages(told.reads, most_s), ages(told.may_lack, most_s),
                own.mend_min or rule.mend_min or told.mend_min,
            )
        )  # fmt: skip

    for name in blueprint.checks:
        check = checks[name]
        if check.role in (PEOPLE, CENTRE):
            plan(name, str(check.role), None)
            continue
        for slot in blueprint.slots:
            if check.role is not None and check.role not in slot.roles:
                continue
            there = [device for device in about.devices if device.role in slot.roles] if about is not None else []
            for device in there:
                if check.role in (None, device.role) and (not check.where_told or _tells(device, check, about)):
                    plan(name, device.role, device)
            if check.role in (None, slot.roles[0]):
                for _ in range(slot.count - len(there)):
                    plan(name, slot.roles[0], None)
    revision = about.revision if about else None
    return Plan(blueprint.report_interval_s, blueprint.planned_s, tuple(planned), revision, blueprint.agent)


def judge(room: Room, plan: Plan, now: float, wanted: Wanted | None = None, learning: bool = False) -> Judgement:
    """The verdict at `now`. `wanted` is by the session, where there is one; `learning`: just after a start."""
    report, received_at = room.report, room.received_at
    missed_at = received_at + REPORTS_MISSED * plan.interval_s if received_at is not None else -NEVER
    if received_at is not None and received_at > now + SET_BACK_S:
        received_at = None
    known = report is not None and report.about_revision == plan.about_revision
    devices = {device.id: (device, _by_key(device)) for device in report.devices} if report is not None else {}
    changes_at = missed_at if missed_at > now else NEVER
    results = []
    worst = Verdict.READY if plan.checks else Verdict.NOT_READY
    wanted = wanted or Wanted(plan.planned_s, in_session=False)
    for planned in plan.checks:
        result, until = _ask(planned, devices, received_at if known else None, now, wanted, known)
        if until < changes_at:
            changes_at = until
        results.append(result)
        outcome = result.outcome
        if outcome is Outcome.PASS or worst is Verdict.NOT_READY:
            continue
        hard = planned.rule.counts == "required" and outcome is not Outcome.WARN
        worst = Verdict.NOT_READY if hard else Verdict.AT_RISK
    gone = plan.has_agent and (not room.present or missed_at <= now)
    if gone and not learning:
        worst = Verdict.OFFLINE
    elif gone:
        worst = Verdict.NOT_READY  # learning: not offline anew, and never ready without a report
    return Judgement(worst, tuple(results), changes_at)


def _tells(device: DeviceAbout, check: Check, about: About | None) -> bool:
    told = {spec.key for spec in about.readings.get(device.driver, ())} if about is not None else set()
    return told.issuperset(check.reads)


def _ages_of(
    device: DeviceAbout | None, about: About | None
) -> Callable[[Sequence[str], float | None], tuple[float, ...]]:
    specs = {}
    if about is not None and device is not None:
        specs = {spec.key: spec.max_age_s for spec in about.readings.get(device.driver, ())}

    def ages(keys: Sequence[str], most_s: float | None) -> tuple[float, ...]:
        own = (specs.get(key, _STATE_MAX_AGE_S) for key in keys)
        return tuple(min(age, most_s) if most_s else age for age in own)

    return ages


def _ask(
    planned: _Planned, devices: Mapping[str, _Said], received_at: float | None, now: float, wanted: Wanted, known: bool
) -> tuple[CheckResult, float]:
    """One check over one device, and the moment when it goes stale."""
    if planned.role in (PEOPLE, CENTRE):
        return _ask_centre(planned, now, wanted)
    if planned.device is None:
        return _result(planned, Finding(Outcome.FAIL, "slot_empty", {}), None), NEVER
    said = devices.get(planned.device)
    if said is None or received_at is None:
        key = "no_evidence" if known or not devices else "no_about"
        return _result(planned, Finding(Outcome.UNKNOWN, key), None), NEVER
    device, readings = said
    evidence: dict[str, Value] = {}
    seen_at = stale_at = NEVER
    check = planned.check
    for key, max_age_s in zip(check.reads, planned.max_ages_s, strict=True):
        if key == "state":
            # A trouble is dated by its first sight while it lasts; the report that repeats it is what ages.
            value: Value = device.state
            at = received_at - device.age_s if device.state == "ok" else received_at
        else:
            reading = readings.get(key)
            if reading is None or reading.value is None:
                return _result(planned, Finding(Outcome.UNKNOWN, "no_evidence"), None), NEVER
            value, at = reading.value, received_at - reading.age_s
        until = at + max_age_s
        if now >= until:
            return _result(planned, Finding(Outcome.UNKNOWN, "stale", {}, value), at), NEVER
        evidence[key] = value
        if at < seen_at:
            seen_at = at
        if until < stale_at:
            stale_at = until
    for key, max_age_s in zip(check.may_lack, planned.lacking_ages_s, strict=True):
        reading = readings.get(key)
        evidence[key] = None
        if reading is not None and now < (until := received_at - reading.age_s + max_age_s):
            evidence[key] = reading.value
            if until < stale_at:
                stale_at = until
    return _result(planned, _decided(planned, evidence, wanted), seen_at), stale_at


def _ask_centre(planned: _Planned, now: float, wanted: Wanted) -> tuple[CheckResult, float]:
    """A check about what the centre knows, and when that runs out. What it does not know is None."""
    known = {key: found for key in planned.check.reads if (found := wanted.known.get(key)) and now < found.until}
    evidence = {key: known[key].value if key in known else None for key in planned.check.reads}
    seen_at = min((found.at for found in known.values()), default=None)
    until = min((found.until for found in known.values()), default=NEVER)
    return _result(planned, _decided(planned, evidence, wanted), seen_at), until


def _decided(planned: _Planned, evidence: Evidence, wanted: Wanted) -> Finding:
    """What the check says. Evidence that is nothing like what it reads, such as a text for a number, is none: whatever
    one room says, the others are judged."""
    try:
        found = planned.check.decide(evidence, _need(planned, wanted))
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError):
        return _NO_EVIDENCE
    is_ours = isinstance(found.key, str) and len(found.key) <= _LONGEST_KEY
    return found if is_ours else _NO_EVIDENCE


def _need(planned: _Planned, wanted: Wanted) -> Need:
    limits = {**planned.limits, **wanted.limits} if wanted.limits else planned.limits
    return Need(wanted.planned_s, limits, wanted.live, wanted.in_session, wanted.starts_in_s)


def _by_key(device: DeviceReport) -> dict[str, Reading]:
    return {reading.key: reading for reading in device.readings}


def _result(planned: _Planned, finding: Finding, seen_at: float | None) -> CheckResult:
    return CheckResult(
        planned.name, planned.role, planned.device, finding.outcome, finding.key, finding.params,
        finding.observed, finding.required, seen_at, planned.rule.counts == "required",
        finding.unit or planned.check.unit, planned.mend_min,
    )  # fmt: skip
