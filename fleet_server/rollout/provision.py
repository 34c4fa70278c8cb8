"""Sets what is not as wanted: a plan, its steps one by one, each seen in a report, and taken back when one fails."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from datetime import timedelta

from msgspec.structs import replace
from sqlalchemy.exc import SQLAlchemyError

from fleet_server.commands.desk import CommandDesk, Wish
from fleet_server.domain.commands import FINAL, State
from fleet_server.domain.provisioning import Drift, is_same
from fleet_server.errors import Conflict, FleetError, NotFound
from fleet_server.live.stream import Stream
from fleet_server.sessions.desk import SessionDesk
from fleet_server.state.fleet import Fleet, SiteEntry, keep
from fleet_server.store import rollout
from fleet_server.store.database import Database
from fleet_server.store.rollout import RunRow, RunStep
from wire.fields import Params, Value
from wire.ids import uuid7
from wire.times import Clock

log = logging.getLogger("diemcau.provision")

_LOOK_S = 0.25
_SEEN_WITHIN_S = 90.0
"""A setting is in the next report that its device is observed for."""
_MEND_EVERY_S = 5.0
_MEND_AGAIN = timedelta(hours=1)
OURSELVES = "DiemCau"


class ProvisionDesk:
    """One run at a time; few are ever asked for at once, and each is short."""

    def __init__(
        self, database: Database, fleet: Fleet, commands: CommandDesk, sessions: SessionDesk, stream: Stream,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._database, self._fleet, self._commands, self._sessions = database, fleet, commands, sessions
        self._stream, self._clock = stream, clock
        self._waiting: deque[RunRow] = deque()
        self._asked = asyncio.Event()
        self._asking = asyncio.Lock()
        self._mended_at: dict[str, float] = {}

    async def load(self) -> None:
        """What ran when the last server ended is interrupted, and says so."""
        now = self._clock.now()
        await self._database.write(lambda db: rollout.interrupt_runs(db, now))

    def plan(self, site: str) -> tuple[list[RunStep], list[Drift]]:
        """What would be set, and what only a person can set. Raises NotFound."""
        entry = self._entry(site)
        drifts = entry.provisioning.drifts
        return _steps(entry, drifts), [drift for drift in drifts if not _settable(entry, drift)]

    async def ask(self, site: str, by: str) -> RunRow:
        """Begin to set what differs. Raises NotFound, or Conflict when there is nothing to set or a run goes on."""
        entry = self._entry(site)
        steps = _steps(entry, entry.provisioning.drifts)
        if not steps:
            raise Conflict("rollout.nothing_to_set")
        async with self._asking:
            newest = await self.newest(site)
            if newest is not None and newest.state == "running":
                raise Conflict("rollout.already_runs")
            return await self._begin(site, steps, by)

    async def newest(self, site: str) -> RunRow | None:
        """The last run of a site."""
        return await self._database.read(lambda db: rollout.newest_run(db, site))

    async def find(self, run: str) -> RunRow:
        """A run by its id. Raises NotFound."""
        found = await self._database.read(lambda db: rollout.find_run(db, run))
        if found is None:
            raise NotFound("rollout.no_run", run=run)
        return found

    async def run(self) -> None:
        """Carry out what is asked for, for ever."""
        while True:
            while self._waiting:
                run = self._waiting.popleft()
                try:
                    await self._carry_out(run)
                except (SQLAlchemyError, NotFound) as error:  # of the database, or the site was closed meanwhile
                    log.error("provisioning_not_kept id=%s error=%s", run.id, type(error).__name__)
                    await self._give_up(run.id)
            self._asked.clear()
            if not self._waiting:
                await self._asked.wait()

    async def mend(self) -> None:
        """Set by itself what a profile says may be, outside sessions and the hour before them, once an hour at most."""
        while True:
            await asyncio.sleep(_MEND_EVERY_S)
            differing = [(site, entry) for site, entry in self._fleet.entries.items() if entry.kept.drift_since]
            for site, entry in differing:
                wanted = [drift for drift in entry.provisioning.drifts if drift.differs == "mend"]
                steps = _steps(entry, wanted)
                if steps and entry.room.present and self._may_mend(site):
                    self._mended_at[site] = self._clock.monotonic()
                    try:
                        await self._begin(site, steps, OURSELVES)
                    except SQLAlchemyError as error:
                        log.error("mending_not_kept site=%s error=%s", site, type(error).__name__)

    def _may_mend(self, site: str) -> bool:
        last_s = self._mended_at.get(site)
        if last_s is not None and self._clock.monotonic() - last_s < _MEND_AGAIN.total_seconds():
            return False
        return not self._is_soon_in_session(site)

    def _is_soon_in_session(self, site: str) -> bool:
        return self._sessions.is_near(site)

    async def _begin(self, site: str, steps: list[RunStep], by: str) -> RunRow:
        run = RunRow(uuid7(), site, by, self._clock.now(), None, "running", tuple(steps))
        await self._save(run)
        self._waiting.append(run)
        self._asked.set()
        return run

    async def _give_up(self, run: str) -> None:
        """What nobody could write down is interrupted, as soon as that can be written down."""
        while True:
            try:
                known = await self.find(run)
                await self._save(replace(known, state="interrupted", ended_at=self._clock.now()))
            except SQLAlchemyError:
                await asyncio.sleep(_MEND_EVERY_S)
            else:
                return

    async def _carry_out(self, run: RunRow) -> None:
        steps = list(run.steps)
        for number, step in enumerate(steps):
            if run.by == OURSELVES and self._is_soon_in_session(run.site):
                run = replace(run, state="interrupted")
                break
            steps[number] = await self._set(run, step)
            run = replace(run, steps=tuple(steps))
            await self._save(run)
            if steps[number].state != "verified":
                run = await self._roll_back(run, number)
                break
        if run.state == "running":
            run = replace(run, state="done")
            await self._remember(run.site)
        log.info("provisioning_ended id=%s site=%s state=%s", run.id, run.site, run.state)
        await self._save(replace(run, ended_at=self._clock.now()))

    async def _set(self, run: RunRow, step: RunStep) -> RunStep:
        entry = self._entry(run.site)
        drift = next((d for d in entry.provisioning.drifts if (d.device, d.key) == (step.device, step.key)), None)
        if drift is None:
            return replace(step, state="verified", detail="as_wanted")
        command, detail = await self._command(run, step, step.wanted)
        if detail:
            return replace(step, state="failed", command=command, detail=detail)
        if not await self._is_seen(run.site, step, step.wanted):
            return replace(step, state="failed", command=command, detail="not_seen")
        return replace(step, state="verified", command=command)

    async def _roll_back(self, run: RunRow, failed: int) -> RunRow:
        """What this run has set, or may have set, gets the value that it had."""
        steps, all_back = list(run.steps), True
        for number in reversed(range(failed + 1)):
            step = steps[number]
            is_set = step.state == "verified" or step.detail == "not_seen"
            if is_set and step.command is not None:
                _, detail = await self._command(run, step, step.found)
                back = not detail and await self._is_seen(run.site, step, step.found)
                steps[number] = replace(step, state="rolled_back" if back else "not_rolled_back")
                all_back = all_back and back
        undone = all_back and any(step.state == "rolled_back" for step in steps)
        return replace(run, steps=tuple(steps), state="rolled_back" if undone else "failed")

    async def _command(self, run: RunRow, step: RunStep, value: Value) -> tuple[str | None, str]:
        """Ask, wait for the end; the command, and why it failed."""
        entry = self._entry(run.site)
        params = _params(entry, step, value)
        if params is None:
            return None, "cannot_be_set"
        try:
            row = await self._commands.request(
                run.site, step.device, Wish(step.action, params, "provisioning"), by=run.by, origin="", key=None
            )
            while (row := await self._commands.find(row.id)).state not in FINAL:
                await asyncio.sleep(_LOOK_S)
        except FleetError as error:
            return None, error.key
        if row.state is State.SUCCEEDED:
            return row.id, ""
        steps = await self._commands.steps(row.id)
        return row.id, steps[-1].detail if steps else str(row.state)

    async def _is_seen(self, site: str, step: RunStep, value: Value) -> bool:
        until_s = self._clock.monotonic() + _SEEN_WITHIN_S
        while self._clock.monotonic() < until_s:
            report = self._entry(site).room.report
            for device in report.devices if report is not None else ():
                if device.id == step.device and any(
                    reading.key == step.key and is_same(value, reading.value) for reading in device.readings
                ):
                    return True
            await asyncio.sleep(_LOOK_S)
        return False

    async def _remember(self, site: str) -> None:
        async with self._fleet.lock:
            entry = self._entry(site)
            changed = self._fleet.with_kept(entry, replace(entry.kept, applied_at=self._fleet.now()))
            await keep(self._fleet, self._database, [changed])

    async def _save(self, run: RunRow) -> None:
        await self._database.write(lambda db: rollout.save_run(db, run))
        self._stream.publish("rollout", run.site)

    def _entry(self, site: str) -> SiteEntry:
        entry = self._fleet.entries.get(site)
        if entry is None:
            raise NotFound("sites.not_found", site=site)
        return entry


def _settable(entry: SiteEntry, drift: Drift) -> bool:
    """Whether the device offers, now, the action that sets it."""
    if drift.set_by is None:
        return False
    fit = next((fit for fit in entry.fits if fit.about.id == drift.device), None)
    return fit is not None and any(spec.action == drift.set_by.action for spec in fit.actions)


def _steps(entry: SiteEntry, drifts: Iterable[Drift]) -> list[RunStep]:
    return [
        RunStep(drift.device, drift.key, drift.wanted, drift.found, drift.set_by.action)
        for drift in drifts
        if drift.set_by is not None and drift.found is not None and _settable(entry, drift)
    ]


def _params(entry: SiteEntry, step: RunStep, value: Value) -> Params | None:
    """Parameters that set a value; None where the action can set only what the profile wants."""
    fit = next((fit for fit in entry.fits if fit.about.id == step.device), None)
    setting = fit.profile.settings.get(step.key) if fit is not None and fit.profile is not None else None
    if setting is None or setting.set_by is None:
        return None
    if setting.set_by.param is None:
        return dict(setting.set_by.params) if value == setting.wanted else None
    return {**setting.set_by.params, setting.set_by.param: value}
