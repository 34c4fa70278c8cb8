"""What the alerts see of each room: its judgement under the session at stake, what is at stake, how long is long."""

from collections.abc import Callable, Iterable
from datetime import datetime

from firmware_profiles.loader import blueprints
from fleet_server.domain.causes import Found, found_in, without_awaited
from fleet_server.domain.checks import checks
from fleet_server.domain.incidents import Timing
from fleet_server.domain.outages import members
from fleet_server.domain.priorities import Stake, stake_of
from fleet_server.domain.readiness import Verdict
from fleet_server.domain.routing import Subject
from fleet_server.domain.sessions import LIVE_BEFORE, Session, is_just_planned
from fleet_server.domain.setbacks import OFFLINE, Key
from fleet_server.sessions.desk import SessionDesk
from fleet_server.sessions.gates import GateDesk
from fleet_server.state.fleet import Fleet, SiteEntry
from fleet_server.store.incidents import IncidentRow

_NOTHING = Found({}, frozenset())
_NO_MORE = Found({}, frozenset(), frozenset())
_USUAL = Timing()
_OFFLINE = Timing(10.0, 30.0)
_AT_ONCE_S = 0.0
"""In a session nobody waits to see whether it lasts."""
_WHILE_TOLD_S = 3_600.0
"""Longer than any command: its end comes first."""


class Rooms:
    """Looks only; `look` once for each round, so that all rooms of it are seen under the same plan."""

    def __init__(
        self, fleet: Fleet, sessions: SessionDesk, gates: GateDesk, blinded: Callable[[], frozenset[tuple[str, str]]]
    ) -> None:  # fmt: skip
        """`blinded`: site and device of whoever is away because it was told to be."""
        self._fleet, self._sessions, self._gates, self._told_to_be_away = fleet, sessions, gates, blinded
        self._blinded: frozenset[tuple[str, str]] = frozenset()
        self._stakes: dict[str, tuple[Stake, Session]] = {}
        self._just_planned: frozenset[str] = frozenset()
        """Rooms whose session people have only just heard of."""
        self._moved: set[str] = set()
        self.outage: frozenset[str] = frozenset()
        """Rooms that went away together."""

    @property
    def is_blind(self) -> bool:
        """Just after a start or a break: what is missing may only not have come yet."""
        return self._fleet.is_learning

    def look(self, now: datetime) -> None:
        """Which sessions are near, and which rooms are away together."""
        blinded, self._blinded = self._blinded, self._told_to_be_away()
        self._moved |= {site for site, _ in blinded ^ self._blinded}
        before, self._stakes = self._stakes, self._plan(now)
        for site in before.keys() | self._stakes.keys():
            if before.get(site) != self._stakes.get(site):
                self._moved.add(site)
        before_planned, self._just_planned = (
            self._just_planned,
            frozenset(site for site, (_, session) in self._stakes.items() if is_just_planned(session, now)),
        )
        self._moved |= before_planned ^ self._just_planned
        away = {
            site: entry.since for site, entry in self._fleet.entries.items()
            if entry.is_set_up and entry.plan.has_agent and entry.verdict is Verdict.OFFLINE
        }  # fmt: skip
        in_service = sum(entry.is_set_up and entry.plan.has_agent for entry in self._fleet.entries.values())
        outage = members(away, in_service, self.outage)
        self._moved |= self.outage ^ outage
        self.outage = outage

    def take_moved(self) -> set[str]:
        """Rooms that are to be looked at because of what `look` found."""
        moved, self._moved = self._moved, set()
        return moved

    def stake_of(self, site: str) -> tuple[Stake, str | None]:
        """What is at stake there, and in which session."""
        found = self._stakes.get(site)
        return (found[0], found[1].id) if found is not None else (Stake.IDLE, None)

    def stake_anywhere(self) -> tuple[Stake, str | None]:
        """The highest that there is: of the centre, through which every room runs."""
        found = max(self._stakes.values(), key=lambda each: each[0] is Stake.LIVE, default=None)
        return (found[0], found[1].id) if found is not None else (Stake.IDLE, None)

    def found_in(self, site: str, now: datetime) -> Found:
        """What is wrong there. A room that is part of an outage, or in service no more, tells nothing of its own."""
        entry = self._fleet.entries.get(site)
        if entry is None:
            return _NO_MORE
        if not entry.is_set_up:
            return _NOTHING
        if site in self.outage and entry.verdict is Verdict.OFFLINE:
            return _NOTHING
        at_stake = self._stakes.get(site)
        found = found_in(self._gates.judgement(at_stake[1], entry, now) if at_stake is not None else entry.judgement)
        if site not in self._just_planned:
            return found
        return without_awaited(found, {name: check.awaits for name, check in checks().items()})

    def timing_of(self, site: str, key: Key) -> Timing:
        """How long it must last: as the device's profile says, else the blueprint, else as usual.

        A device that was told to go away, outside a session, is waited for until its command has ended.
        """
        entry = self._fleet.entries.get(site)
        times = _OFFLINE if key[0] == OFFLINE else _named(entry, key) if entry is not None else _USUAL
        stake, _ = self.stake_of(site)
        if stake is Stake.LIVE:
            return Timing(_AT_ONCE_S, times.clear_s)
        return Timing(_WHILE_TOLD_S, times.clear_s) if (site, key[1]) in self._blinded else times

    def subject_of(self, row: IncidentRow) -> Subject:
        """What routes and silences see of it."""
        entry = self._fleet.entries.get(row.site) if row.site is not None else None
        check, device = row.cause.key
        family, kind = "", ""
        if entry is not None:
            kind = entry.site.kind
            fit = next((fit for fit in entry.fits if fit.about.id == device), None)
            family = fit.profile.family if fit is not None and fit.profile is not None else ""
        stake = self.stake_of(row.site)[0] if row.site is not None else Stake.SOON
        return Subject(row.site, kind, check, row.cause.role, family, row.priority, stake)

    def name_of(self, site: str | None) -> str:
        """Of a room; its id where it is closed."""
        entry = self._fleet.entries.get(site) if site is not None else None
        return entry.site.name if entry is not None else site or ""

    def is_within(self, session: str | None, at: datetime) -> bool:
        """Whether that was since the session at stake has been live."""
        found = self.session_of(session)
        return found is not None and at >= found.starts_at - LIVE_BEFORE

    def session_of(self, id: str | None) -> Session | None:
        """A session that is at stake, while it is not over."""
        return self._sessions.upcoming_one(id)

    def _plan(self, now: datetime) -> dict[str, tuple[Stake, Session]]:
        """Room -> what is at stake there, for rooms of sessions that are near; the live one stands above the next."""
        found: dict[str, tuple[Stake, Session]] = {}
        for session in self._near(now):
            stake, _ = stake_of([session], now)
            for site in session.sites:
                if stake is Stake.LIVE or site not in found:
                    found[site] = (stake, session)
        return found

    def _near(self, now: datetime) -> Iterable[Session]:
        return [each for each in self._sessions.upcoming() if stake_of([each], now)[0] is not Stake.IDLE]


def _named(entry: SiteEntry, key: Key) -> Timing:
    check, device = key
    blueprint = blueprints().get(entry.site.kind)
    rule = blueprint.checks.get(check) if blueprint is not None else None
    fit = next((fit for fit in entry.fits if fit.about.id == device), None)
    own = fit.profile.thresholds.get(check) if fit is not None and fit.profile is not None else None

    def first(name: str, usual: float) -> float:
        values = (getattr(given, name) for given in (own, rule) if given is not None)
        return next((value for value in values if value is not None), usual)

    return Timing(first("open_s", _USUAL.open_s), first("clear_s", _USUAL.clear_s))
