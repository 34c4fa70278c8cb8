"""A release goes through the fleet: each room fetches it, tries it, and says whether it runs it or went back."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import ClassVar

from fleet_server.campaigns.desk import CampaignDesk, Parcel
from fleet_server.campaigns.hub_line import HubLine
from fleet_server.campaigns.shelf import Shelf
from fleet_server.domain.readiness import Verdict
from fleet_server.domain.waves import Facts, Unit, is_open
from fleet_server.live.stream import Stream
from fleet_server.sessions.desk import SessionDesk
from fleet_server.state.fleet import Fleet, SiteEntry
from fleet_server.store import agents, campaigns
from fleet_server.store.campaigns import Campaign, Kind
from fleet_server.store.database import Database
from wire.messages import WantedRelease
from wire.times import Clock

_TAKEN, _WENT_BACK = "release_taken", "release_back"


class ReleaseCampaigns(CampaignDesk):
    """Releases for every room that has an agent."""

    kind: ClassVar[Kind] = "release"
    address = "release-bundles"

    def __init__(
        self, database: Database, fleet: Fleet, sessions: SessionDesk, stream: Stream, clock: Clock, key: bytes,
        own_url: str, is_connected: Callable[[], bool], line: HubLine, shelf: Shelf,
    ) -> None:  # fmt: skip
        super().__init__(database, fleet, sessions, stream, clock, key, own_url, is_connected, line)
        self.shelf = shelf

    async def begin(self, version: str, rate_kbit_s: int, by: str, canary: str = "") -> Campaign:
        """A release for every room that has an agent; `canary` goes first. Raises NotFound, Conflict, Invalid."""
        parcel = self._find(version)
        # Also rooms that are still being set up: whoever has ever spoken has an agent.
        known = self._fleet.entries.items()
        units = [(site, "") for site, entry in known if entry.plan.has_agent and entry.room.about is not None]
        return await self._begin(parcel, units, rate_kbit_s, by, canary)

    async def running(self, sites: Collection[str]) -> dict[str, list[str]]:
        """Release -> which of these sites run it, the release of most rooms first."""
        said = await self._database.read(agents.versions)
        found: dict[str, list[str]] = {}
        for site in sorted(said.keys() & set(sites)):
            found.setdefault(said[site], []).append(site)
        return dict(sorted(found.items(), key=lambda each: -len(each[1])))

    def wanted(self, site: str) -> WantedRelease | None:
        """What this room is to fetch; None while it is not its turn, and once it has taken it or gone back."""
        offer = self.offer_to(site)
        if offer is None:
            return None
        parcel, url, rate = offer
        return WantedRelease(
            version=parcel.version, size=parcel.size, sha256=parcel.sha256, url=url, rate_kbit_s=float(rate)
        )

    def _find(self, subject: str) -> Parcel:
        return self.shelf.find(subject)

    async def _facts_of(self, current: Campaign, entries: Mapping[str, SiteEntry], now: datetime) -> dict[Unit, Facts]:
        offered = {room.site: room.since for room in current.rooms if room.since is not None and is_open(room)}
        events = (_TAKEN, _WENT_BACK)
        heard = await self._database.read(lambda db: campaigns.heard_since(db, offered, events, current.made_at))
        last = {
            each.site: each for each in heard
            if each.text("version") == current.version and each.at >= offered[each.site]
        }  # fmt: skip
        found = {}
        for room in current.rooms:
            entry, said = entries.get(room.site), last.get(room.site)
            if entry is None:
                found[room.unit] = Facts(0, is_gone=True)
            else:
                went_back = said is not None and said.event == _WENT_BACK
                found[room.unit] = Facts(
                    self._rank_of(entry), entry.verdict is Verdict.OFFLINE,
                    is_busy=self._is_busy(room.site, now), has_taken=said is not None and said.event == _TAKEN,
                    went_back=(said.text("why") or current.version) if said is not None and went_back else "",
                )  # fmt: skip
        return found
