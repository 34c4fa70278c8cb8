"""The server's parts from state to gate on a real database, with a clock that a test turns; no broker, no web."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from firmware_profiles.loader import catalogue_of
from fleet_server.alerts.centre import CentreHealth
from fleet_server.alerts.directory import Directory
from fleet_server.alerts.rooms import Rooms
from fleet_server.alerts.watch import AlertWatch
from fleet_server.domain.history import Hours
from fleet_server.domain.sessions import Session
from fleet_server.keeping.nightly import overdue_h
from fleet_server.live.stream import Stream
from fleet_server.sessions.confirmations import ConfirmationDesk
from fleet_server.sessions.desk import SessionDesk, Wish
from fleet_server.sessions.gates import GateDesk
from fleet_server.sessions.stages import StageDesk
from fleet_server.signing.secret_box import SecretBox
from fleet_server.state.attention import Attention
from fleet_server.state.fleet import Fleet, keep
from fleet_server.store.sites import SiteRow, replace_sites
from fleet_server.store.stages import StageRow, of_session
from tests.counterparts.databases import database_in
from tests.counterparts.spoken_room import about_of_room, report_of_room
from wire.codec import encode
from wire.ids import uuid7
from wire.messages import About

START = datetime(2026, 11, 25, 1, 0, tzinfo=UTC)
ABOUT = about_of_room()
HOURS = Hours(time(7), time(17), ZoneInfo("Asia/Ho_Chi_Minh"))
_BOOT = uuid7()


class TurnedClock:
    """A clock that stands until it is turned; the wall's can be set, the monotonic one only goes on."""

    def __init__(self) -> None:
        self.wall, self.passed_s = START, 0.0

    def now(self) -> datetime:
        """The wall's time."""
        return self.wall

    def monotonic(self) -> float:
        """Seconds that have passed."""
        return self.passed_s

    def pass_by(self, seconds: float) -> None:
        """Time goes on."""
        self.wall += timedelta(seconds=seconds)
        self.passed_s += seconds

    def set(self, seconds: float) -> None:
        """Somebody sets the wall's clock."""
        self.wall += timedelta(seconds=seconds)


class CentreWithoutWires:
    """`start` makes the parts anew on the same database, as a restart does."""

    def __init__(self, folder: Path, sites: dict[str, str], profiles: Path | None = None) -> None:
        """`sites`: id -> kind. `abouts` may be changed: what a room consists of, where that is not the usual."""
        self.clock, self.sites, self.profiles = TurnedClock(), sites, profiles
        self.abouts: dict[str, About] = {}
        self.folder, self.keys = folder, folder / "keys"
        rows = [SiteRow(id, "", f"Xã {id}", kind, None, 19.8, 105.7, 30.0, 30.0) for id, kind in sites.items()]
        self.database = database_in(folder)
        self.database.write_now(lambda db: replace_sites(db, rows))
        self._seq = 0

    async def start(self) -> None:
        """Take everything from the database."""
        self.stream = Stream(uuid7())
        self.fleet = Fleet(self.database, self.stream, self.clock, catalogue_of(self.profiles))
        self.confirmations = ConfirmationDesk(self.database, self.fleet, self.stream, self.clock)
        self.sessions = SessionDesk(self.database, self.fleet, self.stream, self.clock)
        await self.fleet.load()
        await self.confirmations.load()
        await self.sessions.load()
        self.gates = GateDesk(
            self.database, self.fleet, self.stream, self.clock, self.sessions, self.confirmations,
            Attention(self.fleet), lambda: None, 0.0,
        )  # fmt: skip
        self.connected = True
        self.blinded: frozenset[tuple[str, str]] = frozenset()
        self.directory = Directory(self.database, self.fleet, self.stream, self.clock, SecretBox(self.keys))
        await self.directory.load()
        self.rooms = Rooms(self.fleet, self.sessions, self.gates, lambda: self.blinded)
        self.health = CentreHealth(lambda: self.connected, lambda: overdue_h(self.folder, self.clock.now()))
        self.alerts = AlertWatch(
            self.database, self.stream, self.clock, HOURS, self.directory, self.rooms, self.health, lambda: None
        )
        await self.alerts.load()
        self.stages = StageDesk(self.database, self.sessions, self.gates, self.stream, self.clock, self._nothing_acts)

    async def report(self, site: str, **changed: Any) -> None:
        """A room's report, taken in as ingest does: judged and committed under the lock."""
        self._seq += 1
        about = self.abouts.get(site, ABOUT)
        report = replace(report_of_room(about, _BOOT, self._seq, **changed), at=self.clock.now())
        async with self.fleet.lock:
            entry = self.fleet.entries[site]
            room = replace(entry.room, present=True, about=about, report=report, received_at=self.fleet.now())
            raw = {"report_raw": encode(report), "about_raw": encode(about)}
            await keep(self.fleet, self.database, [self.fleet.judged(entry, room, **raw)])

    async def set_up(self, site: str) -> None:
        """The room was whole once; its devices here have no profile that would say so."""
        async with self.fleet.lock:
            entry = self.fleet.entries[site]
            kept = replace(entry.kept, set_up_at=self.fleet.now())
            await keep(self.fleet, self.database, [replace(entry, kept=kept)])

    async def go_away(self, site: str) -> None:
        """The room's last will has come."""
        async with self.fleet.lock:
            entry = self.fleet.entries[site]
            room = replace(entry.room, present=False)
            await keep(self.fleet, self.database, [self.fleet.judged(entry, room)])

    async def plan(self, sites: tuple[str, ...], in_min: float = 120, length_min: float = 60, **more: Any) -> Session:
        """A session that begins so many minutes from now."""
        starts_at = self.clock.now() + timedelta(minutes=in_min)
        ends_at = starts_at + timedelta(minutes=length_min)
        return await self.sessions.plan(Wish("Phiên", "periodic", "", starts_at, ends_at, sites, **more), "tests")

    async def stage_rows(self, session: Session) -> list[StageRow]:
        """What was written down of a session's stages."""
        return await self.database.read(lambda db: of_session(db, session.id))

    async def _nothing_acts(self, _session: Session, _row: StageRow) -> bool:
        return True

    def close(self) -> None:
        """Close the database."""
        self.database.close()
