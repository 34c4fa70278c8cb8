"""Rooms whose verdict changes by time alone."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fleet_server.domain.readiness import Verdict
from fleet_server.state.timers import Timers
from tests.counterparts.centre_without_wires import CentreWithoutWires


def test_a_site_that_is_closed_before_its_moment_comes_holds_nobody_up(tmp_path: Path) -> None:
    centre = CentreWithoutWires(tmp_path, {"hub": "hub", "r0": "commune", "r1": "commune"})

    async def story() -> None:
        await centre.start()
        timers = asyncio.create_task(Timers(centre.fleet, centre.database).run())
        for site in centre.sites:
            await centre.report(site)
        for _ in range(10):
            await asyncio.sleep(0)  # its moment is noted
        async with centre.fleet.lock:
            centre.fleet.drop("r0")
        centre.clock.pass_by(3_600)
        centre.fleet.timer_moved.set()
        async with asyncio.timeout(20):
            while centre.fleet.entries["r1"].verdict is not Verdict.OFFLINE:
                assert not timers.done(), timers
                await asyncio.sleep(0.01)
        timers.cancel()

    asyncio.run(story())
    centre.close()


@pytest.mark.sqlite_file
def test_a_moment_at_which_nothing_could_be_written_is_made_good(tmp_path: Path) -> None:
    centre = CentreWithoutWires(tmp_path, {"hub": "hub", "r1": "commune"})

    async def story() -> None:
        await centre.start()
        timers = asyncio.create_task(Timers(centre.fleet, centre.database).run())
        for site in centre.sites:
            await centre.report(site)
        for _ in range(10):
            await asyncio.sleep(0)
        with closing(sqlite3.connect(tmp_path / "fleet.db", isolation_level=None)) as somebody:
            somebody.execute("BEGIN IMMEDIATE")
            centre.clock.pass_by(3_600)
            centre.fleet.timer_moved.set()
            await asyncio.sleep(6)  # longer than a writer waits for its turn: that is the condition
            assert centre.fleet.entries["r1"].verdict is not Verdict.OFFLINE
            somebody.execute("ROLLBACK")
        async with asyncio.timeout(20):
            while centre.fleet.entries["r1"].verdict is not Verdict.OFFLINE:
                assert not timers.done(), timers
                await asyncio.sleep(0.01)
        timers.cancel()

    asyncio.run(story())
    centre.close()
