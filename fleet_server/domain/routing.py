"""Who is told of what, when: routes, silences, hours. Pure."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from fleet_server.domain.priorities import Priority, Stake

MOST_STEPS, MOST_ROUTES = 8, 200
COALESCED_S = 60.0
"""Whoever was just written to gets the next message after so long, with all that has gathered; an alarm at once."""
CLEARED_AFTER_S = 180.0
"""That something is well again is told once it has lasted."""
_QUIET_BEGINS, _QUIET_ENDS = time(22), time(6)
_USE = {Priority.ALARM: timedelta(hours=4), Priority.INCIDENT: timedelta(hours=12), Priority.DIGEST: timedelta(days=1)}


class Subject(Struct, frozen=True):
    """What routes and silences look at."""

    site: str | None
    """None: it is about the centre or the whole fleet."""
    kind: str
    check: str
    role: str
    family: str
    priority: Priority
    stake: Stake = Stake.IDLE


class Match(Struct, frozen=True, forbid_unknown_fields=True):
    """Which subjects; what is empty matches all."""

    sites: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    checks: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    families: frozenset[str] = frozenset()
    least: int = 1
    """Of the priority."""
    hours: Literal["always", "work", "off"] = "always"

    def fits(self, subject: Subject, at_work: bool) -> bool:
        """Whether it is meant."""
        asked = (
            (self.sites, subject.site), (self.kinds, subject.kind), (self.checks, subject.check),
            (self.roles, subject.role), (self.families, subject.family),
        )  # fmt: skip
        if any(wanted and value not in wanted for wanted, value in asked) or subject.priority < self.least:
            return False
        return self.hours == "always" or (self.hours == "work") is at_work


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is told after so long without anybody acknowledging; 0: at once."""

    after_min: int
    to: str
    """`rota:<name>`: whoever is on duty; else a recipient's id."""


class Route(Struct, frozen=True):
    """One way for some incidents."""

    id: str
    name: str
    match: Match
    steps: tuple[Step, ...]


class Silence(Struct, frozen=True):
    """Nobody is told of these for a while; a maintenance window comes again."""

    id: str
    match: Match
    begins_at: datetime
    ends_at: datetime
    """Of its first time."""
    reason: str
    by: str
    every: Literal["once", "day", "week"] = "once"
    last_until: datetime | None = None
    """When it comes no more."""
    ended_at: datetime | None = None

    def holds(self, now: datetime, zone: ZoneInfo) -> bool:
        """Whether it is in force; what comes again does so by the province's clock."""
        if (
            self.ended_at is not None
            or now < self.begins_at
            or (self.last_until is not None and now >= self.last_until)
        ):
            return False
        if self.every == "once":
            return now < self.ends_at
        period = timedelta(days=1 if self.every == "day" else 7)
        local, first = now.astimezone(zone).replace(tzinfo=None), self.begins_at.astimezone(zone).replace(tzinfo=None)
        return (local - first) % period < self.ends_at - self.begins_at


def silences_on(
    silences: Iterable[Silence], subject: Subject, now: datetime, zone: ZoneInfo, at_work: bool
) -> list[Silence]:
    """Those that hide this."""
    return [each for each in silences if each.holds(now, zone) and each.match.fits(subject, at_work)]


def steps_for(routes: Iterable[Route], subject: Subject, at_work: bool) -> list[Step]:
    """Of every route that fits, nobody twice: the earliest step of each counts."""
    found: dict[str, Step] = {}
    for route in routes:
        if route.match.fits(subject, at_work):
            for step in route.steps:
                if step.to not in found or step.after_min < found[step.to].after_min:
                    found[step.to] = step
    return sorted(found.values(), key=lambda step: (step.after_min, step.to))


def due_at(subject: Subject, step: Step, now: datetime, zone: ZoneInfo) -> datetime:
    """When a notification is to go: at night what has no session behind it waits for the morning."""
    due = now + timedelta(minutes=step.after_min)
    if subject.priority >= Priority.ALARM or subject.stake is not Stake.IDLE:
        return due
    local = due.astimezone(zone)
    if local.time() >= _QUIET_BEGINS:
        return datetime.combine(local.date() + timedelta(days=1), _QUIET_ENDS, zone).astimezone(due.tzinfo)
    if local.time() < _QUIET_ENDS:
        return datetime.combine(local.date(), _QUIET_ENDS, zone).astimezone(due.tzinfo)
    return due


def of_use_until(priority: Priority, due: datetime) -> datetime:
    """After that nobody is told any more."""
    return due + _USE[priority]
