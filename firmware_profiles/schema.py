"""The form of profiles and blueprints: what a device of a make should be, and what a kind of site must have."""

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct

from wire.description import Name, Role
from wire.fields import Plain, Value
from wire.ids import DeviceId

Kind = Literal["hub", "commune", "department", "external"]
Limits = dict[Name, Annotated[float, Meta(ge=-1e18, le=1e18)]]
"""Bounded, so that none is `.nan`, which every value would pass."""
MendMin = Annotated[int, Meta(ge=1, le=10_080)]
"""Minutes that it usually takes to put right, where that is other than the check itself says."""
HoldSeconds = Annotated[float, Meta(ge=0, le=3600)]
"""How long it must be wrong before anybody is told, and well before it counts as over."""
Pattern = Annotated[str, Meta(min_length=1, max_length=200)]
"""A regular expression over the whole text, whatever its case."""
NO_PATTERN = (re.error, OverflowError, RecursionError)
"""What compiling a text that is no regular expression raises; `a{4294967296}` is an OverflowError."""
Source = Annotated[str, Meta(min_length=3, max_length=300)]
"""Where a reader finds it: a document and its section, a CVE, a measurement of ours with its date."""
SurveyField = Literal["address", "username", "password", "make", "model"]
FamilyName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class Note(Struct, frozen=True, forbid_unknown_fields=True):
    """A few sentences in both languages."""

    vi: Annotated[str, Meta(min_length=1, max_length=1000)]
    en: Annotated[str, Meta(min_length=1, max_length=1000)]


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
    limits: Limits = {}
    mend_min: MendMin | None = None
    open_s: HoldSeconds | None = None
    clear_s: HoldSeconds | None = None


class Blueprint(Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of site."""

    kind: Kind
    report_interval_s: Annotated[float, Meta(ge=1, le=3600)]
    planned_s: Annotated[float, Meta(ge=60, le=86_400)]
    """How long a room must last when no session says otherwise."""
    slots: Annotated[tuple[Slot, ...], Meta(max_length=32)]
    """None where no agent reports."""
    checks: Annotated[dict[Name, Rule], Meta(min_length=1, max_length=64)]
    agent: bool = True
    """Whether an agent reports; False: a person confirms the room."""


class Match(Struct, frozen=True, forbid_unknown_fields=True):
    """Which devices a family is about. What is left out matches everything; who says more, wins."""

    driver: Name
    roles: Annotated[tuple[Role, ...], Meta(max_length=4)] = ()
    make: Pattern | None = None
    model: Pattern | None = None

    @property
    def detail(self) -> int:
        """How much it says."""
        return 4 * (self.model is not None) + 2 * (self.make is not None) + (bool(self.roles))

    def fits(self, role: str, driver: str, make: str, model: str) -> bool:
        """Whether a device is of this family."""
        return (
            driver == self.driver
            and (not self.roles or role in self.roles)
            and (self.make is None or bool(re.fullmatch(self.make, make, re.IGNORECASE)))
            and (self.model is None or bool(re.fullmatch(self.model, model, re.IGNORECASE)))
        )


class Refused(Struct, frozen=True, forbid_unknown_fields=True):
    """Firmware that must not be in service: up to this one, or all that a pattern fits."""

    reason: Note
    source: Source
    below: Annotated[str, Meta(max_length=60)] | None = None
    version: Pattern | None = None


class Firmware(Struct, frozen=True, forbid_unknown_fields=True):
    """What firmware a family may have. Nothing said: any will do."""

    reads: Pattern | None = None
    """Which part of the device's text is the version, as the group `v`; None: all of it."""
    minimum: Annotated[str, Meta(max_length=60)] | None = None
    minimum_source: Source | None = None
    accepted: Annotated[tuple[Pattern, ...], Meta(max_length=32)] = ()
    """Where given, only these."""
    refused: Annotated[tuple[Refused, ...], Meta(max_length=32)] = ()


class SetBy(Struct, frozen=True, forbid_unknown_fields=True):
    """The action that sets a reading; `param` takes the value, None: the action says it all."""

    action: Name
    param: Name | None = None
    params: dict[Name, Value] = {}
    """What else the action wants."""


class Setting(Struct, frozen=True, forbid_unknown_fields=True):
    """What a reading should say, and what it means when it does not."""

    wanted: Value
    differs: Literal["fail", "warn", "mend"] = "warn"
    """fail: not provisioned; warn: shown; mend: not provisioned, and set by the server itself outside sessions."""
    set_by: SetBy | None = None


class ActionRule(Struct, frozen=True, forbid_unknown_fields=True):
    """What a family allows of one action."""

    allowed: bool = True
    proved: bool = False
    """Seen to do what it says on this very model; without it an action that needs proof is not offered."""
    source: Source | None = None
    takes_s: Annotated[float, Meta(gt=0, le=3600)] | None = None
    blind_s: Annotated[float, Meta(ge=0, le=3600)] | None = None


class Threshold(Struct, frozen=True, forbid_unknown_fields=True):
    """What is different for this family in one check of the blueprint."""

    limits: Limits = {}
    max_age_s: Annotated[float, Meta(gt=0, le=86_400)] | None = None
    mend_min: MendMin | None = None
    open_s: HoldSeconds | None = None
    clear_s: HoldSeconds | None = None


class Family(Struct, frozen=True, forbid_unknown_fields=True):
    """One file of families/: devices of one make that want to be treated alike."""

    family: FamilyName
    match: Match
    extends: FamilyName | None = None
    """A generic family whose words stand where this one says nothing; one level."""
    firmware: Firmware = Firmware()
    settings: Annotated[dict[Name, Setting], Meta(max_length=32)] = {}
    thresholds: Annotated[dict[Name, Threshold], Meta(max_length=32)] = {}
    actions: Annotated[dict[Name, ActionRule], Meta(max_length=64)] = {}
    defaults: Annotated[dict[Name, Plain], Meta(max_length=32)] = {}
    """Settings that a device of a generic family is told when the centre configures it.

    `{centre_host}`, `{centre_port}` and `{centre_url}` stand for where rooms reach the centre.
    """
    takes: dict[SurveyField, Name] = {}
    """What a survey may tell such a device, and the driver's name for it; what is not here is not passed on."""
    notes: Note | None = None
    """For the technician."""
    sources: Annotated[tuple[Source, ...], Meta(max_length=16)] = ()
    qcvn_135: Literal["declared", "not_declared", "not_known"] = "not_known"
    """Whether the maker has declared conformity to QCVN 135:2024/BTTTT (IP cameras from 1 January 2026)."""


class DeviceOverride(Struct, frozen=True, forbid_unknown_fields=True):
    """What is different for one device of one site."""

    settings: dict[Name, Setting] = {}
    thresholds: dict[Name, Threshold] = {}
    actions: dict[Name, ActionRule] = {}


class SiteOverride(Struct, frozen=True, forbid_unknown_fields=True):
    """One file of overrides, `<site>.yaml`."""

    devices: Annotated[dict[DeviceId, DeviceOverride], Meta(max_length=64)]
