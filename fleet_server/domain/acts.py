"""Which devices are made to act for a check, and when: never so late or so hard that it could hurt the room."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from fleet_server.domain.provisioning import Fit


class Act(Struct, frozen=True):
    """One act of the devices of one role."""

    role: str
    action: str
    from_min: int
    """So long before the session at least; later it is left to people."""


LINE = "measure_bandwidth"
"""Asked for through the queue of line tests, which admits few at a time."""
ACTS = (
    Act("camera", "measure_frame", 5),
    Act("line", LINE, 60),
    Act("ups", "test.battery.start.quick", 720),
)
"""A battery test takes a charge that an hour does not always give back."""
ON_DEMAND_MIN = 0
"""The name of a stage that a person has asked for: whatever a stage an hour before would do."""
_AS_IF_MIN = 60


_HEARD_DBFS, _FAINT_DBFS = -30.0, -50.0
"""Peaks of somebody who speaks into a microphone that is turned up, and of a room in which nobody does."""


def heard(peak_dbfs: float) -> Literal["well", "faint", "silent"]:
    """How somebody who speaks is heard, by the loudest moment."""
    return "well" if peak_dbfs >= _HEARD_DBFS else "faint" if peak_dbfs >= _FAINT_DBFS else "silent"


def acts_of(minutes_before: int, fits: Sequence[Fit]) -> list[tuple[str, str]]:
    """Device and action, of what the devices of a room offer."""
    minutes = _AS_IF_MIN if minutes_before == ON_DEMAND_MIN else minutes_before
    wanted = {(act.role, act.action) for act in ACTS if minutes >= act.from_min}
    return [
        (fit.about.id, spec.action)
        for fit in fits
        for spec in fit.actions
        if (fit.about.role, spec.action) in wanted
    ]  # fmt: skip
