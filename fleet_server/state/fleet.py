"""The newest state of every site, judged. Only `replace` changes it, after the change has been committed."""

import asyncio
import copy
import logging
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from firmware_profiles.catalogue import Catalogue
from firmware_profiles.loader import blueprints
from fleet_server.domain.checks import checks
from fleet_server.domain.identities import Boots, boots_after
from fleet_server.domain.provisioning import Fit, Kept, Provisioning, fits_of, provisioning_of
from fleet_server.domain.readiness import NEVER, Judgement, Plan, Room, Verdict, judge, plan_of
from fleet_server.live.stream import Stream
from fleet_server.store.database import Database
from fleet_server.store.sites import SiteRow, StateRow, all_sites, all_states, save_states
from wire.codec import decode_as
from wire.errors import WireError
from wire.messages import About, Renewal, Report
from wire.times import Clock

log = logging.getLogger("diemcau.state")

T = TypeVar("T")
_MOST_RENEWALS = 5_000


class SiteEntry(Struct, frozen=True, gc=False):
    """One site as the server has it now."""

    site: SiteRow
    room: Room
    plan: Plan
    judgement: Judgement
    verdict: Verdict
    since: float
    fits: tuple[Fit, ...] = ()
    provisioning: Provisioning = Provisioning()
    kept: Kept = Kept()
    boots: Boots = Boots()
    about_raw: bytes | None = None
    report_raw: bytes | None = None

    @property
    def provisioned(self) -> bool:
        """Whether the room is what it should be, and one machine alone speaks for it."""
        return not self.plan.has_agent or (self.provisioning.is_provisioned and self.boots.cloned_at is None)

    @property
    def is_set_up(self) -> bool:
        """Whether the room has ever been what it should be. Before, it is neither ready nor broken."""
        return not self.plan.has_agent or self.kept.set_up_at is not None


class Fleet:
    """All sites. `lock` is held from looking at entries until their replacement is committed."""

    def __init__(self, database: Database, stream: Stream, clock: Clock, catalogue: Catalogue) -> None:
        self._database, self._stream, self._clock = database, stream, clock
        self.catalogue = catalogue
        self.entries: dict[str, SiteEntry] = {}
        self.lock = asyncio.Lock()
        self.learning_until = 0.0
        self.moved: set[str] = set()
        """Sites that were judged since the timers last looked."""
        self.barred: set[str] = set()
        """Sites whose identity was revoked: whoever still speaks in their name is not heard."""
        self.renewals: asyncio.Queue[tuple[str, Renewal]] = asyncio.Queue(_MOST_RENEWALS)
        """Rooms that ask for their next certificate; one that is not taken asks again."""
        self.timer_moved = asyncio.Event()

    def now(self) -> float:
        """Seconds since the epoch, as the domain wants them."""
        return self._clock.now().timestamp()

    @property
    def interval_s(self) -> float:
        """The longest interval at which a room reports."""
        return max(blueprint.report_interval_s for blueprint in blueprints().values())

    @property
    def is_learning(self) -> bool:
        """Just after a start or a break: what is missing may only not have come yet."""
        return self.now() < self.learning_until

    def learn(self) -> None:
        """Start to learn anew, for one report interval."""
        self.learning_until = self.now() + self.interval_s
        self._stream.publish("server", learning=True)

    async def load(self) -> None:
        """Take the sites and their newest rows from the database."""
        states = {state.site: state for state in await self._database.read(all_states)}
        self.learn()
        self.entries = {row.id: self._loaded(row, states.get(row.id)) for row in await self._database.read(all_sites)}
        self.moved.update(self.entries)
        self.timer_moved.set()

    async def take_new_sites(self) -> bool:
        """Take in sites that were imported, or corrected, since the last look; whether one of them is new."""
        async with self.lock:
            rows = await self._database.read(all_sites)
            changed = [row for row in rows if row.id not in self.entries or self.entries[row.id].site != row]
            known = {row.id: self.entries[row.id] for row in changed if row.id in self.entries}
            self.replace(
                self._corrected(known[row.id], row) if row.id in known else self._loaded(row, None) for row in changed
            )
            return len(known) < len(changed)

    def seen_at(self, sites: frozenset[str]) -> "Fleet":
        """This fleet as somebody sees it who has these sites alone. Only for looking."""
        found = copy.copy(self)
        found.entries = {site: self.entries[site] for site in sites if site in self.entries}
        return found

    def judged(self, entry: SiteEntry, room: Room, **raw: bytes) -> SiteEntry:
        """The entry with another room, judged now."""
        now = self.now()
        plan, fits = entry.plan, entry.fits
        if room.about is not entry.room.about:
            fits = fits_of(entry.site.id, room.about, self.catalogue)
            plan = self._plan(entry.site, room.about, fits)
        learning = now < self.learning_until and entry.verdict is not Verdict.OFFLINE
        judgement = judge(room, plan, now, learning=learning)
        if learning:
            judgement = msgspec.structs.replace(judgement, changes_at=min(judgement.changes_at, self.learning_until))
        provisioning, kept = self._provisioning(entry, room, fits, now)
        changed = judgement.verdict is not entry.verdict
        return msgspec.structs.replace(
            entry, room=room, plan=plan, judgement=judgement, verdict=judgement.verdict,
            since=now if changed else entry.since,
            fits=fits, provisioning=provisioning, kept=kept, **raw,
        )  # fmt: skip

    def with_kept(self, entry: SiteEntry, kept: Kept) -> SiteEntry:
        """The entry with other things remembered of its provisioning, compared anew."""
        blueprint = blueprints().get(entry.site.kind)
        if blueprint is None:
            return msgspec.structs.replace(entry, kept=kept)
        provisioning, kept = provisioning_of(
            blueprint, entry.room.about, entry.fits, entry.room.report, kept, self.now()
        )
        return msgspec.structs.replace(entry, provisioning=provisioning, kept=kept)

    def with_boot(self, entry: SiteEntry, boot_id: str, *, retained: bool) -> SiteEntry:
        """The entry once this life of its agent has been heard. What the broker retained is no news of who speaks now,
        but better than nothing after our own start."""
        if retained and entry.boots.now:
            return entry
        boots = boots_after(entry.boots, boot_id, self.now())
        if boots.cloned_at is not None and entry.boots.cloned_at is None:
            log.warning("identity_cloned site=%s boots=%s,%s", entry.site.id, entry.boots.now, boot_id)
        return msgspec.structs.replace(entry, boots=boots)

    def drop(self, site: str) -> None:
        """The site is no more. The caller holds the lock."""
        self.entries.pop(site, None)
        self.moved.discard(site)
        self._stream.publish("site", site, closed=True)

    def replace(self, entries: Iterable[SiteEntry]) -> None:
        """Put committed entries in place and tell the stream what a reader could see."""
        for entry in entries:
            before = self.entries.get(entry.site.id)
            self.entries[entry.site.id] = entry
            self.moved.add(entry.site.id)
            if before is None or _visible(before) != _visible(entry):
                self._stream.publish(
                    "site", entry.site.id, verdict=str(entry.verdict), since=entry.since,
                    provisioned=entry.provisioned, set_up=entry.is_set_up,
                )  # fmt: skip
            elif before.report_raw != entry.report_raw:
                self._stream.publish("report", entry.site.id)
        self.timer_moved.set()

    def _loaded(self, row: SiteRow, state: StateRow | None) -> SiteEntry:
        room = Room(present=False)
        if state is not None:
            received_at = state.received_at / 1000 if state.received_at is not None else None
            room = Room(state.present, _read(Report, state.report), _read(About, state.about), received_at)
        fits = fits_of(row.id, room.about, self.catalogue)
        plan = self._plan(row, room.about, fits)
        blank = SiteEntry(
            row, Room(present=False), plan, Judgement(Verdict.OFFLINE, (), NEVER),
            Verdict(state.verdict) if state else Verdict.OFFLINE, state.since / 1000 if state else self.now(),
            fits, kept=_stored(Kept, state.kept) if state else Kept(),
            boots=_stored(Boots, state.boots) if state else Boots(),
            about_raw=state.about if state else None, report_raw=state.report if state else None,
        )  # fmt: skip
        return self.judged(msgspec.structs.replace(blank, room=room), room)

    def _corrected(self, entry: SiteEntry, row: SiteRow) -> SiteEntry:
        """The entry with another row: what its line must carry may be different."""
        plan = self._plan(row, entry.room.about, entry.fits)
        return self.judged(msgspec.structs.replace(entry, site=row, plan=plan), entry.room)

    def _plan(self, site: SiteRow, about: About | None, fits: tuple[Fit, ...]) -> Plan:
        blueprint = blueprints().get(site.kind)
        if blueprint is None:
            return Plan(self.interval_s, 0, (), about.revision if about else None)
        thresholds = {fit.about.id: fit.profile.thresholds for fit in fits if fit.profile is not None}
        contract = {"contract_down_mbit_s": site.line_down_mbit_s, "contract_up_mbit_s": site.line_up_mbit_s}
        limits = {name: value for name, value in contract.items() if value is not None}
        return plan_of(blueprint, about, checks(), limits, lambda device: thresholds.get(device.id, {}))

    def _provisioning(
        self, entry: SiteEntry, room: Room, fits: tuple[Fit, ...], now: float
    ) -> tuple[Provisioning, Kept]:
        """Settings are compared at each report; without any, only a new `about` can change something."""
        blueprint = blueprints().get(entry.site.kind)
        if blueprint is None:
            return entry.provisioning, entry.kept
        has_settings = any(fit.profile is not None and fit.profile.settings for fit in fits)
        if entry.provisioning.slots and fits is entry.fits and not (has_settings and room is not entry.room):
            return entry.provisioning, entry.kept
        return provisioning_of(blueprint, room.about, fits, room.report, entry.kept, now)


def state_row(entry: SiteEntry) -> StateRow:
    """The entry as the database keeps it."""
    received_at = entry.room.received_at
    return StateRow(
        entry.site.id, entry.room.present, entry.about_raw, entry.report_raw,
        round(received_at * 1000) if received_at is not None else None, str(entry.verdict), round(entry.since * 1000),
        msgspec.json.encode(entry.kept) if entry.kept != Kept() else None,
        msgspec.json.encode(entry.boots) if entry.boots != Boots() else None,
    )  # fmt: skip


async def keep(fleet: Fleet, database: Database, entries: list[SiteEntry]) -> None:
    """Commit entries, then put them in place. The caller holds the lock."""
    rows = [state_row(entry) for entry in entries]
    await database.write(lambda db: save_states(db, rows))
    fleet.replace(entries)


def _visible(entry: SiteEntry) -> Any:
    checks_seen = [(check.check, check.device, check.outcome, check.key) for check in entry.judgement.checks]
    report = entry.room.report
    readings = [(d.id, d.state, [(r.key, r.value) for r in d.readings]) for d in report.devices] if report else None
    return (
        entry.verdict,
        entry.boots.cloned_at is None,
        entry.provisioning,
        entry.plan.about_revision,
        checks_seen,
        readings,
    )


def _stored(kind: type[T], raw: bytes | None) -> T:
    """What the server remembers; of a later version that this one cannot read, nothing: it is asked again."""
    try:
        return msgspec.json.decode(raw, type=kind) if raw is not None else kind()
    except msgspec.MsgspecError:
        return kind()


def _read(message: Any, raw: bytes | None) -> Any:
    """A stored message; one that this version cannot read any more is as good as none."""
    if raw is None:
        return None
    try:
        return decode_as(message, raw)
    except WireError:
        return None
