"""Which devices a firmware image is for, and what becomes of one that was told to take it. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from fleet_server.domain.commands import FINAL, State
from fleet_server.domain.firmware import is_below, verdict_on, version_in
from fleet_server.domain.provisioning import Fit
from fleet_server.domain.waves import Unit
from wire.firmware import FirmwareList

ACTION = "upgrade_firmware"
MOST_TRIES = 3
_AGAIN = frozenset({
    "upload_broke", "old_firmware", "not_answering", "busy", "clock_untrusted", "agent_stopped", "not_started",
})  # fmt: skip
"""What a power cut or a broken line looks like: it is tried again. Whatever else a device says ends it."""
_NOT_HERE = "image_not_here"


class Try(Struct, frozen=True):
    """One command to a device, as far as it has come."""

    state: State
    detail: str
    """Of its last step."""
    answer_by: datetime


class Standing(Struct, frozen=True):
    """How one device stands in a campaign."""

    has_taken: bool = False
    failed: str = ""
    """Why it will not be tried again."""
    may_be_asked: bool = False
    """Whether nothing is under way and it may be told to take the image."""


def targets(described: FirmwareList, rooms: Mapping[str, Sequence[Fit]]) -> list[Unit]:
    """Every device that the image is for, offers to take it, and says that it runs something older."""
    return [(site, fit.about.id) for site, fits in rooms.items() for fit in fits if _is_for(described, fit)]


def is_refused(described: FirmwareList, rooms: Mapping[str, Sequence[Fit]]) -> bool:
    """Whether the family's profile would not have this version in service."""
    return any(
        fit.profile is not None and fit.profile.family == described.family
        and not verdict_on(fit.profile.firmware, described.version).accepted
        for fits in rooms.values() for fit in fits
    )  # fmt: skip


def runs(described: FirmwareList, fit: Fit) -> bool:
    """Whether the device says that it runs this very version."""
    return _version_of(fit) == described.version


def standing_of(tries: Sequence[Try], is_running_it: bool, now: datetime) -> Standing:
    """`tries`: the commands to the device, the oldest first; `is_running_it`: by its own word, now."""
    last = tries[-1] if tries else None
    if last is not None and last.state not in FINAL:
        return Standing()
    if is_running_it:
        return Standing(has_taken=True)
    if last is None or last.state is State.EXPIRED:
        return Standing(may_be_asked=True)  # one that the room never had is no try
    if last.detail == _NOT_HERE:
        return Standing(may_be_asked=now > last.answer_by)  # nor one without the image, which is on its way again
    if last.state is State.SUCCEEDED:
        return Standing(failed="not_seen" if now > last.answer_by else "")
    if last.detail not in _AGAIN or sum(map(_is_try, tries)) >= MOST_TRIES:
        return Standing(failed=last.detail)
    return Standing(may_be_asked=True)


def _is_try(one: Try) -> bool:
    return one.state is not State.EXPIRED and one.detail != _NOT_HERE


def _is_for(described: FirmwareList, fit: Fit) -> bool:
    version = _version_of(fit)
    return (
        fit.profile is not None
        and fit.profile.family == described.family
        and (not described.models or fit.about.model in described.models)
        and any(spec.action == ACTION for spec in fit.actions)
        and version is not None
        and is_below(version, described.version)
    )


def _version_of(fit: Fit) -> str | None:
    return version_in(fit.profile.firmware, fit.about.firmware) if fit.profile is not None else None
