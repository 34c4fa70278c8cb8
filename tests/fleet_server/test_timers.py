"""Rooms whose verdict changes by time alone."""

import asyncio
from pathlib import Path

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
