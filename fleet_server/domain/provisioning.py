"""Is the room what it should be? Ready says how it is now, provisioned what it consists of.

A slot is filled by devices of its roles. A device is right when a profile fits it, its firmware is accepted, no setting
that counts differs from what is wanted, and it is the one that was accepted into the room.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from firmware_profiles.catalogue import Catalogue, Profile
from firmware_profiles.schema import ActionRule, Blueprint, SetBy
from fleet_server.domain.firmware import FirmwareFinding, firmware_finding
from wire.description import ActionSpec
from wire.fields import Value
from wire.messages import About, DeviceAbout, Report

_CLOSE = 1e-6


class Accepted(Struct, frozen=True):
    """The device that belongs into the room under an id; times are seconds since the epoch."""

    make: str
    model: str
    serial: str
    at: float
    by: str = ""
    """Empty: taken as it was first seen."""

    @property
    def is_nameless(self) -> bool:
        """It said its firmware alone: whoever names itself later is not another."""
        return not (self.make or self.model or self.serial)


class Kept(Struct, frozen=True, omit_defaults=True):
    """What the server remembers of a room, beside its newest report."""

    accepted: Mapping[str, Accepted] = {}
    drift_since: Mapping[str, float] = {}
    """`device key` -> when the difference was first seen."""
    applied_at: float | None = None
    """When settings were last set by us, and seen to be kept."""
    set_up_at: float | None = None
    """When the room was first what it should be."""


class Drift(Struct, frozen=True):
    """A setting that is not as wanted."""

    device: str
    key: str
    wanted: Value
    found: Value
    """None: nothing is known since the room's `about` changed."""
    differs: Literal["fail", "warn", "mend"]
    since: float
    set_by: SetBy | None

    @property
    def counts(self) -> bool:
        """Whether it stands against "provisioned"."""
        return self.differs != "warn"


class DeviceState(Struct, frozen=True):
    """One device against its profile."""

    device: str
    role: str
    about: DeviceAbout
    profile: Profile | None
    firmware: FirmwareFinding
    drifts: tuple[Drift, ...]
    swapped_for: Accepted | None
    """The device that was here before, when this is another one that nobody has accepted."""
    known: bool
    """Whether it has said what it is."""

    @property
    def is_right(self) -> bool:
        """Nothing stands against it."""
        return (
            self.known
            and self.profile is not None
            and self.firmware.accepted
            and self.swapped_for is None
            and not any(drift.counts for drift in self.drifts)
        )


class SlotState(Struct, frozen=True):
    """One slot and who fills it."""

    slot: str
    roles: tuple[str, ...]
    wanted: int
    devices: tuple[DeviceState, ...]

    @property
    def filled(self) -> bool:
        """Whether enough devices are there."""
        return len(self.devices) >= self.wanted

    @property
    def is_right(self) -> bool:
        """Filled, and by devices that are right."""
        return self.filled and all(device.is_right for device in self.devices)


class Provisioning(Struct, frozen=True):
    """A room against its blueprint and its profiles."""

    slots: tuple[SlotState, ...] = ()
    known: bool = False
    """Whether the room has said what it consists of."""
    compared: bool = True
    """False while a room that was never set up has yet to say how its settings are."""

    @property
    def is_provisioned(self) -> bool:
        """Every slot is right."""
        return self.known and self.compared and bool(self.slots) and all(slot.is_right for slot in self.slots)

    @property
    def devices(self) -> tuple[DeviceState, ...]:
        """Of all slots, each once."""
        return tuple({device.device: device for slot in self.slots for device in slot.devices}.values())

    @property
    def drifts(self) -> tuple[Drift, ...]:
        """Of all devices."""
        return tuple(drift for device in self.devices for drift in device.drifts)


class Fit(Struct, frozen=True):
    """A device and its profile: what only a new `about` changes."""

    about: DeviceAbout
    profile: Profile | None
    firmware: FirmwareFinding
    actions: tuple[ActionSpec, ...]
    """What people may ask of it here: what the device offers, less what its profile does not allow."""


def fits_of(site: str, about: About | None, catalogue: Catalogue) -> tuple[Fit, ...]:
    """Every device of a room with the profile that it has there."""
    found = []
    for device in about.devices if about is not None else ():
        profile = catalogue.profile_of(site, device)
        judged = firmware_finding(profile.firmware, device.firmware) if profile else FirmwareFinding(True, "any")
        found.append(Fit(device, profile, judged, tuple(_offered(device, profile))))
    return tuple(found)


def provisioning_of(
    blueprint: Blueprint, about: About | None, fits: Sequence[Fit], report: Report | None, kept: Kept, now: float
) -> tuple[Provisioning, Kept]:
    """The room as it is, and what is to be remembered of it from now on."""
    if about is None:
        empty = tuple(SlotState(slot.name, slot.roles, slot.count, ()) for slot in blueprint.slots)
        return Provisioning(empty), kept
    accepted = {**_first_seen(about, now), **kept.accepted}
    accepted |= _said_later(about, accepted)
    readings = _readings_of(about, report)
    states = []
    for fit in fits:
        device = fit.about
        was = accepted.get(device.id)
        states.append(
            DeviceState(
                device.id, device.role, device, fit.profile, fit.firmware,
                tuple(_drifts(fit, readings.get(device.id), kept.drift_since, now)),
                was if was is not None and is_another(was, device) else None, is_known(device),
            )
        )  # fmt: skip
    slots = tuple(
        SlotState(slot.name, slot.roles, slot.count, tuple(s for s in states if s.role in slot.roles))
        for slot in blueprint.slots
    )
    since = {f"{drift.device} {drift.key}": drift.since for state in states for drift in state.drifts}
    found = Provisioning(slots, True, kept.set_up_at is not None or all(_is_compared(fit, readings) for fit in fits))
    set_up_at = kept.set_up_at if kept.set_up_at is not None or not found.is_provisioned else now
    remembered = replace(kept, accepted=accepted, drift_since=since, set_up_at=set_up_at)
    return found, remembered if remembered != kept else kept


def _offered(device: DeviceAbout, profile: Profile | None) -> Iterator[ActionSpec]:
    """An act that needs proof is offered only where the profile says that it was proved on this model."""
    for spec in device.actions:
        rule = profile.rule(spec.action) if profile is not None else ActionRule()
        if rule.allowed and (rule.proved or not spec.needs_proof):
            takes_s = rule.takes_s if rule.takes_s is not None else spec.takes_s
            blind_s = rule.blind_s if rule.blind_s is not None else spec.blind_s
            yield replace(spec, takes_s=max(takes_s, spec.takes_s), blind_s=blind_s)


def proved_of(fits: Sequence[Fit]) -> dict[str, tuple[str, ...]]:
    """For each device the acts that need proof and have it; the room is told, and refuses the others itself."""
    found = {fit.about.id: tuple(spec.action for spec in fit.actions if spec.needs_proof) for fit in fits}
    return {device: actions for device, actions in found.items() if actions}


def is_known(device: DeviceAbout) -> bool:
    """Whether it has said what it is."""
    return bool(device.make or device.model or device.firmware)


def is_another(was: Accepted, device: DeviceAbout) -> bool:
    """Whether another device answers than the one that was accepted; one that says nothing yet is not another."""
    if not is_known(device) or was.is_nameless:
        return False
    if was.serial and device.serial:
        return was.serial != device.serial
    return (was.make, was.model) != (device.make, device.model)


def accepted_now(device: DeviceAbout, at: float, by: str) -> Accepted:
    """The device as it says it is now, accepted by a person."""
    return Accepted(device.make, device.model, device.serial, at, by)


def _first_seen(about: About, now: float) -> dict[str, Accepted]:
    return {device.id: accepted_now(device, now, "") for device in about.devices if is_known(device)}


def _said_later(about: About, accepted: Mapping[str, Accepted]) -> dict[str, Accepted]:
    """Who tells its name or serial only later is known by it from then on; else nobody would notice the next swap."""
    found = {}
    for device in about.devices:
        was = accepted.get(device.id)
        if was is None or is_another(was, device):
            continue
        if was.is_nameless:
            found[device.id] = replace(was, make=device.make, model=device.model, serial=device.serial)
        elif device.serial and not was.serial:
            found[device.id] = replace(was, serial=device.serial)
    return found


def _readings_of(about: About, report: Report | None) -> dict[str, dict[str, Value]]:
    if report is None or report.about_revision != about.revision:
        return {}
    return {device.id: {reading.key: reading.value for reading in device.readings} for device in report.devices}


def _is_compared(fit: Fit, readings: Mapping[str, Mapping[str, Value]]) -> bool:
    wanted = fit.profile.settings.values() if fit.profile is not None else ()
    return bool(readings.get(fit.about.id)) or all(setting.differs == "warn" for setting in wanted)


def _drifts(
    fit: Fit, readings: Mapping[str, Value] | None, since: Mapping[str, float], now: float
) -> Iterator[Drift]:  # fmt: skip
    """A device that has not said anything since the last `about` still differs where it did; then `found` is None."""
    for key, setting in fit.profile.settings.items() if fit.profile is not None else ():
        seen = since.get(f"{fit.about.id} {key}")
        value = readings.get(key) if readings else None
        differs = value is not None and not is_same(setting.wanted, value) if readings else seen is not None
        if differs:
            first = seen if seen is not None else now
            yield Drift(fit.about.id, key, setting.wanted, value, setting.differs, first, setting.set_by)


def is_same(wanted: Value, found: Value) -> bool:
    """Whether a reading says what is wanted; numbers within what a float loses on its way."""
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    if isinstance(wanted, int | float) and isinstance(found, int | float):
        return abs(wanted - found) <= _CLOSE
    return wanted == found
