"""From survey to service: what people say of a site, and what follows from it."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from firmware_profiles.loader import blueprints
from fleet_server.config import Settings
from fleet_server.domain.provisioning import Kept, accepted_now
from fleet_server.domain.rollout import (
    BY_HAND,
    STAGES,
    Gaps,
    Stage,
    Survey,
    desired_of,
    free_id,
    gaps_of,
    stage_of,
    with_survey,
)
from fleet_server.errors import Conflict, Invalid, NotFound
from fleet_server.live.stream import Stream
from fleet_server.state.fleet import Fleet, SiteEntry, keep
from fleet_server.store import rollout
from fleet_server.store.database import Database
from fleet_server.store.rollout import StageRow, SurveyRow
from wire.fields import Plain
from wire.messages import DesiredDevice, FoundDevice, Secret
from wire.times import Clock


class SiteProgress(Struct, frozen=True):
    """How far one site has come."""

    entry: SiteEntry
    stage: Stage
    survey: SurveyRow | None
    gaps: Gaps | None
    said: StageRow | None


class RolloutDesk:
    """Surveys, stages and desired devices are few and read often, so they are kept in memory too."""

    def __init__(self, database: Database, fleet: Fleet, stream: Stream, clock: Clock, settings: Settings) -> None:
        self._database, self._fleet, self._stream, self._clock = database, fleet, stream, clock
        self._settings = settings
        self._surveys: dict[str, SurveyRow] = {}
        self._stages: dict[str, StageRow] = {}
        self._accepting = asyncio.Lock()
        self.desired: dict[str, tuple[DesiredDevice, ...]] = {}
        """What each room is to watch beside its own file; replaced, never changed."""

    async def load(self) -> None:
        """Take all of it from the database."""
        self._surveys = await self._database.read(rollout.all_surveys)
        self._stages = await self._database.read(rollout.newest_stages)
        self.desired = await self._database.read(rollout.all_desired)

    def progress(self, site: str) -> SiteProgress:
        """How far a site has come. Raises NotFound."""
        entry = self._entry(site)
        survey = self._surveys.get(site)
        blueprint = blueprints().get(entry.site.kind)
        gaps = gaps_of(survey.survey, blueprint, self._fleet.catalogue) if survey and blueprint else None
        said = self._stages.get(site)
        stage = stage_of(
            said.stage if said else None, survey is not None, gaps, entry.room.about is not None, entry.provisioned
        )
        return SiteProgress(entry, stage, survey, gaps, said)

    def all_progress(self) -> list[SiteProgress]:
        """Of every site that has a blueprint, by name."""
        sites = sorted(self._fleet.entries.values(), key=lambda entry: (entry.site.kind != "hub", entry.site.name))
        return [self.progress(entry.site.id) for entry in sites if entry.site.kind in blueprints()]

    async def save_surveys(self, found: Mapping[str, Survey], by: str) -> None:
        """Keep what was found at these sites, all of it or nothing. Raises NotFound."""
        now = self._clock.now()
        rows = [SurveyRow(self._entry(site).site.id, survey, now, by) for site, survey in found.items()]
        await self._database.write(lambda db: rollout.save_surveys(db, rows))
        self._surveys |= {row.site: row for row in rows}
        for row in rows:
            self._stream.publish("rollout", row.site)

    async def say_stage(self, site: str, stage: Stage, by: str, note: str) -> None:
        """A person says how far a site has come. Raises Invalid for a stage that shows by itself."""
        self._entry(site)
        if stage not in BY_HAND:
            raise Invalid("rollout.shows_by_itself")
        row = StageRow(site, stage, self._clock.now(), by, note)
        await self._database.write(lambda db: rollout.add_stage(db, row))
        self._stages[site] = row
        self._stream.publish("rollout", site)

    async def desire_survey(self, site: str, by: str) -> tuple[DesiredDevice, ...]:
        """Turn the survey into what the room's agent is to watch. Raises Conflict without it or our own address."""
        survey = self._surveys.get(self._entry(site).site.id)
        if survey is None:
            raise Conflict("rollout.no_survey", site=site)
        url = self._settings.public_url
        if url is None:
            raise Conflict("rollout.no_public_url")
        centre = {
            "centre_url": url, "centre_host": urlsplit(url).hostname or "", "centre_port": str(self._settings.echo_port)
        }  # fmt: skip
        surveyed = desired_of(survey.survey, self._fleet.catalogue, centre)
        devices = with_survey(self.desired.get(site, ()), surveyed)
        await self.desire(site, devices, by)
        return devices

    async def desire(self, site: str, devices: Sequence[DesiredDevice], by: str) -> None:
        """What the room is to watch beside its own file, from now on. Raises Invalid for an id that is there twice."""
        self._entry(site)
        wanted = tuple(devices)
        if len({device.id for device in wanted}) != len(wanted):
            raise Invalid("rollout.device_twice")
        now = self._clock.now()
        await self._database.write(lambda db: rollout.save_desired(db, site, wanted, now, by))
        self.desired = {**self.desired, site: wanted}
        self._stream.publish("rollout", site)

    async def accept_found(self, site: str, address: str, username: str, by: str) -> DesiredDevice:
        """A device that the room's agent found belongs to the room from now on. Raises NotFound.

        `username`: of an account on it; its password is the room's own secret of the device's name.
        """
        entry = self._entry(site)
        found = next((device for device in _found(entry) if device.address == address), None)
        if found is None:
            raise NotFound("rollout.not_found_device", address=address)
        async with self._accepting:  # two that are accepted at once are both kept
            about, known = entry.room.about, self.desired.get(site, ())
            if (already := next((device for device in known if _is_of(device, found)), None)) is not None:
                return already  # the room still says that it found it, until it has heard of this
            taken = [device.id for device in about.devices] if about is not None else []
            name = free_id(found.role, [*taken, *(device.id for device in known)])
            account: dict[str, Plain | Secret] = {"username": username, "password": Secret(name)} if username else {}
            device = DesiredDevice(name, found.role, found.driver, {**found.settings, **account})
            await self.desire(site, (*known, device), by)
            return device

    async def accept_swapped(self, site: str, device: str, by: str) -> None:
        """The device that answers now is the right one from now on. Raises NotFound."""
        async with self._fleet.lock:
            entry = self._entry(site)
            about = entry.room.about
            found = next((known for known in about.devices if known.id == device), None) if about else None
            if found is None:
                raise NotFound("commands.no_device", device=device)
            accepted = {**entry.kept.accepted, device: accepted_now(found, self._fleet.now(), by)}
            kept: Kept = replace(entry.kept, accepted=accepted)
            changed = self._fleet.with_kept(entry, kept)
            await keep(self._fleet, self._database, [changed])

    def _entry(self, site: str) -> SiteEntry:
        entry = self._fleet.entries.get(site)
        if entry is None:
            raise NotFound("sites.not_found", site=site)
        return entry


def _found(entry: SiteEntry) -> tuple[FoundDevice, ...]:
    return entry.room.about.found if entry.room.about is not None else ()


def _is_of(device: DesiredDevice, found: FoundDevice) -> bool:
    """Whether a device is one that was found, and accepted before."""
    return (
        bool(found.settings)
        and (device.role, device.driver) == (found.role, found.driver)
        and found.settings.items() <= device.settings.items()
    )


def stage_counts(progress: Iterable[SiteProgress]) -> dict[str, int]:
    """How many sites are at each stage, every stage named."""
    counts = {str(stage): 0 for stage in STAGES}
    for site in progress:
        counts[str(site.stage)] += 1
    return counts
