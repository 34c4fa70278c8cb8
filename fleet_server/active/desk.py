"""Makes devices act for a check. Each act of a stage is asked for once, whatever happens to the server meanwhile."""

import logging
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from fleet_server.commands.desk import CommandDesk, Wish
from fleet_server.domain.acts import LINE, acts_of, heard
from fleet_server.domain.commands import FINAL, State
from fleet_server.domain.line_tests import LineTestState
from fleet_server.domain.sessions import Session
from fleet_server.errors import Conflict, FleetError
from fleet_server.line_tests.desk import LineTestDesk
from fleet_server.sessions.desk import SessionDesk
from fleet_server.state.fleet import Fleet
from fleet_server.store.commands import CommandRow
from fleet_server.store.database import millis
from fleet_server.store.stages import StageRow
from wire.times import Clock

log = logging.getLogger("diemcau.active")

OURSELVES = "DiemCau"
_MICROPHONE = "measure_level"
_AGAIN = timedelta(seconds=10)
_OPEN = (LineTestState.WAITING, LineTestState.RUNNING)


class Level(Struct, frozen=True):
    """What a microphone heard."""

    at: datetime
    said: Literal["well", "faint", "silent", "listening", "failed"]
    peak_dbfs: float | None = None


class ActiveDesk:
    """Asks through the desks of commands and line tests; what they refuse is not done."""

    def __init__(
        self, fleet: Fleet, commands: CommandDesk, line_tests: LineTestDesk, sessions: SessionDesk, clock: Clock
    ) -> None:
        self._fleet, self._commands, self._line_tests = fleet, commands, line_tests
        self._sessions, self._clock = sessions, clock

    async def carry_out(self, session: Session, row: StageRow) -> bool:
        """Ask for whatever the stage wants and nobody has asked for yet; whether all of it has come to its end."""
        outstanding = False
        lines = []
        for site in session.sites:
            entry = self._fleet.entries.get(site)
            if entry is None or not entry.room.present or self._sessions.is_live(site):
                continue
            for device, action in acts_of(row.stage.minutes_before, entry.fits):
                if action == LINE:
                    lines.append(site)
                elif (asked := await self._ask(session, row, site, device, action)) is not None:
                    outstanding |= asked.state not in FINAL
        return not (await self._test_lines(lines, row) or outstanding)

    async def listen(self, site: str, by: str) -> CommandRow:
        """Have the room's microphone listen for two seconds while somebody speaks. Raises Conflict where none can."""
        entry = self._fleet.entries.get(site)
        able = next(
            (fit.about.id for fit in entry.fits if any(spec.action == _MICROPHONE for spec in fit.actions)), None
        ) if entry is not None else None  # fmt: skip
        if able is None:
            raise Conflict("duty.no_microphone")
        # Who presses twice is heard once.
        moment = millis(self._clock.now()) // round(_AGAIN / timedelta(milliseconds=1))
        return await self._commands.request(
            site, able, Wish(_MICROPHONE, {}, "duty", by_centre=True), by=by, origin="", key=f"listen:{site}:{moment}"
        )

    async def heard(self, site: str) -> Level | None:
        """What the room's microphone last heard, or why it did not."""
        row = next((row for row in await self._commands.of_site(site, 20) if row.action == _MICROPHONE), None)
        if row is None:
            return None
        steps = await self._commands.steps(row.id) if row.state in FINAL else []
        peak = steps[-1].params.get("peak_dbfs") if steps else None
        if row.state is State.SUCCEEDED and isinstance(peak, float | int):
            return Level(row.requested_at, heard(peak), float(peak))
        return Level(row.requested_at, "listening" if row.state not in FINAL else "failed")

    async def _ask(self, session: Session, row: StageRow, site: str, device: str, action: str) -> CommandRow | None:
        key = f"stage:{session.id}:{row.stage.minutes_before}:{millis(row.stage.due_at)}:{site}:{device}:{action}"
        try:
            return await self._commands.request(
                site, device, Wish(action, {}, "stage", by_centre=True), by=OURSELVES, origin="", key=key
            )
        except FleetError as error:
            log.info("act_refused site=%s device=%s action=%s reason=%s", site, device, action, error.key)
            return None

    async def _test_lines(self, sites: list[str], row: StageRow) -> bool:
        """Whether a test of these lines is still to come to its end."""
        newest = {site: await self._line_tests.newest_of_site(site) for site in sites}
        unasked = [site for site, test in newest.items() if test is None or test.asked_at < row.began_at]
        if unasked:
            await self._line_tests.ask(unasked, OURSELVES)
        return bool(unasked) or any(test is not None and test.state in _OPEN for test in newest.values())
