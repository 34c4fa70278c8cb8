"""A month of a thousand sessions with 167 sites each: the planning page, one gate, one minute, on one core.

Each is put beside its limit: 300 ms, 200 ms and 3 s.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from bench.figure import Figure
from fleet_server.config import Office
from fleet_server.domain.sessions import Needs, Session
from fleet_server.minutes.content import minute_of
from fleet_server.minutes.document import document_of
from fleet_server.store import sessions
from tests.counterparts.centre_without_wires import CentreWithoutWires
from wire.ids import uuid7

_SESSIONS, _ROOMS = 1_000, 166
_LIMITS_MS = {"sessions.planning": 300.0, "sessions.gate": 200.0, "sessions.minute": 3_000.0}


def measure() -> Iterator[Figure]:
    """The median of five, and its part of the limit."""
    with tempfile.TemporaryDirectory() as folder:
        for name, took_ms in asyncio.run(_all(Path(folder))).items():
            yield Figure(name, took_ms, "ms", "limit", _LIMITS_MS[name])


async def _all(folder: Path) -> dict[str, float]:
    sites = {"hub": "hub", **{f"38-{number:04}": "commune" for number in range(_ROOMS)}}
    centre = CentreWithoutWires(folder, sites)
    await centre.start()
    for site in sites:
        await centre.report(site)
        await centre.confirmations.confirm_duty(site, "Nguyễn Thị Hường", "0912 345 678")
    first = await centre.plan(tuple(sites), needs=Needs(room_mbit_s=0.1), stages_min=())
    await centre.gates.decide(first, "go", "bench", "", [])
    await centre.database.write(lambda db: [sessions.add(db, each) for each in _month(first)])
    await centre.sessions.load()

    async def planning() -> None:
        """What the page asks: the newest, and what a new one of all sites would clash with."""
        await centre.sessions.newest()
        centre.sessions.clashes(first)

    async def gate() -> None:
        await centre.gates.gate(first)

    async def minute() -> None:
        content = await centre.database.read(lambda db: minute_of(db, first))
        document_of(content, Office(), 1, centre.clock.now(), ZoneInfo("Asia/Ho_Chi_Minh"), "https://example.vn/m/1")

    found = {
        "sessions.planning": await _median_ms(planning), "sessions.gate": await _median_ms(gate),
        "sessions.minute": await _median_ms(minute),
    }  # fmt: skip
    centre.close()
    return found


def _month(first: Session) -> list[Session]:
    step = timedelta(minutes=43)
    return [
        replace(first, id=uuid7(), starts_at=first.starts_at + step * nr, ends_at=first.ends_at + step * nr)
        for nr in range(1, _SESSIONS)
    ]


async def _median_ms(work: Callable[[], Awaitable[None]]) -> float:
    times = []
    for _ in range(5):
        began_s = time.perf_counter()
        await work()
        times.append(time.perf_counter() - began_s)
    return round(sorted(times)[2] * 1_000, 1)
