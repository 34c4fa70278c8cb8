"""Rooms whose verdict changes by time alone."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from fleet_server.domain.readiness import Verdict
from fleet_server.state.timers import Timers
from tests.counterparts.centre_without_wires import CentreWithoutWires


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[CentreWithoutWires]:
    made = CentreWithoutWires(tmp_path, {"hub": "hub", "r0": "commune", "r1": "commune"})
    yield made
    made.close()


@asynccontextmanager
async def at_work(centre: CentreWithoutWires) -> AsyncIterator[Callable[[Callable[[], bool]], "asyncio.Future[None]"]]:
    """Its timers, which know when each site is due; gives what waits for a condition while they work."""
    await centre.start()
    timers = asyncio.create_task(Timers(centre.fleet, centre.database).run())
    for site in centre.sites:
        await centre.report(site)
    for _ in range(10):
        await asyncio.sleep(0)  # its moment is noted

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                assert not timers.done(), timers
                await asyncio.sleep(0.01)

    yield lambda condition: asyncio.ensure_future(until(condition))
    timers.cancel()


def an_hour_passes(centre: CentreWithoutWires) -> None:
    centre.clock.pass_by(3_600)
    centre.fleet.timer_moved.set()


def is_offline(centre: CentreWithoutWires) -> bool:
    return centre.fleet.entries["r1"].verdict is Verdict.OFFLINE


def verdict_in(file: sqlite3.Connection) -> str:
    """As it is written down."""
    return str(file.execute("SELECT verdict FROM site_state WHERE site = 'r1'").fetchone()[0])


def test_a_site_that_is_closed_before_its_moment_comes_holds_nobody_up(centre: CentreWithoutWires) -> None:
    async def story() -> None:
        async with at_work(centre) as until:
            async with centre.fleet.lock:
                centre.fleet.drop("r0")
            an_hour_passes(centre)
            await until(lambda: is_offline(centre))

    asyncio.run(story())


@pytest.mark.sqlite_file
def test_a_moment_at_which_nothing_could_be_written_is_made_good(
    centre: CentreWithoutWires, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with at_work(centre) as until:
            with closing(sqlite3.connect(tmp_path / "fleet.db", isolation_level=None)) as somebody:
                somebody.execute("BEGIN IMMEDIATE")
                an_hour_passes(centre)
                await until(lambda: "verdicts_not_kept" in caplog.text)
                assert is_offline(centre), "nobody is shown a room as ready of which nothing was heard"
                assert verdict_in(somebody) != "offline"
                somebody.execute("ROLLBACK")
                await until(lambda: verdict_in(somebody) == "offline")
        assert caplog.text.count("verdicts_not_kept error") == 1, "and it is said once"

    asyncio.run(story())
