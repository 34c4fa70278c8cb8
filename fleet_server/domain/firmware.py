"""May a device run this firmware? Versions are compared number by number, as makers count."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from firmware_profiles.schema import Firmware, Note


class FirmwareFinding(Struct, frozen=True):
    """The answer, with the text key and what fills it; `reason` is the profile's own."""

    accepted: bool
    key: str
    params: Mapping[str, Any] = {}
    reason: Note | None = None


def firmware_finding(wanted: Firmware, text: str) -> FirmwareFinding:
    """What a profile says of the firmware that a device names."""
    if wanted == Firmware():
        return FirmwareFinding(True, "any")
    version = version_in(wanted, text)
    if version is None:
        return FirmwareFinding(False, "not_told", {"text": text})
    return verdict_on(wanted, version)


def verdict_on(wanted: Firmware, version: str) -> FirmwareFinding:
    """What a profile says of a version."""
    for refused in wanted.refused:
        too_old = refused.below is not None and is_below(version, refused.below)
        if too_old or (refused.version is not None and re.fullmatch(refused.version, version, re.IGNORECASE)):
            return FirmwareFinding(False, "refused", {"version": version, "source": refused.source}, refused.reason)
    if wanted.minimum is not None and is_below(version, wanted.minimum):
        return FirmwareFinding(False, "too_old", {"version": version, "minimum": wanted.minimum})
    if wanted.accepted and not any(re.fullmatch(known, version, re.IGNORECASE) for known in wanted.accepted):
        return FirmwareFinding(False, "not_accepted", {"version": version})
    return FirmwareFinding(True, "accepted", {"version": version})


def version_in(wanted: Firmware, text: str) -> str | None:
    """The part of a device's text that is its version; None where there is none."""
    if wanted.reads is None:
        return text.strip() or None
    found = re.search(wanted.reads, text, re.IGNORECASE)
    return (found["v"] or None) if found else None


def is_below(version: str, other: str) -> bool:
    """Whether a version is older: `V5.5.9` is below `V5.5.82`, `2.4` below `2.4.1`."""
    return _numbers(version) < _numbers(other)


def _numbers(version: str) -> list[int]:
    found = [int(part) for part in re.findall(r"\d{1,18}", version)]
    while found and found[-1] == 0:
        found.pop()  # 2.4.0 is 2.4
    return found
