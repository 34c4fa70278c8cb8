"""What every campaign is: something goes through the fleet in waves, each room fetches it with a ticket of its own."""

import asyncio
import hashlib
import hmac
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection

from fleet_server.campaigns.hub_line import HubLine
from fleet_server.domain.readiness import Verdict
from fleet_server.domain.waves import Facts, State, Step, Turn, Unit, WaveRoom, accepted, offered, planned, turn_of
from fleet_server.errors import Conflict, Invalid, NotFound
from fleet_server.failing import Failing
from fleet_server.live.stream import Stream
from fleet_server.sessions.desk import SessionDesk
from fleet_server.state.fleet import Fleet, SiteEntry
from fleet_server.store import campaigns
from fleet_server.store.campaigns import Campaign, Kind
from fleet_server.store.database import Database
from wire.ids import uuid7
from wire.times import Clock

log = logging.getLogger("diemcau.campaigns")

LEAST_KBIT_S, MOST_KBIT_S = 64, 100_000
_EVERY_S = 5.0
_BACK_WITHIN_S = 90.0
"""After a break rooms come back one by one, the last of them a minute later: who is not there yet has not gone away."""
_BEFORE_SESSION = timedelta(hours=4)
_RANKS = {Verdict.READY: 3, Verdict.AT_RISK: 2, Verdict.NOT_READY: 1}
_OPEN = (State.RUNNING, State.PAUSED)


class Parcel(Struct, frozen=True):
    """A file that rooms fetch."""

    subject: str
    """By what it is found again."""
    version: str
    file: Path
    size: int
    sha256: str


class CampaignDesk(ABC):
    """One campaign of its kind at a time; `current` is what is under way, or the last that was."""

    kind: ClassVar[Kind]
    address: ClassVar[str]
    """Where rooms fetch: a path of the API, before the ticket."""

    def __init__(
        self, database: Database, fleet: Fleet, sessions: SessionDesk, stream: Stream, clock: Clock, key: bytes,
        own_url: str, is_connected: Callable[[], bool], line: HubLine,
    ) -> None:  # fmt: skip
        """`key`: rooms' tickets are made of it; `is_connected`: whether rooms can be heard."""
        self.line = line
        self._is_connected, self._deaf_at_s = is_connected, clock.monotonic()
        self._database, self._fleet, self._sessions = database, fleet, sessions
        self._stream, self._clock, self._key, self._own_url = stream, clock, key, own_url
        self._current: Campaign | None = None
        self._parcel: Parcel | None = None
        self._tickets: dict[str, str] = {}
        """Site -> what opens the parcel for it, while it is its turn."""
        self._taking = asyncio.Lock()

    @abstractmethod
    def _find(self, subject: str) -> Parcel:
        """Raises NotFound."""

    @abstractmethod
    async def _facts_of(self, current: Campaign, entries: Mapping[str, SiteEntry], now: datetime) -> dict[Unit, Facts]:
        """What is known now of every one that is to have it. Raises SQLAlchemyError."""

    async def load(self) -> None:
        """Take up what was under way."""
        found = await self._database.read(lambda db: campaigns.newest(db, self.kind, 1))
        self._put(found[0] if found else None)

    @property
    def current(self) -> Campaign | None:
        """What is under way, or the last that was."""
        return self._current

    async def set_state(self, state: State) -> Campaign:
        """Pause, go on, or end it. Raises NotFound, Conflict for one that is over."""
        async with self._taking:
            current = self.current
            if current is None:
                raise NotFound("campaigns.none_under_way")
            is_over = current.state is State.DONE and not (state is State.STOPPED and goes_on(current))
            if is_over or (current.state is State.STOPPED and state is State.PAUSED):
                raise Conflict("campaigns.is_over", version=current.version)
            rooms = tuple(accepted(current.rooms)) if current.state is State.STOPPED else current.rooms
            changed = Turn(tuple(set(rooms) - set(current.rooms)), state)
            await self._database.write(lambda db: _keep(db, current.id, changed))
            after = replace(current, state=state, why="", rooms=rooms)
            self._put(after)
        self._stream.publish("campaigns")
        return after

    def offer_to(self, site: str) -> tuple[Parcel, str, int] | None:
        """What this room is to fetch, where, and at which rate in kbit/s; None while it is not its turn."""
        ticket, current = self._tickets.get(site), self._current
        if ticket is None or current is None or self._parcel is None:
            return None
        return self._parcel, f"{self._own_url}/api/v1/{self.address}/{ticket}", current.rate_kbit_s

    def opened_by(self, ticket: str) -> tuple[Parcel, int]:
        """What a ticket opens, and at which rate in kbit/s. Raises NotFound once it is not that room's turn."""
        current = self._current
        if current is None or self._parcel is None or ticket not in self._tickets.values():
            raise NotFound("campaigns.no_ticket")
        return self._parcel, current.rate_kbit_s

    async def run(self) -> None:
        """Look every few seconds, for ever."""
        failing = Failing(log, f"{self.kind}_campaign_not_kept")
        while True:
            with failing:
                await self.look()
            await asyncio.sleep(_EVERY_S)

    async def look(self) -> None:
        """One turn of what is under way. Raises SQLAlchemyError."""
        async with self._taking:
            current = self.current
            if current is None or self._parcel is None:
                return
            is_connected = self._is_connected()
            if not is_connected:
                self._deaf_at_s = self._clock.monotonic()
            if not goes_on(current) or not is_connected or self._fleet.is_learning:
                self._put(current)
                return
            now = self._clock.now()
            facts = await self._facts_of(current, self._fleet.entries, now)
            if self._clock.monotonic() - self._deaf_at_s < _BACK_WITHIN_S:
                facts = {unit: known for unit, known in facts.items() if not known.is_away}
            turn = turn_of(current.rooms, facts, now)
            if turn.changed or turn.state is not current.state:
                id = current.id
                await self._database.write(lambda db: _keep(db, id, turn))
                by_unit = {room.unit: room for room in turn.changed}
                rooms = tuple(by_unit.get(room.unit, room) for room in current.rooms)
                current = replace(current, rooms=rooms, state=turn.state, why=turn.why)
                self._stream.publish("campaigns")
            self._put(current)  # also where nothing has changed but what sessions are near

    async def _begin(
        self, parcel: Parcel, units: list[Unit], rate_kbit_s: int, by: str, canary: str, hours: str = ""
    ) -> Campaign:
        """Raises Conflict, Invalid."""
        if not LEAST_KBIT_S <= rate_kbit_s <= MOST_KBIT_S:
            raise Invalid("campaigns.wrong_rate", least=LEAST_KBIT_S, most=MOST_KBIT_S)
        async with self._taking:
            if self.current is not None and self.current.state in _OPEN:
                raise Conflict("campaigns.under_way", version=self.current.version)
            if not units or (canary and canary not in {site for site, _ in units}):
                raise Invalid("campaigns.no_rooms")
            known = self._fleet.entries
            units.sort(key=lambda unit: (unit[0] != canary, known[unit[0]].verdict is Verdict.OFFLINE, unit))
            made = Campaign(
                id=uuid7(), kind=self.kind, subject=parcel.subject, version=parcel.version, state=State.RUNNING,
                rate_kbit_s=rate_kbit_s, hours=hours, by=by, made_at=self._clock.now(), rooms=tuple(planned(units)),
            )  # fmt: skip
            await self._database.write(lambda db: campaigns.add(db, made))
            self._put(made)
        self._stream.publish("campaigns")
        return made

    def _is_busy(self, site: str, now: datetime) -> bool:
        """Whether a session runs there, or begins within four hours: nothing is changed there now."""
        return any(
            session.starts_at <= now + _BEFORE_SESSION and session.ends_at > now
            for session in self._sessions.of_site(site)
        )

    def _rank_of(self, entry: SiteEntry) -> int:
        """How ready a room is; higher is better."""
        return _RANKS.get(entry.verdict, 0)

    def _offered(self, current: Campaign, now: datetime) -> list[WaveRoom]:
        """Whose turn it is, away from sessions."""
        turn = offered(current.rooms, now)
        if current.state is State.PAUSED:  # whoever has begun may end it, and nobody begins
            turn = [room for room in turn if room.step is Step.OFFERED]
        return [room for room in turn if not self._is_busy(room.site, now)]

    def _put(self, current: Campaign | None) -> None:
        """It is so now; each room's ticket follows from it."""
        if current is None or self._current is None or current.id != self._current.id:
            self._parcel = None
        self._current, self._tickets = current, {}
        if current is None or current.state is State.STOPPED:
            return
        try:
            self._parcel = self._parcel or self._find(current.subject)
        except NotFound:
            log.error("parcel_missing kind=%s version=%s", self.kind, current.version)
            return
        now = self._clock.now()
        for room in self._offered(current, now):
            text = f"{current.id} {room.site}"
            self._tickets[room.site] = hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def goes_on(current: Campaign) -> bool:
    """Whether there is anything to look at: a room that was away takes it also when all others are done."""
    waits = any(room.step is Step.AWAY for room in current.rooms)
    return current.state is State.RUNNING or (current.state is State.DONE and waits)


def _keep(db: Connection, campaign: str, turn: Turn) -> None:
    campaigns.save_rooms(db, campaign, turn.changed)
    campaigns.set_state(db, campaign, turn.state, turn.why)
