"""Campaigns: a release goes through the fleet in waves, and the rooms say what became of it."""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

from msgspec.structs import replace
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from fleet_server.domain.readiness import Verdict
from fleet_server.domain.waves import Facts, State, Step, Turn, planned, turn_of
from fleet_server.errors import Conflict, Invalid, NotFound
from fleet_server.live.stream import Stream
from fleet_server.releases.shelf import Bundle, Shelf
from fleet_server.sessions.desk import SessionDesk
from fleet_server.state.fleet import Fleet, SiteEntry
from fleet_server.store import campaigns
from fleet_server.store.campaigns import TAKEN, WENT_BACK, Campaign, Heard
from fleet_server.store.database import Database
from wire.ids import uuid7
from wire.messages import WantedRelease
from wire.times import Clock

log = logging.getLogger("diemcau.releases")

_EVERY_S = 5.0
_BEFORE_SESSION = timedelta(hours=4)
_RANKS = {Verdict.READY: 3, Verdict.AT_RISK: 2, Verdict.NOT_READY: 1}
_OPEN = (State.RUNNING, State.PAUSED)
_BLOCK = 32_768
LEAST_KBIT_S, MOST_KBIT_S = 64, 100_000


class CampaignDesk:
    """One campaign at a time; `current` is what is under way, or the last that was."""

    def __init__(
        self, database: Database, fleet: Fleet, sessions: SessionDesk, stream: Stream, clock: Clock, shelf: Shelf,
        key: bytes, own_url: str,
    ) -> None:  # fmt: skip
        """`key`: rooms' tickets are made of it."""
        self._database, self._fleet, self._sessions = database, fleet, sessions
        self._stream, self._clock, self._key, self._own_url = stream, clock, key, own_url
        self.shelf = shelf
        self._current: Campaign | None = None
        self._offers: dict[str, WantedRelease] = {}
        self._taking = asyncio.Lock()

    async def load(self) -> None:
        """Take up what was under way."""
        found = await self._database.read(lambda db: campaigns.newest(db, 1))
        self._put(found[0] if found else None)

    async def begin(self, version: str, rate_kbit_s: int, by: str, canary: str = "") -> Campaign:
        """A release for every room that has an agent; `canary` goes first. Raises NotFound, Conflict, Invalid."""
        self.shelf.find(version)
        if not LEAST_KBIT_S <= rate_kbit_s <= MOST_KBIT_S:
            raise Invalid("releases.wrong_rate", least=LEAST_KBIT_S, most=MOST_KBIT_S)
        async with self._taking:
            if self.current is not None and self.current.state in _OPEN:
                raise Conflict("releases.under_way", version=self.current.version)
            # Also rooms that are still being set up: whoever has ever spoken has an agent.
            known = self._fleet.entries
            sites = [site for site, entry in known.items() if entry.plan.has_agent and entry.room.about is not None]
            if not sites or (canary and canary not in sites):
                raise Invalid("releases.no_rooms")
            sites.sort(key=lambda site: (site != canary, known[site].verdict is Verdict.OFFLINE, site))
            now = self._clock.now()
            made = Campaign(uuid7(), version, State.RUNNING, rate_kbit_s, "", by, now, tuple(planned(sites)))
            await self._database.write(lambda db: campaigns.add(db, made))
            self._put(made)
        self._stream.publish("releases")
        return made

    async def set_state(self, state: State) -> Campaign:
        """Pause, go on, or end it. Raises NotFound, Conflict for one that is over."""
        async with self._taking:
            current = self.current
            if current is None:
                raise NotFound("releases.none_under_way")
            if current.state is State.DONE or (current.state is State.STOPPED and state is State.PAUSED):
                raise Conflict("releases.is_over", version=current.version)
            await self._database.write(lambda db: campaigns.set_state(db, current.id, state, ""))
            after = replace(current, state=state, why="")
            self._put(after)
        self._stream.publish("releases")
        return after

    def wanted(self, site: str) -> WantedRelease | None:
        """What this room is to fetch; None while it is not its turn, and once it has taken it or gone back."""
        return self._offers.get(site)

    def bundle_for(self, ticket: str) -> tuple[Bundle, int]:
        """What a ticket opens, and at which rate in kbit/s. Raises NotFound once it is not that room's turn."""
        current = self._current
        if current is None or not any(offer.url.endswith(f"/{ticket}") for offer in self._offers.values()):
            raise NotFound("releases.no_ticket")
        return self.shelf.find(current.version), current.rate_kbit_s

    @property
    def current(self) -> Campaign | None:
        """What is under way, or the last that was."""
        return self._current

    def _put(self, current: Campaign | None) -> None:
        """It is so now; each room's offer follows from it."""
        self._current, self._offers = current, {}
        if current is None or current.state not in _OPEN:
            return
        try:
            bundle = self.shelf.find(current.version)
        except NotFound:
            log.error("release_missing version=%s", current.version)
            return
        for room in current.rooms:
            if room.step in (Step.OFFERED, Step.AWAY):
                url = f"{self._own_url}/api/v1/release-bundles/{self._ticket(current.id, room.site)}"
                self._offers[room.site] = WantedRelease(
                    bundle.version, bundle.size, bundle.sha256, url, float(current.rate_kbit_s)
                )

    async def run(self) -> None:
        """Look every few seconds, for ever."""
        failing = False
        while True:
            try:
                await self.look()
                failing = False
            except SQLAlchemyError as error:
                if not failing:
                    log.error("campaign_not_kept error=%s", type(error).__name__)
                failing = True
            await asyncio.sleep(_EVERY_S)

    async def look(self) -> None:
        """One turn of what is under way. Raises SQLAlchemyError."""
        async with self._taking:
            current = self.current
            if current is None or current.state is not State.RUNNING:
                return
            now = self._clock.now()
            offered = {room.site: room.since for room in current.rooms if room.since is not None}
            heard = await self._database.read(lambda db: campaigns.heard_since(db, offered, current.made_at))
            last = {
                each.site: each for each in heard
                if each.version == current.version and each.at >= offered[each.site]
            }  # fmt: skip
            entries = self._fleet.entries
            facts = {
                room.site: self._facts(entries[room.site], last.get(room.site), now)
                for room in current.rooms if room.site in entries
            }  # fmt: skip
            turn = turn_of(current.rooms, facts, now)
            if turn.changed or turn.state is not current.state:
                await self._database.write(lambda db: _keep(db, current.id, turn))
                by_site = {room.site: room for room in turn.changed}
                rooms = tuple(by_site.get(room.site, room) for room in current.rooms)
                self._put(replace(current, rooms=rooms, state=turn.state, why=turn.why))
                self._stream.publish("releases")

    def _facts(self, entry: SiteEntry, last: Heard | None, now: datetime) -> Facts:
        soon, sessions = now + _BEFORE_SESSION, self._sessions.of_site(entry.site.id)
        busy = any(session.starts_at <= soon and session.ends_at > now for session in sessions)
        taken = last is not None and last.event == TAKEN
        back = last.why or last.version if last is not None and last.event == WENT_BACK else ""
        return Facts(_RANKS.get(entry.verdict, 0), entry.verdict is Verdict.OFFLINE, busy, taken, back)

    def _ticket(self, campaign: str, site: str) -> str:
        return hmac.new(self._key, f"{campaign} {site}".encode(), hashlib.sha256).hexdigest()


async def paced(bundle: Bundle, start: int, rate_kbit_s: int, clock: Callable[[], float]) -> AsyncIterator[bytes]:
    """The bundle from a place on, no faster than this; the file is read in a thread. `clock`: monotonic seconds."""
    file = await asyncio.to_thread(bundle.file.open, "rb")
    try:
        await asyncio.to_thread(file.seek, start)
        began_s, sent = clock(), 0
        while block := await asyncio.to_thread(file.read, _BLOCK):
            yield block
            sent += len(block)
            ahead_s = sent * 8 / (rate_kbit_s * 1_000) - (clock() - began_s)
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
    finally:
        file.close()


def _keep(db: Connection, campaign: str, turn: Turn) -> None:
    campaigns.save_rooms(db, campaign, turn.changed)
    campaigns.set_state(db, campaign, turn.state, turn.why)
