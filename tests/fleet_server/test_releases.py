"""The centre's side of releases: only what is signed is kept, a ticket opens one bundle for one room, in its turn."""

import asyncio
import hashlib
import time
from pathlib import Path

import pytest

from fleet_server.campaigns.hub_line import HubLine
from fleet_server.campaigns.paced import paced
from fleet_server.campaigns.releases import ReleaseCampaigns
from fleet_server.campaigns.shelf import Shelf
from fleet_server.domain.waves import State
from fleet_server.errors import BadFile, Conflict, FleetError, Invalid, NotFound
from fleet_server.store import logs
from release import build
from tests.counterparts.centre_without_wires import CentreWithoutWires
from wire.messages import EventEntry, LogBatch

SITES = {"hub": "hub", **{f"r{nr}": "commune" for nr in range(7)}}
LINE = HubLine(lambda: 30.0, lambda: False)
LEARNS_S = 20
"""A server that has just started does not take who has yet to report for away."""


class Rig:
    """A centre with one release on its shelf."""

    def __init__(self, folder: Path) -> None:
        self.centre = CentreWithoutWires(folder, SITES)
        build.new_key(folder / "province.key")
        self.bundle = folder / "0.2.0.tar"
        build.write_bundle(self.bundle, {"room.txt": b"x" * 100_000}, "0.2.0", folder / "province.key")
        self.shelf = Shelf(folder / "releases", folder / "province.key.pub")
        self._n: dict[str, int] = {}

    async def start(self) -> None:
        await self.centre.start()
        self.centre.clock.pass_by(LEARNS_S)
        for site in SITES:
            await self.centre.report(site)
            await self.centre.set_up(site)
        await self.again()

    async def again(self) -> None:
        """As a restart of the server does."""
        self.desk = ReleaseCampaigns(
            self.centre.database, self.centre.fleet, self.centre.sessions, self.centre.stream, self.centre.clock,
            b"k" * 32, "https://diemcau.vn", lambda: self.centre.connected, LINE, self.shelf,
        )  # fmt: skip
        await self.desk.load()

    async def says(self, site: str, event: str, **params: str) -> None:
        """An entry of a room's log."""
        n = self._n[site] = self._n.get(site, 0) + 1
        now = self.centre.clock.now()
        entry = EventEntry(n=n, at=now, event=event, params={"version": "0.2.0", **params})
        batch = LogBatch(f"{site:0>36}", (entry,), n)
        received = round(now.timestamp() * 1_000)
        await self.centre.database.write(lambda db: logs.commit(db, site, batch, received))

    async def pass_by(self, seconds: int) -> None:
        self.centre.clock.pass_by(seconds)
        for site in SITES:
            await self.centre.report(site)
        await self.desk.look()

    def steps(self) -> dict[str, str]:
        assert self.desk.current is not None
        return {room.site: str(room.step) for room in self.desk.current.rooms}


@pytest.fixture
def rig(tmp_path: Path, any_database: str) -> Rig:
    return Rig(tmp_path)


def test_a_campaign_goes_on_over_a_restart_and_stops_where_a_room_went_back(rig: Rig) -> None:
    async def story() -> None:
        await rig.start()
        with pytest.raises(NotFound):
            await rig.desk.begin("0.2.0", 2_000, "An")
        rig.shelf.add(rig.bundle)
        with pytest.raises(Invalid):
            await rig.desk.begin("0.2.0", 1, "An")
        await rig.desk.begin("0.2.0", 2_000, "An", canary="r3")
        with pytest.raises(Conflict):
            await rig.desk.begin("0.2.0", 2_000, "An")
        await rig.desk.look()
        assert rig.steps()["r3"] == "offered" and list(rig.steps().values()).count("waiting") == len(SITES) - 1
        offer = rig.desk.wanted("r3")
        assert offer is not None and offer.sha256 == hashlib.sha256(rig.bundle.read_bytes()).hexdigest()
        assert rig.desk.wanted("r4") is None, "it is not its turn"
        ticket = offer.url.rpartition("/")[2]
        assert rig.desk.opened_by(ticket)[0].version == "0.2.0"
        await rig.again()
        assert rig.desk.wanted("r3") == offer, "a restart changes no ticket"
        await rig.says("r3", "release_taken")
        await rig.pass_by(5)
        assert rig.steps()["r3"] == "taken"
        with pytest.raises(NotFound):
            rig.desk.opened_by(ticket)
        await rig.pass_by(130)
        (second,) = [site for site, step in rig.steps().items() if step == "offered"]
        await rig.says(second, "release_back", why="0.2.0 has not reported")
        await rig.pass_by(5)
        current = rig.desk.current
        assert current is not None and (current.state, current.why) == (State.STOPPED, second)
        assert rig.steps()[second] == "back" and rig.desk.wanted("r4") is None
        await rig.again()
        assert rig.desk.current is not None and rig.desk.current.state is State.STOPPED
        rig.centre.close()

    asyncio.run(story())


def test_a_room_with_a_session_soon_is_left_alone_and_a_pause_offers_nothing_new(rig: Rig) -> None:
    async def story() -> None:
        await rig.start()
        rig.shelf.add(rig.bundle)
        await rig.centre.plan(("hub", "r3"), in_min=200)
        await rig.desk.begin("0.2.0", 2_000, "An", canary="r3")
        await rig.desk.look()
        assert set(rig.steps().values()) == {"waiting"}, "nobody goes before the canary"
        await rig.desk.set_state(State.PAUSED)
        await rig.pass_by(5)
        await rig.desk.set_state(State.RUNNING)
        await rig.desk.set_state(State.STOPPED)
        await rig.desk.begin("0.2.0", 2_000, "An", canary="r4")
        await rig.desk.look()
        assert rig.steps()["r4"] == "offered" and rig.desk.wanted("r4") is not None
        await rig.desk.set_state(State.PAUSED)
        assert rig.desk.wanted("r4") is not None, "whoever has begun may end it"
        rig.centre.close()

    asyncio.run(story())


def test_a_session_that_comes_near_takes_the_offer_back_and_a_room_that_was_away_takes_it_at_last(rig: Rig) -> None:
    async def story() -> None:
        await rig.start()
        rig.shelf.add(rig.bundle)
        await rig.desk.begin("0.2.0", 2_000, "An", canary="r3")
        await rig.desk.look()
        await rig.centre.plan(("hub", "r3"), in_min=100)
        await rig.pass_by(5)
        assert rig.steps()["r3"] == "offered" and rig.desk.wanted("r3") is None, "nothing is fetched before a session"
        await rig.pass_by(4 * 3_600)
        assert rig.desk.wanted("r3") is not None
        await rig.centre.go_away("r5")
        for _ in range(60):
            for site in [site for site, step in rig.steps().items() if step == "offered"]:
                await rig.says(site, "release_taken")
            rig.centre.clock.pass_by(70)
            for site in set(SITES) - {"r5"}:
                await rig.centre.report(site)
            await rig.desk.look()
        assert rig.desk.current is not None and rig.desk.current.state is State.DONE
        assert rig.steps()["r5"] == "away" and rig.desk.wanted("r5") is not None
        await rig.says("r5", "release_taken")
        await rig.pass_by(5)
        assert rig.steps()["r5"] == "taken" and rig.desk.wanted("r5") is None
        await rig.pass_by(130)  # it is watched, as every other was
        with pytest.raises(Conflict):
            await rig.desk.set_state(State.STOPPED)
        rig.centre.close()

    asyncio.run(story())


def test_neither_a_server_nor_a_broker_that_was_down_makes_rooms_suffer(rig: Rig) -> None:
    async def story() -> None:
        await rig.start()
        rig.shelf.add(rig.bundle)
        await rig.desk.begin("0.2.0", 2_000, "An", canary="r3")
        await rig.desk.look()
        await rig.says("r3", "release_taken")
        await rig.pass_by(5)
        rig.centre.clock.pass_by(600)
        await rig.centre.start()
        await rig.again()
        await rig.desk.look()
        assert rig.desk.current is not None and rig.desk.current.state is State.RUNNING
        await rig.pass_by(LEARNS_S)
        assert list(rig.steps().values()).count("offered") == 1, "it goes on"
        before = rig.steps()
        rig.centre.connected = False
        for site in SITES:
            await rig.centre.go_away(site)
        rig.centre.clock.pass_by(600)
        await rig.desk.look()
        assert rig.steps() == before and rig.desk.current.state is State.RUNNING
        rig.centre.connected = True
        rig.centre.clock.pass_by(60)
        await rig.desk.look()
        assert rig.steps() == before and rig.desk.current.state is State.RUNNING, "they come back one by one"
        rig.centre.close()

    asyncio.run(story())


def test_a_campaign_goes_on_without_a_room_that_is_ours_no_longer(rig: Rig) -> None:
    async def story() -> None:
        await rig.start()
        rig.shelf.add(rig.bundle)
        await rig.desk.begin("0.2.0", 2_000, "An", canary="r3")
        await rig.desk.look()
        rig.centre.fleet.drop("r3")
        for _ in range(2):
            rig.centre.clock.pass_by(5)
            await rig.desk.look()
        assert rig.steps()["r3"] == "away" and list(rig.steps().values()).count("offered") == 1
        rig.centre.close()

    asyncio.run(story())


def test_what_an_earlier_campaign_was_told_counts_for_nothing_now(rig: Rig) -> None:
    async def story() -> None:
        await rig.start()
        rig.shelf.add(rig.bundle)
        await rig.says("r3", "release_back", why="long ago")
        rig.centre.clock.pass_by(60)
        await rig.desk.begin("0.2.0", 2_000, "An", canary="r3")
        await rig.desk.look()
        await rig.pass_by(5)
        assert rig.steps()["r3"] == "offered"
        rig.centre.close()

    asyncio.run(story())


def test_only_what_the_makers_have_signed_is_kept(tmp_path: Path) -> None:
    build.new_key(tmp_path / "province.key")
    build.new_key(tmp_path / "stranger.key")
    shelf = Shelf(tmp_path / "releases", tmp_path / "province.key.pub")
    for version, key in (("0.3.0", "stranger.key"), ("0.4.0", "province.key")):
        build.write_bundle(tmp_path / f"{version}.tar", {"room.txt": b"x"}, version, tmp_path / key)
    with pytest.raises(BadFile, match="not_signed"):
        shelf.add(tmp_path / "0.3.0.tar")
    (tmp_path / "none.tar").write_bytes(b"no tar at all")
    with pytest.raises(BadFile, match="damaged"):
        shelf.add(tmp_path / "none.tar")
    assert shelf.add(tmp_path / "0.4.0.tar").version == "0.4.0"
    assert [each.version for each in shelf.all()] == ["0.4.0"]
    for wrong in ("../province.key", "0.9.9", "", "0.4.0/../../x"):
        with pytest.raises(FleetError):
            shelf.find(wrong)


def test_a_bundle_is_sent_from_its_place_on_and_no_faster_than_allowed(tmp_path: Path) -> None:
    file = tmp_path / "b.tar"
    file.write_bytes(bytes(range(256)) * 1_000)

    async def read(start: int, rate: int, line: HubLine = LINE) -> tuple[bytes, float]:
        began_s, found = time.monotonic(), b""
        async for block in paced(file, start, rate, line, time.monotonic):
            found += block
        return found, time.monotonic() - began_s

    async def read_both(line: HubLine) -> float:
        return min(took_s for _, took_s in await asyncio.gather(read(0, 100_000, line), read(0, 100_000, line)))

    found, _ = asyncio.run(read(1_000, 100_000))
    assert found == file.read_bytes()[1_000:]
    _, took_s = asyncio.run(read(0, 2_048))  # 256,000 bytes in one second
    assert took_s >= 0.85
    narrow = HubLine(lambda: 20.48, lambda: False)  # a fifth of it: twice 256,000 bytes in one second
    assert asyncio.run(read_both(narrow)) >= 0.85, "all together take no more than their part of the hub's line"


def test_a_live_session_has_the_line_for_itself_and_what_is_fetched_meanwhile_goes_on_afterwards() -> None:
    live = True
    line = HubLine(lambda: 30.0, lambda: live)
    with line.taken(), line.taken():
        assert line.rate_kbit_s(2_000) == 32.0, "just enough that no connection breaks"
        live = False
        assert line.rate_kbit_s(2_000) == 2_000.0
        with line.taken():
            assert line.rate_kbit_s(100_000) == 2_000.0, "a fifth of 30 Mbit/s, shared by three"
