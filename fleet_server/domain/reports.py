"""A report over months: how ready rooms were, what kept them from it, what is never used."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from statistics import median, quantiles
from zoneinfo import ZoneInfo

from msgspec import Struct

from fleet_server.domain.history import SHORT_S, Trouble, mended_after_s

MOST_MONTHS = 24
_OFTEN = 10
"""So many times in a report is often enough to be called a false alarm."""
_WOLF_SHARE = 0.5


class Period(Struct, frozen=True):
    """Whole months, as the province counts days; `first` and `last` are days, both in it."""

    first: date
    last: date
    begins: datetime
    ends: datetime
    """The moments: from `begins` on, and before `ends`."""


class SiteLine(Struct, frozen=True):
    """One room."""

    site: str
    minutes: Mapping[str, int]
    """Verdict -> minutes at work."""
    sessions: int
    setbacks: int
    """What became worse in its sessions after the decision to go."""

    @property
    def ready_share(self) -> float | None:
        """Of the minutes at work, those in which a session could have been held; None where nobody looked."""
        total = sum(self.minutes.values())
        return (self.minutes.get("ready", 0) + self.minutes.get("at_risk", 0)) / total if total else None


class TroubleLine(Struct, frozen=True):
    """One cause, or one family of equipment."""

    name: str
    times: int
    sites: int
    hours: float
    """In this period, all of them together."""
    mend_median_min: float | None
    mend_p90_min: float | None
    """Of what failed and was mended."""
    devices: int = 0
    """Of the family that there are now."""

    @property
    def times_a_device(self) -> float | None:
        """How often one device of the family gave trouble."""
        return self.times / self.devices if self.devices else None


class WolfLine(Struct, frozen=True):
    """How often a check cried, and how often for nothing."""

    check: str
    times: int
    short: int
    """Over within five minutes."""
    waived: int
    """Set aside by a person for a session."""

    @property
    def share(self) -> float:
        """Of all cries, those that ended by themselves or were set aside."""
        return min(1.0, (self.short + self.waived) / self.times) if self.times else 0.0

    @property
    def cries_wolf(self) -> bool:
        """Often, and mostly for nothing."""
        return self.times >= _OFTEN and self.share >= _WOLF_SHARE


class AlertLine(Struct, frozen=True):
    """One week of alerts."""

    week: date
    """Its Monday."""
    incidents: int
    """That somebody was told of."""
    messages: int
    acknowledged: int
    minutes_to_acknowledge: float | None
    """The median."""


class Report(Struct, frozen=True):
    """All of it, what is worst first."""

    period: Period
    sites: tuple[SiteLine, ...]
    causes: tuple[TroubleLine, ...]
    """Of what made rooms not ready."""
    families: tuple[TroubleLine, ...]
    wolves: tuple[WolfLine, ...]
    unused: tuple[str, ...]
    """Rooms without a session in this time."""
    alerts: tuple[AlertLine, ...] = ()


class Used(Struct, frozen=True):
    """How a room was used."""

    sessions: int = 0
    setbacks: int = 0


def report_of(
    period: Period, sites: Collection[str], minutes: Mapping[str, Mapping[str, int]], troubles: Iterable[Trouble],
    used: Mapping[str, Used], waived: Mapping[str, int], devices: Mapping[str, int],
) -> Report:  # fmt: skip
    """`minutes` and `used` by site, `waived` by check, `devices`: how many there are of each family now."""
    theirs = [trouble for trouble in troubles if trouble.site in sites]
    hard = [trouble for trouble in theirs if trouble.counts]
    lines = [
        SiteLine(site, minutes.get(site, {}), used.get(site, Used()).sessions, used.get(site, Used()).setbacks)
        for site in sites
    ]
    lines.sort(key=lambda line: (line.ready_share if line.ready_share is not None else 2.0, line.site))
    causes = [_line(name, of_it, period) for name, of_it in _by(hard, lambda trouble: trouble.check).items()]
    families = [
        _line(name, of_it, period, devices.get(name, 0))
        for name, of_it in _by(theirs, lambda trouble: trouble.family).items() if name
    ]  # fmt: skip
    wolves = [
        WolfLine(check, len(of_it), sum(_is_short(trouble) for trouble in of_it), waived.get(check, 0))
        for check, of_it in _by(theirs, lambda trouble: trouble.check).items()
    ]
    return Report(
        period, tuple(lines), tuple(sorted(causes, key=_most_hours)), tuple(sorted(families, key=_most_hours)),
        tuple(sorted(wolves, key=lambda wolf: (not wolf.cries_wolf, -wolf.share, -wolf.times, wolf.check))),
        tuple(sorted(site for site in sites if not used.get(site, Used()).sessions)),
    )  # fmt: skip


class Alerted(Struct, frozen=True):
    """One incident that somebody was told of."""

    opened_at: datetime
    messages: int
    acknowledged_at: datetime | None


def alert_lines(alerted: Iterable[Alerted], zone: ZoneInfo) -> tuple[AlertLine, ...]:
    """By week, as the province counts days."""
    weeks: dict[date, list[Alerted]] = {}
    for each in alerted:
        day = each.opened_at.astimezone(zone).date()
        weeks.setdefault(day - timedelta(days=day.weekday()), []).append(each)
    found = []
    for week, of_it in sorted(weeks.items()):
        took = [
            (each.acknowledged_at - each.opened_at).total_seconds() / 60
            for each in of_it if each.acknowledged_at is not None
        ]  # fmt: skip
        messages = sum(each.messages for each in of_it)
        found.append(AlertLine(week, len(of_it), messages, len(took), median(took) if took else None))
    return tuple(found)


def hours_in(trouble: Trouble, period: Period) -> float:
    """How long it lasted within the period."""
    began = max(trouble.opened_at, period.begins)
    ended = min(trouble.cleared_at or period.ends, period.ends)
    return max(0.0, (ended - began) / timedelta(hours=1))


def _by(troubles: Iterable[Trouble], name: Callable[[Trouble], str]) -> dict[str, list[Trouble]]:
    found: dict[str, list[Trouble]] = {}
    for trouble in troubles:
        found.setdefault(name(trouble), []).append(trouble)
    return found


def _line(name: str, troubles: Sequence[Trouble], period: Period, devices: int = 0) -> TroubleLine:
    mended = [took / 60 for trouble in troubles if (took := mended_after_s(trouble)) is not None]
    p90 = quantiles(mended, n=10, method="inclusive")[-1] if len(mended) > 1 else sum(mended) if mended else None
    return TroubleLine(
        name, len(troubles), len({trouble.site for trouble in troubles}),
        sum(hours_in(trouble, period) for trouble in troubles), median(mended) if mended else None, p90, devices,
    )  # fmt: skip


def _is_short(trouble: Trouble) -> bool:
    over = trouble.cleared_at is not None and trouble.mended
    return over and (trouble.cleared_at - trouble.opened_at).total_seconds() < SHORT_S  # type: ignore[operator]


def _most_hours(line: TroubleLine) -> tuple[float, int, str]:
    return -line.hours, -line.times, line.name
