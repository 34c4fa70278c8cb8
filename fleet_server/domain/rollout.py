"""How a site comes to service: what its survey found, what the blueprint misses there, how far the site has come."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from firmware_profiles.catalogue import Catalogue
from firmware_profiles.schema import Blueprint, SurveyField
from wire.description import Name, Role
from wire.fields import Plain
from wire.messages import DesiredDevice, Secret

Short = Annotated[str, Meta(max_length=120)]


class Stage(StrEnum):
    """The life of a site, in its order."""

    PLANNED = "planned"
    SURVEYED = "surveyed"
    EQUIPPED = "equipped"
    ENROLLED = "enrolled"
    PROVISIONED = "provisioned"
    PILOTED = "piloted"
    IN_SERVICE = "in_service"


STAGES = tuple(Stage)
BY_HAND = (Stage.EQUIPPED, Stage.PILOTED, Stage.IN_SERVICE)
"""What only a person can say; the others show by themselves."""

GROUPS: Mapping[str, tuple[Role, ...]] = {
    "pc": ("pc",),
    "camera": ("camera",),
    "sound": ("mixer", "audio"),
    "display": ("display",),
    "light": ("light",),
    "line": ("line",),
    "decoder": ("decoder",),
    "storage": ("storage",),
    "ups": ("ups",),
    "people": (),
}
"""The ten groups of a room, and the roles of their devices."""


class Piece(Struct, frozen=True, omit_defaults=True):
    """What a survey found of one group; `has` None: nobody has looked yet."""

    has: bool | None = None
    make: Short = ""
    model: Short = ""
    year: Annotated[int, Meta(ge=1990, le=2100)] | None = None
    """Bought."""
    address: Annotated[str, Meta(max_length=120)] = ""
    """Where the agent reaches it on the room's network."""
    username: Annotated[str, Meta(max_length=64)] = ""
    has_password: bool = False
    """The room keeps it as a secret; it is never typed in here."""
    driver: Name | None = None
    """None: the one of the profile that fits."""
    note: Annotated[str, Meta(max_length=500)] = ""


class Survey(Struct, frozen=True, omit_defaults=True):
    """What one room has."""

    pieces: Annotated[dict[str, Piece], Meta(max_length=16)] = {}
    contact: Short = ""
    phone: Annotated[str, Meta(max_length=40)] = ""
    line_kind: Annotated[str, Meta(pattern=r"^(leased|internet|)$")] = ""
    line_down_mbit_s: Annotated[float, Meta(ge=0, le=100_000)] | None = None
    line_up_mbit_s: Annotated[float, Meta(ge=0, le=100_000)] | None = None

    def piece(self, group: str) -> Piece:
        """What was found of a group."""
        return self.pieces.get(group, Piece())


class Gaps(Struct, frozen=True):
    """What stands between a survey and an equipped room, by group."""

    missing: tuple[str, ...]
    """The room does not have it, and the blueprint wants it."""
    unknown: tuple[str, ...]
    """Nobody has looked."""
    without_driver: tuple[str, ...]
    """The room has it, and no profile says who speaks to it."""


def gaps_of(survey: Survey, blueprint: Blueprint, catalogue: Catalogue) -> Gaps:
    """The survey against the blueprint."""
    wanted = [group for group in GROUPS if _is_wanted(group, blueprint)]
    found = {group: survey.piece(group).has for group in wanted}
    if survey.contact:
        found["people"] = True
    return Gaps(
        tuple(group for group in wanted if found[group] is False),
        tuple(group for group in wanted if found[group] is None),
        tuple(
            group
            for group in GROUPS
            if GROUPS[group] and survey.piece(group).has and _placed(group, survey.piece(group), catalogue) is None
        ),
    )


def desired_of(survey: Survey, catalogue: Catalogue, centre: Mapping[str, str]) -> tuple[DesiredDevice, ...]:
    """The devices that a survey found, for the room's agent. `centre`: the host and url at which rooms reach us."""
    found = []
    for group, roles in GROUPS.items():
        piece = survey.piece(group)
        placed = _placed(group, piece, catalogue) if piece.has and roles else None
        if placed is None:
            continue
        role, driver = placed
        name = f"{role}-1"
        settings: dict[str, Plain | Secret] = {}
        family = catalogue.whole_family_of(role, driver, piece.make, piece.model)
        if family is not None:
            settings |= {key: _filled(value, centre) for key, value in family.defaults.items()}
            settings |= _told(piece, name, family.takes)
        found.append(DesiredDevice(name, role, driver, settings))
    return tuple(found)


def _told(piece: Piece, name: str, takes: Mapping[SurveyField, str]) -> dict[str, Plain | Secret]:
    """What the survey says, by the driver's own names for it."""
    said: dict[SurveyField, str | Secret] = {
        "address": piece.address, "username": piece.username, "make": piece.make, "model": piece.model
    }  # fmt: skip
    if piece.has_password:
        said["password"] = Secret(name)
    return {takes[field]: value for field, value in said.items() if value and field in takes}


def _filled(value: Plain, centre: Mapping[str, str]) -> Plain:
    """A default with the centre's own names in it; its port alone is a number."""
    if value == "{centre_port}":
        return float(centre["centre_port"])
    return value.format_map(centre) if isinstance(value, str) else value


def with_survey(known: Sequence[DesiredDevice], surveyed: Sequence[DesiredDevice]) -> tuple[DesiredDevice, ...]:
    """What a room is to watch when its survey is turned into it anew: found devices that were accepted stay."""
    ours = {f"{role}-1" for roles in GROUPS.values() for role in roles} | {device.id for device in surveyed}
    return (*surveyed, *(device for device in known if device.id not in ours))


def stage_of(said: Stage | None, surveyed: bool, gaps: Gaps | None, enrolled: bool, provisioned: bool) -> Stage:
    """The furthest that a site has come; `said`: the furthest that a person has said."""
    reached = [Stage.PLANNED]
    if surveyed:
        reached.append(Stage.SURVEYED)
    if gaps is not None and not gaps.missing and not gaps.unknown:
        reached.append(Stage.EQUIPPED)
    if enrolled:
        reached.append(Stage.ENROLLED)
    if provisioned:
        reached.append(Stage.PROVISIONED)
    if said is not None:
        reached.append(said)
    return max(reached, key=STAGES.index)


def free_id(role: str, taken: Sequence[str]) -> str:
    """The first id of a role that no device has."""
    return next(f"{role}-{number}" for number in range(1, len(taken) + 2) if f"{role}-{number}" not in taken)


def _is_wanted(group: str, blueprint: Blueprint) -> bool:
    roles = GROUPS[group]
    return not roles or any(slot.count and set(slot.roles) & set(roles) for slot in blueprint.slots)


def _placed(group: str, piece: Piece, catalogue: Catalogue) -> tuple[Role, str] | None:
    """Role and driver of a piece: the driver that was chosen, else that of the profile that says most of it."""
    for role in GROUPS[group]:
        drivers = catalogue.drivers_of(role)
        if piece.driver in drivers:
            return role, str(piece.driver)
    best = None
    for role in GROUPS[group] if piece.driver is None else ():
        for driver in catalogue.drivers_of(role):
            family = catalogue.family_of(role, driver, piece.make, piece.model)
            if family is not None and (best is None or family.match.detail > best[0]):
                best = (family.match.detail, role, driver)
    return (best[1], best[2]) if best is not None else None
