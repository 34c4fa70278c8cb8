"""Sites, checks, devices as people are shown them, by API and pages alike: sentences, units, order."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from fleet_server.domain.findings import Outcome
from fleet_server.domain.firmware import FirmwareFinding
from fleet_server.domain.provisioning import DeviceState, Fit
from fleet_server.domain.readiness import CheckResult, Verdict
from fleet_server.state.fleet import SiteEntry
from fleet_server.store.logs import LogRow
from fleet_server.texts import Lang, check_message, has, quantity, span, translate, why_text
from wire.description import ActionSpec, ReadingSpec, Text
from wire.fields import Value
from wire.messages import DeviceAbout, DeviceReport
from wire.units import Unit

_SEVERITY = {Outcome.FAIL: 0, Outcome.UNKNOWN: 1, Outcome.WARN: 2, Outcome.WAIVED: 3, Outcome.PASS: 4}
_URGENCY = {Verdict.NOT_READY: 0, Verdict.OFFLINE: 1, Verdict.AT_RISK: 2, Verdict.READY: 3}


class ReadingView(Struct, frozen=True):
    """One reading of a device."""

    key: str
    label: str
    value: Any
    unit: str
    age_s: float | None
    fresh: bool


class DeviceView(Struct, frozen=True):
    """One device of a site."""

    id: str
    role: str
    name: str
    state: str
    detail: str
    readings: tuple[ReadingView, ...]
    actions: tuple[ActionSpec, ...]


def moment(at: float) -> datetime:
    """Seconds since the epoch as a time."""
    return datetime.fromtimestamp(at, UTC)


def worst_first(checks: Iterable[CheckResult]) -> list[CheckResult]:
    """Failures, then what nobody knows, then warnings, then the rest."""
    return sorted(checks, key=lambda check: (_SEVERITY[check.outcome], not check.counts))


def most_urgent_first(entries: Iterable[SiteEntry]) -> list[SiteEntry]:
    """Sites with trouble first, by name within each verdict; what is only being set up comes last."""
    return sorted(entries, key=lambda entry: (not entry.is_set_up, _URGENCY[entry.verdict], entry.site.name))


def sentence(lang: Lang, entry: SiteEntry) -> str:
    """The one thing to know of a site now."""
    if not entry.is_set_up:
        reasons = provisioning_reasons(lang, entry) if entry.room.about is not None else []
        return reasons[0] if reasons else translate(lang, "verdict_says.no_agent")
    if entry.verdict is Verdict.OFFLINE:
        return translate(lang, "verdict_says.offline")
    troubles = [check for check in worst_first(entry.judgement.checks) if check.outcome is not Outcome.PASS]
    return message(lang, troubles[0], entry) if troubles else translate(lang, "verdict_says.ready")


def message(lang: Lang, check: CheckResult, entry: SiteEntry) -> str:
    """What a check says of a device, and what to do."""
    role = translate(lang, f"role.{check.role}")
    title = translate(lang, f"checks.{check.check}.title")
    named = {"check": title, "device": device_name(lang, entry, check.device) if check.device else role, "role": role}
    return check_message(lang, check.check, check.key, {**named, **check.params})


def device_name(lang: Lang, entry: SiteEntry, device: str) -> str:
    """`Camera Hikvision DS-2CD` or, while nothing is known of it, its role and id."""
    about = entry.room.about
    known = next((found for found in about.devices if found.id == device), None) if about else None
    return _name(lang, known) if known else device


def unit_of(check: CheckResult) -> Unit:
    """The unit of what a check observed and required."""
    return check.unit


def provisioning_reasons(lang: Lang, entry: SiteEntry) -> list[str]:
    """Why a room is not what it should be, a sentence each; what only warns comes last."""
    found = []
    if entry.boots.cloned_at is not None:
        found.append(translate(lang, "provisioning.cloned"))
    for slot in entry.provisioning.slots if entry.provisioning.known else ():
        if not slot.filled:
            roles = " / ".join(translate(lang, f"role.{role}") for role in slot.roles)
            found.append(translate(lang, "provisioning.slot_empty", roles=roles))
    if not entry.provisioning.known:
        found.append(translate(lang, "provisioning.no_about"))
    elif not entry.provisioning.compared:
        found.append(translate(lang, "provisioning.not_compared"))
    for state in entry.provisioning.devices:
        found += _device_reasons(lang, entry, state)
    return found


def _device_reasons(lang: Lang, entry: SiteEntry, state: DeviceState) -> Iterator[str]:
    device = device_name(lang, entry, state.device)
    if not state.known:
        yield translate(lang, "provisioning.not_known", device=device)
    elif state.profile is None:
        yield translate(lang, "provisioning.no_profile", device=device)
    if (was := state.swapped_for) is not None:
        now = state.about
        before, after = (" ".join(filter(None, (who.make, who.model, who.serial))) for who in (was, now))
        yield translate(lang, "provisioning.swapped", device=device, before=before, after=after)
    if not state.firmware.accepted:
        yield translate(lang, "provisioning.firmware", device=device, reason=firmware_text(lang, state.firmware))
    for drift in sorted(state.drifts, key=lambda drift: not drift.counts):
        spec = _spec_of(entry, state.device, drift.key)
        yield translate(
            lang, "provisioning.drift", device=device, label=label_of(lang, spec.label, drift.key),
            found=quantity(lang, drift.found, spec.unit), wanted=quantity(lang, drift.wanted, spec.unit),
            since=span(lang, max(0.0, (entry.room.received_at or drift.since) - drift.since)),
        )  # fmt: skip


def setting_change(lang: Lang, entry: SiteEntry, device: str, key: str, found: Value, wanted: Value) -> str:
    """What a step of provisioning changes, in the words of the device's driver."""
    spec = _spec_of(entry, device, key)
    return translate(
        lang, "provisioning.step", device=device_name(lang, entry, device), label=label_of(lang, spec.label, key),
        found=quantity(lang, found, spec.unit), wanted=quantity(lang, wanted, spec.unit),
    )  # fmt: skip


def _spec_of(entry: SiteEntry, device: str, key: str) -> ReadingSpec:
    about = entry.room.about
    driver = next((known.driver for known in about.devices if known.id == device), "") if about else ""
    told = about.readings.get(driver, ()) if about else ()
    return next((spec for spec in told if spec.key == key), ReadingSpec(key))


def why_no_line_test(lang: Lang, detail: str) -> str:
    """Why a line test ended without a result."""
    key = f"line_test.why.{detail}"
    return translate(lang, key if has(key) else "line_test.why.other")


def firmware_text(lang: Lang, finding: FirmwareFinding) -> str:
    """What a profile says of a firmware, with its reason where it refuses it."""
    reason = getattr(finding.reason, lang) if finding.reason is not None else ""
    return translate(lang, f"firmware.{finding.key}", **{**finding.params, "reason": reason})


def event_text(lang: Lang, row: LogRow, entry: SiteEntry) -> str:
    """One entry of the room's log as a sentence."""
    device = device_name(lang, entry, row.device) if row.device else ""
    shown = {name: quantity(lang, value, "") for name, value in row.params.items() if name != "key"}
    shown["why"] = why_text(lang, str(row.params.get("why", "")))
    key = str(row.params.get("key", ""))
    label = label_of(lang, _spec_of(entry, row.device or "", key).label, key)
    return translate(lang, f"event.{row.event}", **{**shown, "device": device, "label": label})


def devices_of(lang: Lang, entry: SiteEntry, now: float) -> list[DeviceView]:
    """Every device with its readings and the actions that it offers."""
    about, report = entry.room.about, entry.room.report
    if about is None:
        return []
    said = {device.id: device for device in report.devices} if report else {}
    return [_device(lang, entry, fit, said.get(fit.about.id), now) for fit in entry.fits]


def label_of(lang: Lang, label: Text | None, fallback: str) -> str:
    """A driver's label, or the bare name where it has none."""
    return getattr(label, lang) if label is not None else fallback


def _device(lang: Lang, entry: SiteEntry, fit: Fit, said: DeviceReport | None, now: float) -> DeviceView:
    assert entry.room.about is not None
    known = fit.about
    specs = {spec.key: spec for spec in entry.room.about.readings.get(known.driver, ())}
    readings = []
    for reading in said.readings if said else ():
        spec = specs.get(reading.key) or ReadingSpec(reading.key)
        received_at = entry.room.received_at
        age_s = now - received_at + reading.age_s if received_at is not None else None
        readings.append(
            ReadingView(
                reading.key, label_of(lang, spec.label, reading.key), reading.value, spec.unit,
                age_s, age_s is not None and age_s < spec.max_age_s,
            )
        )  # fmt: skip
    return DeviceView(
        known.id, known.role, _name(lang, known), said.state if said else "waiting",
        said.detail if said else "", tuple(readings),
        tuple(spec for spec in fit.actions if not spec.by_centre),
    )  # fmt: skip


def _name(lang: Lang, known: DeviceAbout) -> str:
    return " ".join(part for part in (translate(lang, f"role.{known.role}"), known.make, known.model) if part)
