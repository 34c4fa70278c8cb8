"""What is kept of how rooms were: minutes by verdict for each day, and each trouble from first sight to cleared."""

from collections.abc import Container, Iterable, Mapping
from datetime import date, datetime, time
from statistics import median
from zoneinfo import ZoneInfo

from msgspec import Struct

from fleet_server.domain.findings import Outcome
from fleet_server.domain.readiness import CheckResult, Judgement, Verdict
from fleet_server.domain.setbacks import OFFLINE, Key

KEPT_DAYS = 800
"""Two years and a bit: a month can be compared with the same month of the years before."""
SHORT_S = 300.0
"""A trouble that was over sooner was over before anybody could have come."""
_SATURDAY = 5
_ENOUGH = 5
"""A usual time to mend is known from so many cases on."""


class Hours(Struct, frozen=True):
    """When people work, in the province's time, Monday to Friday, but for holidays."""

    begins: time
    ends: time
    zone: ZoneInfo

    def hold(self, at: datetime, holidays: Container[date]) -> bool:
        """Whether people work then."""
        local = at.astimezone(self.zone)
        return is_working_day(local.date(), holidays) and self.begins <= local.time() < self.ends


def is_working_day(day: date, holidays: Container[date]) -> bool:
    """Whether people work on that day at all."""
    return day.weekday() < _SATURDAY and day not in holidays


class Trouble(Struct, frozen=True):
    """One check of one room that was not a pass, from first sight to cleared."""

    site: str
    check: str
    device: str
    """Empty where the check asks none."""
    family: str
    """Of its profile; empty where it has none."""
    outcome: Outcome
    """The worst that it was."""
    counts: bool
    """It made the room not ready."""
    opened_at: datetime
    cleared_at: datetime | None = None
    mended: bool = False
    """Cleared by a pass; else the device, or the whole room, was taken away."""


class Turn(Struct, frozen=True):
    """What a judgement changes in the troubles of one room."""

    opened: tuple[CheckResult, ...] = ()
    worsened: tuple[CheckResult, ...] = ()
    mended: tuple[Key, ...] = ()
    gone: tuple[Key, ...] = ()


_RANK = {Outcome.PASS: 0, Outcome.WAIVED: 0, Outcome.WARN: 1, Outcome.UNKNOWN: 2, Outcome.FAIL: 3}


def turn_of(judgement: Judgement, open_ones: Mapping[Key, Outcome]) -> Turn:
    """What is new since `open_ones` was written down. Only a pass mends; a room that is away tells of nothing else."""
    if judgement.verdict is Verdict.OFFLINE:
        return Turn() if (OFFLINE, "") in open_ones else Turn(opened=(_AWAY,))
    opened, worsened, mended = [], [], []
    asked = {(OFFLINE, "")}
    for check in judgement.checks:
        key = (check.check, check.device or "")
        asked.add(key)
        if check.outcome is Outcome.PASS:
            if key in open_ones:
                mended.append(key)
        elif key not in open_ones:
            opened.append(check)
        elif _RANK[check.outcome] > _RANK[open_ones[key]]:
            worsened.append(check)
    if (OFFLINE, "") in open_ones:
        mended.append((OFFLINE, ""))
    gone = tuple(key for key in open_ones if key not in asked)
    return Turn(tuple(opened), tuple(worsened), tuple(mended), gone)


def usual_mend_min(troubles: Iterable[Trouble]) -> dict[str, int]:
    """Check -> the minutes that it usually took to mend; only where enough is known, and not what mended itself."""
    took: dict[str, list[float]] = {}
    for trouble in troubles:
        if (lasted_s := mended_after_s(trouble)) is not None and lasted_s >= SHORT_S:
            took.setdefault(trouble.check, []).append(lasted_s / 60)
    return {check: max(1, round(median(all_of_it))) for check, all_of_it in took.items() if len(all_of_it) >= _ENOUGH}


def mended_after_s(trouble: Trouble) -> float | None:
    """How long a failure lasted, in seconds, where it was mended; of a warning there is nothing to mend at once."""
    if trouble.cleared_at is None or not trouble.mended or _RANK[trouble.outcome] < _RANK[Outcome.UNKNOWN]:
        return None
    return (trouble.cleared_at - trouble.opened_at).total_seconds()


_AWAY = CheckResult(OFFLINE, "", None, Outcome.FAIL, "offline", {}, None, None, None, True)
