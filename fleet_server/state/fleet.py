"""The newest state of every site, judged. Only `replace` changes it, after the change has been committed."""

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from firmware_profiles.loader import blueprints
from fleet_server.domain.checks import checks
from fleet_server.domain.provisioning import is_provisioned
from fleet_server.domain.readiness import NEVER, Judgement, Plan, Room, Verdict, judge, plan_of
from fleet_server.live.stream import Stream
from fleet_server.store.database import Database
from fleet_server.store.sites import SiteRow, StateRow, all_sites, all_states, save_states
from wire.codec import decode_as
from wire.errors import WireError
from wire.messages import About, Report
from wire.times import Clock


class SiteEntry(Struct, frozen=True, gc=False):
    """One site as the server has it now."""

    site: SiteRow
    room: Room
    plan: Plan
    judgement: Judgement
    verdict: Verdict
    since: float
    provisioned: bool
    about_raw: bytes | None = None
    report_raw: bytes | None = None

    @property
    def is_set_up(self) -> bool:
        """Whether an agent has ever said what the room consists of."""
        return self.room.about is not None


class Fleet:
    """All sites. `lock` is held from looking at entries until their replacement is committed."""

    def __init__(self, database: Database, stream: Stream, clock: Clock) -> None:
        self._database, self._stream, self._clock = database, stream, clock
        self.entries: dict[str, SiteEntry] = {}
        self.lock = asyncio.Lock()
        self.learning_until = 0.0
        self._plans: dict[tuple[str, str | None], Plan] = {}
        self.moved: set[str] = set()
        """Sites that were judged since the timers last looked."""
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
                msgspec.structs.replace(known[row.id], site=row) if row.id in known else self._loaded(row, None)
                for row in changed
            )
            return len(known) < len(changed)

    def judged(self, entry: SiteEntry, room: Room, **raw: bytes) -> SiteEntry:
        """The entry with another room, judged now."""
        now = self.now()
        plan = entry.plan
        if room.about is not entry.room.about:
            plan = self._plan(entry.site.kind, room.about)
        learning = now < self.learning_until and entry.verdict is not Verdict.OFFLINE
        judgement = judge(room, plan, now, learning=learning)
        if learning:
            judgement = msgspec.structs.replace(judgement, changes_at=min(judgement.changes_at, self.learning_until))
        changed = judgement.verdict is not entry.verdict
        return msgspec.structs.replace(
            entry, room=room, plan=plan, judgement=judgement, verdict=judgement.verdict,
            since=now if changed else entry.since,
            provisioned=entry.provisioned if plan is entry.plan else self._provisioned(entry.site.kind, room.about),
            **raw,
        )  # fmt: skip

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
        plan = self._plan(row.kind, room.about)
        blank = SiteEntry(
            row, Room(present=False), plan, Judgement(Verdict.OFFLINE, (), NEVER),
            Verdict(state.verdict) if state else Verdict.OFFLINE, state.since / 1000 if state else self.now(),
            self._provisioned(row.kind, room.about),
            state.about if state else None, state.report if state else None,
        )  # fmt: skip
        return self.judged(msgspec.structs.replace(blank, room=room), room)

    def _plan(self, kind: str, about: About | None) -> Plan:
        key = (kind, about.revision if about else None)
        if key not in self._plans:
            if len(self._plans) > 20_000:
                self._plans.clear()
            blueprint = blueprints().get(kind)
            self._plans[key] = (
                plan_of(blueprint, about, checks()) if blueprint else Plan(self.interval_s, 0, (), key[1])
            )
        return self._plans[key]

    def _provisioned(self, kind: str, about: About | None) -> bool:
        blueprint = blueprints().get(kind)
        return blueprint is not None and is_provisioned(blueprint, about)


def state_row(entry: SiteEntry) -> StateRow:
    """The entry as the database keeps it."""
    received_at = entry.room.received_at
    return StateRow(
        entry.site.id, entry.room.present, entry.about_raw, entry.report_raw,
        round(received_at * 1000) if received_at is not None else None, str(entry.verdict), round(entry.since * 1000),
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
    return entry.verdict, entry.provisioned, entry.plan.about_revision, checks_seen, readings


def _read(message: Any, raw: bytes | None) -> Any:
    """A stored message; one that this version cannot read any more is as good as none."""
    if raw is None:
        return None
    try:
        return decode_as(message, raw)
    except WireError:
        return None
