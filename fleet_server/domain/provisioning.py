"""Is the room equipped as its blueprint asks? Ready says how it is now, provisioned what it consists of."""

from collections import Counter

from msgspec import Struct

from firmware_profiles.schema import Blueprint
from wire.messages import About


class SlotState(Struct, frozen=True):
    """One slot and who fills it."""

    slot: str
    roles: tuple[str, ...]
    wanted: int
    devices: tuple[str, ...]

    @property
    def filled(self) -> bool:
        """Whether enough devices are there."""
        return len(self.devices) >= self.wanted


def slots_of(blueprint: Blueprint, about: About | None) -> tuple[SlotState, ...]:
    """Every slot of the blueprint over the devices that the room has."""
    devices = about.devices if about is not None else ()
    return tuple(
        SlotState(slot.name, slot.roles, slot.count, tuple(d.id for d in devices if d.role in slot.roles))
        for slot in blueprint.slots
    )


def is_provisioned(blueprint: Blueprint, about: About | None) -> bool:
    """Every slot is filled by a device of its role that has said what it is."""
    if about is None:
        return False
    known = Counter(device.role for device in about.devices if device.make or device.model or device.firmware)
    return all(sum(known[role] for role in slot.roles) >= slot.count for slot in blueprint.slots)
