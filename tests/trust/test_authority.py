"""The authority that issues the rooms' certificates gives way to the next, and no room is locked out."""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from demo.processes import Processes
from fleet_server.assembly import running
from fleet_server.config import Settings, url_of
from tests.counterparts.databases import url_in
from tests.counterparts.guarded import GuardedFleet, rows_of
from tests.counterparts.waiting import wait_for


def asked_of(files: list[Path]) -> list[dict[str, Any]]:
    """What the processes full of agents say of themselves."""
    return [json.loads(file.read_text()) for file in files if file.exists()]


@pytest.mark.timeout(200)
def test_five_hundred_rooms_follow_two_authorities_and_none_is_away_for_half_a_minute(
    processes: Processes, tmp_path: Path
) -> None:
    """paho waits by select, which ends at 1,024 sockets and files: a process holds 125 agents."""
    count, hosts = 500, 4
    sites = [f"f-{number:03}" for number in range(count)]
    fleet = GuardedFleet(processes, tmp_path / "server", rows_of(sites), spread_s=10.0)
    homes = {site: tmp_path / "rooms" / site for site in sites}
    fleet.furnish(homes)
    fleet.start()
    says = [tmp_path / f"agents-{number}.json" for number in range(hosts)]
    program = [sys.executable, "-m", "tests.counterparts.light_agents", "--says"]
    children = [
        processes.start(f"agents-{n}", [*program, str(says[n]), *map(str, list(homes.values())[n::hosts])])
        for n in range(hosts)
    ]

    def everybody(authority: str) -> bool:
        assert all(child.poll() is None for child in children) and fleet.child is not None
        assert fleet.child.poll() is None, f"the server has ended: {fleet.server_says()[-200:]}"
        return sum(said["authorities"].get(authority, 0) for said in asked_of(says)) == count

    try:
        wait_for(lambda: sum(said["connected"] for said in asked_of(says)) == count, 60, "not all are connected")
        took = []
        for _ in range(2):
            began_s = time.monotonic()
            fleet.cli("authority", "rotate")
            newest = fleet.authority.issuing_name
            wait_for(lambda newest=newest: everybody(newest), 60, f"not all have one of {newest}")  # type: ignore[misc]
            took.append(time.monotonic() - began_s)
        assert newest == "rooms-3"
        wait_for(lambda: sum(said["connected"] for said in asked_of(says)) == count, 30, "not all are back")
        longest_s = max(said["longest_away_s"] for said in asked_of(says))
        comings = sum(said["comings"] for said in asked_of(says))
        print(f"500 agents, two rotations of {took[0]:.1f} and {took[1]:.1f} s: away {longest_s:.2f} s at most")
        assert longest_s <= 30
        assert comings == count * 3, "some were disconnected without need"
        assert fleet.client.get("/intake").json()["not_taken"] == {}
    finally:
        fleet.close()


def test_a_room_that_was_away_during_a_rotation_comes_back_and_follows(
    processes: Processes, tmp_path: Path, light: Any
) -> None:
    fleet = GuardedFleet(processes, tmp_path / "server", rows_of(["f-1"]))
    fleet.furnish({"f-1": tmp_path / "home"})
    fleet.start()
    try:
        fleet.cli("authority", "rotate")
        room = light(tmp_path / "home")
        wait_for(lambda: room.authority == "rooms-2", 30, "it does not follow")
        assert room.keeper.identity.authorities == fleet.authority.trusted_by_rooms
    finally:
        fleet.close()


def test_two_rotations_in_a_hurry_lock_nobody_out(processes: Processes, tmp_path: Path, light: Any) -> None:
    """Somebody types the command twice, or before all rooms have followed: the second must be refused."""
    fleet = GuardedFleet(processes, tmp_path / "server", rows_of(["f-1"]), spread_s=3_600.0)
    fleet.furnish({"f-1": tmp_path / "home"})
    fleet.start()
    room = light(tmp_path / "home")
    try:
        wait_for(lambda: room.link.is_connected, 15)
        fleet.cli("authority", "rotate")
        again = fleet.cli("authority", "rotate", check=False)
        room.link.reconnect()
        wait_for(lambda: len(room.changes) >= 3, 15, f"it is locked out; the command ended with {again.returncode}")
    finally:
        fleet.close()


class LateClock:
    """Our clock, so many days later."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead.total_seconds()


def test_the_brokers_certificate_is_renewed_by_a_server_that_runs_for_a_year(
    processes: Processes, tmp_path: Path
) -> None:
    """It lives 397 days; a server may run longer, and a room that finds an old one goes away."""
    clock = LateClock()
    fleet = GuardedFleet(processes, tmp_path / "server")  # its folder and its sites; it is not started
    url = url_of(url_in(fleet.folder), {})
    settings = Settings(fleet.folder, broker_port=fleet.inner_port, broker_tls=True, database_url=url)

    async def a_year() -> timedelta:
        async with running(settings, clock) as server:
            await server.identities.revoke("38-1", "somebody", "lost")
            clock.ahead = timedelta(days=390)
            await server.identities.revoke("38-2", "somebody", "lost")
            made = x509.load_pem_x509_certificate((settings.broker_folder / "broker.pem").read_bytes())
            return made.not_valid_after_utc - clock.now()

    assert asyncio.run(a_year()) > timedelta(days=60)
    fleet.close()
