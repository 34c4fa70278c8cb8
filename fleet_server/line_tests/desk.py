"""Line tests: asked by people, begun when there is room for them, followed to their end."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from fleet_server.commands.desk import CommandDesk, Wish
from fleet_server.domain.commands import FINAL, State
from fleet_server.domain.line_tests import (
    LineTest,
    LineTestState,
    admitted,
    must_yield,
    rate_of,
    turn_of,
)
from fleet_server.errors import FleetError, Invalid, NotFound
from fleet_server.failing import Failing
from fleet_server.line_tests.tickets import Tickets
from fleet_server.live.stream import Stream
from fleet_server.state.fleet import Fleet
from fleet_server.state.hub_line import hub_mbit_s
from fleet_server.store import line_tests
from fleet_server.store.commands import CommandRow
from fleet_server.store.database import Database
from wire.fields import Params
from wire.ids import uuid7
from wire.times import Clock

log = logging.getLogger("diemcau.line_tests")

_LOOK_EVERY_S = 0.25
_ACCEPT_WITHIN_S = 15.0
"""A room that has not said by then that it begins is away: its part of the line goes to the next."""
_END_WITHIN_S = 30.0
"""Beside the seconds of both streams."""
_UNHEARD = frozenset({State.REQUESTED, State.SENT})
_ACTION = "measure_bandwidth"
_ROLE = "line"


class LineTestDesk:
    """One queue for the whole fleet. What waits and runs is in the database, so that a restart forgets nothing."""

    def __init__(
        self, database: Database, fleet: Fleet, commands: CommandDesk, stream: Stream, clock: Clock,
        is_any_live: Callable[[], bool], share: float, seconds: float,
    ) -> None:  # fmt: skip
        self._database, self._fleet, self._commands, self._clock = database, fleet, commands, clock
        self._stream, self._is_any_live, self._seconds = stream, is_any_live, seconds
        self._share = share
        self.tickets = Tickets(self.share_mbit_s, clock)
        self._open: list[LineTest] = []
        self._lock = asyncio.Lock()
        self._begun_s: dict[str, float] = {}

    @property
    def share_mbit_s(self) -> float:
        """What all tests together may take of each way."""
        return self._share * hub_mbit_s(self._fleet)

    async def load(self) -> None:
        """Take what waits from the database. What ran has lost its ticket and waits again."""
        for test in await self._database.read(line_tests.not_ended):
            await self._save(replace(test, state=LineTestState.WAITING, command=None, started_at=None))

    async def ask(self, sites: Sequence[str], by: str) -> list[LineTest]:
        """New tests; a site that has one waiting or running keeps that, and its turn if it is asked for alone.

        Raises NotFound or Invalid.
        """
        wanted = tuple(dict.fromkeys(sites))
        if not wanted:
            raise Invalid("line_tests.no_sites")
        for site in wanted:
            if site not in self._fleet.entries:
                raise NotFound("sites.not_found", site=site)
        async with self._lock:  # nothing begins, and nobody else asks, between looking and writing
            known = {test.site: test for test in self._open}
            now, one = self._clock.now(), len(wanted) == 1
            fresh = [site for site in wanted if site not in known]
            ids = sorted(uuid7() for _ in fresh)  # their order is the order of the queue, here and after a restart
            new = [LineTest(id, site, by, now, one) for id, site in zip(ids, fresh, strict=True)]
            await self._database.write(lambda db: line_tests.add(db, new))
            self._open += new
            known |= {test.site: test for test in new}
            if one and (test := known[wanted[0]]).state is LineTestState.WAITING and not test.one_room:
                known[test.site] = replace(test, one_room=True)
                await self._save(known[test.site])
            return [known[site] for site in wanted]

    async def find(self, test: str) -> LineTest:
        """A test by its id. Raises NotFound."""
        found = await self._database.read(lambda db: line_tests.find(db, test))
        if found is None:
            raise NotFound("line_tests.not_found", test=test)
        return found

    async def newest_of_site(self, site: str) -> LineTest | None:
        """The last one that was asked of a site."""
        return await self._database.read(lambda db: line_tests.newest_of_site(db, site))

    def turn(self, test: LineTest) -> int:
        """Its place among those that wait."""
        return turn_of(test, self._waiting())

    async def run(self) -> None:
        """Admit, follow and cut, for ever."""
        failing = Failing(log, "line_tests_failing")
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            with failing:
                async with self._lock:
                    await self._look()

    async def _look(self) -> None:
        if not self._open:
            return
        for test in [test for test in self._open if test.site not in self._fleet.entries]:
            await self._end(test, LineTestState.FAILED, "no_line_device")  # it was closed meanwhile
        self._follow_the_hub()
        live = self._is_any_live()
        for test in [test for test in self._open if test.state is LineTestState.RUNNING]:
            await self._follow(test, live)
        waiting = self._waiting()
        if not waiting:
            return
        share_mbit_s = self.share_mbit_s
        running = [self._rate(test, share_mbit_s) for test in self._open if test.state is LineTestState.RUNNING]
        rates = [self._rate(test, share_mbit_s) for test in waiting]
        for test in admitted(waiting, running, rates, share_mbit_s, live):
            await self._begin(test)

    def _follow_the_hub(self) -> None:
        """Its line may be corrected while we run."""
        share_mbit_s = self.share_mbit_s
        if share_mbit_s != self.tickets.down.mbit_s:
            self.tickets.down.limit(share_mbit_s)
            self.tickets.up.limit(share_mbit_s)

    async def _begin(self, test: LineTest) -> None:
        entry = self._fleet.entries.get(test.site)
        about = entry.room.about if entry is not None else None
        devices = [device for device in about.devices if device.role == _ROLE] if about is not None else []
        able = next((d for d in devices if any(spec.action == _ACTION for spec in d.actions)), None)
        if able is None:
            await self._end(test, LineTestState.FAILED, "no_line_device")
            return
        ticket = self.tickets.issue(test.id, self._rate(test, self.share_mbit_s), self._seconds)
        wish = Wish(_ACTION, {"ticket": ticket.secret}, "line test", test.one_room, by_centre=True)
        try:
            row = await self._commands.request(test.site, able.id, wish, by=test.by, origin="", key=None)
        except FleetError as error:
            await self._end(test, LineTestState.FAILED, error.key)
            return
        self._begun_s[test.id] = self._clock.monotonic()
        log.info("line_test_begun id=%s site=%s mbit_s=%.1f", test.id, test.site, ticket.mbit_s)
        await self._save(replace(test, state=LineTestState.RUNNING, command=row.id, started_at=self._clock.now()))

    async def _follow(self, test: LineTest, live: bool) -> None:
        if must_yield(test, live):
            await self._end(test, LineTestState.CUT, "cut")
            return
        assert test.command is not None
        row = await self._commands.find(test.command)
        if row.state not in FINAL:
            if self._has_waited_s(test) > (_ACCEPT_WITHIN_S if row.state in _UNHEARD else self._longest_s):
                await self._end(test, LineTestState.FAILED, "no_answer")
            return
        result = await self._result(row)
        if row.state is State.SUCCEEDED:
            done = replace(
                test, down_mbit_s=_number(result, "down_mbit_s"), up_mbit_s=_number(result, "up_mbit_s"),
                method=str(result.get("method", ""))[:16],
            )  # fmt: skip
            await self._end(done, LineTestState.DONE, "")
        else:
            await self._end(test, LineTestState.FAILED, "no_result")

    async def _result(self, row: CommandRow) -> Params:
        steps = await self._commands.steps(row.id)
        return steps[-1].params if steps else {}

    async def _end(self, test: LineTest, state: LineTestState, detail: str) -> None:
        self.tickets.withdraw(test.id)
        self._begun_s.pop(test.id, None)
        await self._save(replace(test, state=state, detail=detail, ended_at=self._clock.now()))
        log.info("line_test_ended id=%s site=%s state=%s", test.id, test.site, state)

    async def _save(self, test: LineTest) -> None:
        await self._database.write(lambda db: line_tests.save(db, test))
        self._open = [known for known in self._open if known.id != test.id]
        if test.ended_at is None:
            self._open = sorted([*self._open, test], key=lambda known: known.id)
        self._stream.publish("line_test", test.site, id=test.id, state=str(test.state))

    def _has_waited_s(self, test: LineTest) -> float:
        now_s = self._clock.monotonic()
        return now_s - self._begun_s.get(test.id, now_s)

    @property
    def _longest_s(self) -> float:
        return 2 * self._seconds + _END_WITHIN_S

    def _waiting(self) -> list[LineTest]:
        return [test for test in self._open if test.state is LineTestState.WAITING]

    def _rate(self, test: LineTest, share_mbit_s: float) -> float:
        entry = self._fleet.entries.get(test.site)
        ways = (entry.site.line_down_mbit_s, entry.site.line_up_mbit_s) if entry is not None else ()
        contract = max((rate for rate in ways if rate), default=None)
        return rate_of(contract, share_mbit_s)


def _number(params: Params, name: str) -> float | None:
    value = params.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
