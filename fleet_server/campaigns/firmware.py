"""Firmware goes to cameras: their rooms fetch the image, and each camera is told to take it, away from sessions."""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import ClassVar
from zoneinfo import ZoneInfo

from msgspec import Struct
from sqlalchemy import Connection

from fleet_server.campaigns.desk import CampaignDesk, Parcel, goes_on
from fleet_server.campaigns.hub_line import HubLine
from fleet_server.campaigns.images import Image, Images
from fleet_server.commands.desk import CommandDesk, Wish
from fleet_server.domain.commands import FINAL
from fleet_server.domain.firmware_campaigns import (
    ACTION,
    Standing,
    Try,
    is_refused,
    runs,
    standing_of,
    targets,
)
from fleet_server.domain.provisioning import Fit
from fleet_server.domain.readiness import Verdict
from fleet_server.domain.waves import Facts, Unit, is_open
from fleet_server.domain.windows import ALWAYS, window_in
from fleet_server.errors import FleetError, Invalid
from fleet_server.live.stream import Stream
from fleet_server.sessions.desk import SessionDesk
from fleet_server.state.fleet import Fleet, SiteEntry
from fleet_server.store import campaigns, commands
from fleet_server.store.campaigns import Campaign, Kind
from fleet_server.store.database import Database
from wire.firmware import FirmwareList
from wire.messages import WantedFile
from wire.times import Clock

log = logging.getLogger("diemcau.campaigns")

_HERE, _REFUSED = "firmware_fetched", "firmware_refused"


class _Known(Struct, frozen=True):
    """What rooms and commands say of a campaign."""

    here: frozenset[str]
    """Sites that have the image."""
    refused: Mapping[str, str]
    tries: Mapping[Unit, tuple[Try, ...]]


class FirmwareCampaigns(CampaignDesk):
    """The commands are the record: whatever happens to the server, nothing is asked twice for the same try."""

    kind: ClassVar[Kind] = "firmware"
    address = "firmware-images"

    def __init__(
        self, database: Database, fleet: Fleet, sessions: SessionDesk, stream: Stream, clock: Clock, key: bytes,
        own_url: str, is_connected: Callable[[], bool], line: HubLine, images: Images, commands: CommandDesk,
        zone: ZoneInfo,
    ) -> None:  # fmt: skip
        super().__init__(database, fleet, sessions, stream, clock, key, own_url, is_connected, line)
        self.images, self._commands, self._zone = images, commands, zone
        self._described: FirmwareList | None = None
        """Of the campaign's image."""

    async def begin(self, image: str, rate_kbit_s: int, by: str, canary: str = "", hours: str = "") -> Campaign:
        """An image for every device that it is for and that runs something older; `canary`: the site that goes first.

        `hours`: in which part of the day, by the clock here. Raises NotFound, Conflict, Invalid.
        """
        found, fits = self.images.find(image), self._fits()
        if window_in(hours) is None:
            raise Invalid("firmware.wrong_hours", hours=hours[:20])
        if is_refused(found.described, fits):
            raise Invalid("firmware.refused_by_profile", version=found.described.version)
        return await self._begin(found.parcel, targets(found.described, fits), rate_kbit_s, by, canary, hours)

    def targets(self, image: Image) -> list[Unit]:
        """The devices that an image would go to now."""
        return targets(image.described, self._fits())

    def wanted(self, site: str) -> tuple[WantedFile, ...]:
        """What this room is to fetch and keep; nothing while it is not its turn."""
        offer = self.offer_to(site)
        if offer is None:
            return ()
        parcel, url, rate = offer
        return (WantedFile(size=parcel.size, sha256=parcel.sha256, url=url, rate_kbit_s=float(rate)),)

    async def look(self) -> None:
        """One turn; then every device whose turn it is, that has not been asked, and may be, is asked."""
        await super().look()
        async with self._taking:
            current = self.current
            if current is not None and self._described is not None and goes_on(current):
                await self._ask(current, self._described)

    def _fits(self) -> dict[str, tuple[Fit, ...]]:
        return {site: entry.fits for site, entry in self._fleet.entries.items()}

    def _find(self, subject: str) -> Parcel:
        found = self.images.find(subject)
        self._described = found.described
        return found.parcel

    def _is_busy(self, site: str, now: datetime) -> bool:
        """Also outside the hours that were chosen."""
        window = window_in(self._current.hours if self._current is not None else "") or ALWAYS
        return not window.holds(now.astimezone(self._zone).time()) or super()._is_busy(site, now)

    async def _facts_of(self, current: Campaign, entries: Mapping[str, SiteEntry], now: datetime) -> dict[Unit, Facts]:
        known, described = await self._database.read(lambda db: _known_of(db, current)), self._described
        found: dict[Unit, Facts] = {}
        for room in current.rooms:
            entry = entries.get(room.site)
            fit = _fit_of(entry, room.device)
            if described is None:
                continue
            if entry is None or fit is None:
                found[room.unit] = Facts(0, is_gone=True)
                continue
            standing = _standing(described, fit, known.tries.get(room.unit, ()), now)
            failed = standing.failed or ("" if standing.has_taken else known.refused.get(room.site, ""))
            found[room.unit] = Facts(
                self._rank_of(entry), not _is_well(entry, room.device), is_busy=self._is_busy(room.site, now),
                has_taken=standing.has_taken, went_back=failed,
            )  # fmt: skip
        return found

    async def _ask(self, current: Campaign, described: FirmwareList) -> None:
        known, now = await self._database.read(lambda db: _known_of(db, current)), self._clock.now()
        asked = {site for (site, _), tries in known.tries.items() if tries[-1].state not in FINAL}
        for room in self._offered(current, now):
            entry = self._fleet.entries.get(room.site)
            fit = _fit_of(entry, room.device)
            if entry is None or fit is None or room.site in asked or room.site not in known.here:
                continue  # one device of a room at a time
            tries = known.tries.get(room.unit, ())
            if _is_well(entry, room.device) and _standing(described, fit, tries, now).may_be_asked:
                asked.add(room.site)
                await self._tell(current, described, room.unit, len(tries))

    async def _tell(self, current: Campaign, described: FirmwareList, unit: Unit, tries: int) -> None:
        site, device = unit
        wish = Wish(ACTION, {"image": described.sha256, "version": described.version}, by_centre=True)
        try:
            key = f"{_prefix(current)}{site}:{device}:{tries}"
            await self._commands.request(site, device, wish, by=current.by, origin="", key=key)
        except FleetError as error:
            log.warning("firmware_not_asked site=%s device=%s reason=%s", site, device, error.key)


def _known_of(db: Connection, current: Campaign) -> _Known:
    offered = {room.site for room in current.rooms if is_open(room)}
    here: set[str] = set()
    refused: dict[str, str] = {}
    for each in campaigns.heard_since(db, offered, (_HERE, _REFUSED), current.made_at):
        if each.text("file") == current.subject:
            if each.event == _HERE:
                here.add(each.site)
                refused.pop(each.site, None)
            else:
                refused[each.site] = each.text("why")
    rows = commands.with_key(db, _prefix(current))
    steps = commands.steps_of(db, [row.id for row in rows])
    tries: dict[Unit, list[Try]] = defaultdict(list)
    for row in rows:
        last = steps[row.id][-1].detail if row.id in steps else ""
        tries[row.site, row.device].append(Try(row.state, last, row.answer_by))
    return _Known(frozenset(here), refused, {unit: tuple(found) for unit, found in tries.items()})


def _standing(described: FirmwareList, fit: Fit, tries: tuple[Try, ...], now: datetime) -> Standing:
    return standing_of(tries, runs(described, fit), now)


def _prefix(current: Campaign) -> str:
    return f"firmware:{current.id}:"


def _fit_of(entry: SiteEntry | None, device: str) -> Fit | None:
    return next((fit for fit in entry.fits if fit.about.id == device), None) if entry is not None else None


def _is_well(entry: SiteEntry, device: str) -> bool:
    """Whether the room is there and the device answers it."""
    report = entry.room.report
    if entry.verdict is Verdict.OFFLINE or not entry.room.present or report is None:
        return False
    return any(each.id == device and each.state == "ok" for each in report.devices)
