"""Which profile a device has: the family that says most about it, on top of its generic one, under its site's word."""

import re
from collections.abc import Mapping
from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from firmware_profiles.errors import WrongFile
from firmware_profiles.schema import (
    NO_PATTERN,
    ActionRule,
    DeviceOverride,
    Family,
    Firmware,
    Note,
    Setting,
    SiteOverride,
    SurveyField,
    Threshold,
)
from wire.messages import DeviceAbout

_NOTHING = DeviceOverride()


class Profile(Struct, frozen=True):
    """What a device should be, all levels laid over each other."""

    family: str
    firmware: Firmware
    settings: Mapping[str, Setting]
    thresholds: Mapping[str, Threshold]
    actions: Mapping[str, ActionRule]
    notes: Note | None

    def rule(self, action: str) -> ActionRule:
        """What it says of an action; numbers in the name (`outlet.2.load.cycle`) may stand as `n`."""
        alike = ".".join("n" if part.isdigit() else part for part in action.split("."))
        return self.actions.get(action) or self.actions.get(alike) or ActionRule()


class Catalogue:
    """All families, and what single sites want otherwise."""

    def __init__(self, families: tuple[Family, ...], overrides: Mapping[str, SiteOverride]) -> None:
        """Raises WrongFile for a pattern that is none, and for a family that extends what is no generic one."""
        self.families = {family.family: family for family in families}
        self.overrides = overrides
        for family in families:
            _compile(family)
            if family.extends is None:
                continue
            parent = self.families.get(family.extends)
            if parent is None or parent.extends is not None:
                raise WrongFile(f"{family.family}: extends {family.extends!r}, which is no generic family")

    def profile_of(self, site: str, device: DeviceAbout) -> Profile | None:
        """The profile of a device; None where no family fits."""
        family = self.family_of(device.role, device.driver, device.make, device.model)
        if family is None:
            return None
        own = self.overrides[site].devices.get(device.id, _NOTHING) if site in self.overrides else _NOTHING
        base = self._whole[family.family]
        return Profile(
            family.family, base.firmware, {**base.settings, **own.settings},
            _laid_over(base.thresholds, own.thresholds), {**base.actions, **own.actions}, base.notes,
        )  # fmt: skip

    def family_of(self, role: str, driver: str, make: str, model: str) -> Family | None:
        """The family that says most about such a device."""
        fitting = [family for family in self.families.values() if family.match.fits(role, driver, make, model)]
        return max(fitting, key=lambda family: (family.match.detail, family.family), default=None)

    def drivers_of(self, role: str) -> tuple[str, ...]:
        """Drivers that a generic family knows for this role, by the families' names."""
        generic = [family for family in self.families.values() if family.extends is None and role in family.match.roles]
        return tuple(dict.fromkeys(family.match.driver for family in sorted(generic, key=lambda f: f.family)))

    def whole_family_of(self, role: str, driver: str, make: str, model: str) -> Family | None:
        """The family that says most about such a device, on top of its generic one."""
        family = self.family_of(role, driver, make, model)
        return self._whole[family.family] if family is not None else None

    def takes_of(self, role: str) -> frozenset[SurveyField]:
        """What a survey may tell of a device of this role, whichever its driver."""
        return frozenset(
            field for family in self._whole.values() if role in family.match.roles for field in family.takes
        )

    @cached_property
    def _whole(self) -> dict[str, Family]:
        return {name: self._with_generic(family) for name, family in self.families.items()}

    def _with_generic(self, family: Family) -> Family:
        if family.extends is None:
            return family
        generic = self.families[family.extends]
        return replace(
            family,
            firmware=family.firmware if family.firmware != Firmware() else generic.firmware,
            settings={**generic.settings, **family.settings},
            thresholds=_laid_over(generic.thresholds, family.thresholds),
            actions={**generic.actions, **family.actions},
            defaults={**generic.defaults, **family.defaults},
            takes={**generic.takes, **family.takes},
            notes=family.notes or generic.notes,
        )


def _compile(family: Family) -> None:
    """Now, and not when the first device of it comes."""
    firmware = family.firmware
    versions = [refused.version for refused in firmware.refused]
    for pattern in (family.match.make, family.match.model, firmware.reads, *firmware.accepted, *versions):
        try:
            re.compile(pattern or "")
        except NO_PATTERN as error:
            raise WrongFile(f"{family.family}: {pattern!r} is no regular expression: {error}") from error
    if firmware.reads is not None and "v" not in re.compile(firmware.reads).groupindex:
        raise WrongFile(f"{family.family}: firmware.reads {firmware.reads!r} has no group named v")


def _laid_over(below: Mapping[str, Threshold], above: Mapping[str, Threshold]) -> dict[str, Threshold]:
    found = dict(below)
    for check, threshold in above.items():
        under = found.get(check, Threshold())
        said = {
            name: value for name in threshold.__struct_fields__
            if name != "limits" and (value := getattr(threshold, name)) is not None
        }  # fmt: skip
        found[check] = replace(under, limits={**under.limits, **threshold.limits}, **said)
    return found
