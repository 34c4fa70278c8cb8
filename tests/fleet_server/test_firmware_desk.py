"""The centre's side of firmware: to whom, in which hours, one after the other, over restarts, and where it ends."""

import asyncio
import hashlib
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from device_drivers.registry import description_of
from fleet_server.campaigns.firmware import FirmwareCampaigns
from fleet_server.campaigns.hub_line import HubLine
from fleet_server.campaigns.images import Images
from fleet_server.commands.desk import CommandDesk
from fleet_server.domain.commands import State
from fleet_server.domain.waves import State as CampaignState
from fleet_server.errors import BadFile, Invalid, NotFound
from fleet_server.store import commands, logs
from fleet_server.store.commands import CommandRow, StepRow
from release.build import new_key
from tests.counterparts.centre_without_wires import ABOUT, CentreWithoutWires
from wire import firmware
from wire.codec import revision_of
from wire.messages import About, Command, EventEntry, LogBatch

SITES = {"hub": "hub", **{f"r{nr}": "commune" for nr in range(6)}}
ROOMS = [site for site in SITES if site != "hub"]
OLD, NEW = "V1.0", "V2.0"
PROFILE = """
family: tried
match: {driver: camera_onvif, roles: [camera], make: Make, model: Model}
firmware: {reads: "(?P<v>V[0-9.]+)", minimum: V1.0, minimum_source: a test}
actions: {upgrade_firmware: {proved: true, source: a test}}
"""


class Silent:
    """A link that is down: what is asked stays asked until the test answers for the room."""

    def say_command(self, command: Command, expires_in_s: int) -> bool:
        """Nobody hears it."""
        return False


def about_with(running: str) -> About:
    """The usual room, whose network camera runs this and can be upgraded."""
    actions = description_of("camera_onvif").actions
    devices = tuple(
        replace(device, firmware=f"{running} build 1", actions=actions) if device.driver == "camera_onvif" else device
        for device in ABOUT.devices
    )
    return About(revision_of((devices, ABOUT.readings)), devices, ABOUT.readings)


class Rig:
    """A centre with one signed image, whose rooms do what a test says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "profiles/families").mkdir(parents=True)
        (folder / "profiles/families/tried.yaml").write_text(PROFILE, encoding="utf-8")
        self.centre = CentreWithoutWires(folder, SITES, folder / "profiles")
        new_key(folder / "province.key")
        (folder / "image").write_bytes(b"image" * 10_000)
        self.images = Images(folder / "firmware", folder / "province.key.pub")
        self.running = dict.fromkeys(ROOMS, OLD)
        self._n: dict[str, int] = {}

    def signed(self, version: str = NEW, models: tuple[str, ...] = (), key: str = "province.key") -> Path:
        out = self.folder / f"{version}.tar"
        firmware.write(out, self.folder / "image", self.folder / key, family="tried", version=version, models=models)
        return out

    async def start(self) -> None:
        await self.centre.start()
        self.centre.clock.pass_by(20)  # a server that has just started does not take who has yet to report for away
        await self.report()
        for site in SITES:
            await self.centre.set_up(site)
        await self.again()

    async def again(self) -> None:
        """As a restart of the server does."""
        c = self.centre
        desk = CommandDesk(c.database, c.fleet, Silent(), c.stream, c.clock, c.sessions.is_live)  # type: ignore[arg-type]
        self.desk = FirmwareCampaigns(
            c.database, c.fleet, c.sessions, c.stream, c.clock, b"k" * 32, "https://diemcau.vn", lambda: c.connected,
            HubLine(lambda: 30.0, lambda: False), self.images, desk, ZoneInfo("Asia/Ho_Chi_Minh"),
        )  # fmt: skip
        await self.desk.load()

    async def report(self) -> None:
        for site in SITES:
            if site in self.running:
                self.centre.abouts[site] = about_with(self.running[site])
            await self.centre.report(site)

    async def pass_by(self, seconds: float) -> None:
        self.centre.clock.pass_by(seconds)
        await self.report()
        await self.desk.look()

    async def fetched(self, site: str, event: str = "firmware_fetched", **params: str) -> None:
        """The room says so."""
        offer = self.desk.wanted(site)
        assert offer, "it was not offered anything"
        n = self._n[site] = self._n.get(site, 0) + 1
        now = self.centre.clock.now()
        entry = EventEntry(n=n, at=now, event=event, params={"file": offer[0].sha256, **params})
        batch = LogBatch(f"{site:0>36}", (entry,), n)
        received = round(now.timestamp() * 1_000)
        await self.centre.database.write(lambda db: logs.commit(db, site, batch, received))

    async def asked(self, site: str | None = None) -> list[CommandRow]:
        """What cameras were told, the newest last."""
        rows = await self.centre.database.read(lambda db: commands.with_key(db, "firmware:"))
        return [row for row in rows if site in (None, row.site)]

    async def answers(self, site: str, state: State, detail: str) -> None:
        """The room's camera ends what it was last told."""
        (*_, row) = await self.asked(site)
        step = StepRow(self.centre.clock.now(), state, detail, {})
        await self.centre.database.write(lambda db: commands.advance(db, row.id, step))

    async def upgrades(self, site: str) -> None:
        """The room fetches it, its camera takes it."""
        await self.fetched(site)
        await self.desk.look()
        self.running[site] = NEW
        await self.answers(site, State.SUCCEEDED, "succeeded")
        await self.pass_by(5)

    def step(self, site: str) -> str:
        assert self.desk.current is not None
        return next(str(room.step) for room in self.desk.current.rooms if room.site == site)

    def offered(self) -> list[str]:
        assert self.desk.current is not None
        return [room.site for room in self.desk.current.rooms if str(room.step) == "offered"]

    async def begin(self, canary: str = "r3", hours: str = "") -> None:
        image = self.images.add(self.signed())
        await self.desk.begin(image.parcel.subject, 2_000, "An", canary, hours)
        await self.desk.look()


@pytest.fixture
def rig(tmp_path: Path, any_database: str) -> Rig:
    return Rig(tmp_path)


def test_a_camera_is_told_once_its_room_has_the_image_and_the_next_when_it_was_seen_to_run(rig: Rig) -> None:
    async def story() -> None:
        await rig.start()
        await rig.begin()
        assert rig.offered() == ["r3"] and rig.desk.wanted("r4") == () and await rig.asked() == []
        (offer,) = rig.desk.wanted("r3")
        assert offer.sha256 == hashlib.sha256((rig.folder / f"{NEW}.tar").read_bytes()).hexdigest()
        ticket = offer.url.rpartition("/")[2]
        assert rig.desk.opened_by(ticket)[0].sha256 == offer.sha256
        await rig.fetched("r3")
        await rig.desk.look()
        await rig.again()
        await rig.desk.look()
        (row,) = await rig.asked()
        assert (row.site, row.device, row.action, row.params["version"]) == ("r3", "camera-1", "upgrade_firmware", NEW)
        await rig.answers("r3", State.SUCCEEDED, "succeeded")
        await rig.pass_by(5)
        assert rig.step("r3") == "offered", "its own word is what counts"
        rig.running["r3"] = NEW
        await rig.pass_by(5)
        assert rig.step("r3") == "taken" and rig.desk.wanted("r3") == ()
        with pytest.raises(NotFound):
            rig.desk.opened_by(ticket)
        await rig.pass_by(130)
        assert len(rig.offered()) == 1
        rig.centre.close()

    asyncio.run(story())


def test_it_goes_through_all_of_them_and_only_through_those_that_it_is_for(rig: Rig) -> None:
    async def story() -> None:
        rig.running |= {"r4": NEW, "r5": "V3.0"}
        await rig.start()
        await rig.begin()
        assert rig.desk.current is not None
        assert {room.site for room in rig.desk.current.rooms} == {"r0", "r1", "r2", "r3"}
        for _ in range(20):
            for site in rig.offered():
                await rig.upgrades(site)
            await rig.pass_by(130)
        assert rig.desk.current.state is CampaignState.DONE
        assert [len(await rig.asked(site)) for site in ROOMS] == [1, 1, 1, 1, 0, 0]
        with pytest.raises(Invalid, match="no_rooms"):
            await rig.begin()
        rig.centre.close()

    asyncio.run(story())


def test_a_session_that_comes_near_holds_back_what_was_fetched_already(rig: Rig) -> None:
    async def story() -> None:
        await rig.start()
        await rig.begin()
        await rig.fetched("r3")
        await rig.centre.plan(("hub", "r3"), in_min=230)
        await rig.pass_by(5)
        assert await rig.asked() == [] and rig.desk.wanted("r3") == ()
        await rig.pass_by(5 * 3_600)
        assert [row.site for row in await rig.asked()] == ["r3"]
        rig.centre.close()

    asyncio.run(story())


def test_nothing_is_begun_outside_the_hours_that_were_chosen(rig: Rig) -> None:
    """It is eight in the morning in Thanh Hóa when it begins."""

    async def story() -> None:
        await rig.start()
        await rig.begin(hours="20:00-05:00")
        assert rig.offered() == []
        await rig.pass_by(timedelta(hours=12).total_seconds())
        assert rig.offered() == ["r3"]
        await rig.pass_by(timedelta(hours=9).total_seconds())
        assert rig.desk.wanted("r3") == (), "the night is over"
        with pytest.raises(Invalid, match="wrong_hours"):
            await rig.desk.begin(rig.images.all()[0].parcel.subject, 2_000, "An", "", "8 to 5")
        rig.centre.close()

    asyncio.run(story())


def test_what_a_power_cut_looks_like_is_tried_again_and_then_it_stops(rig: Rig) -> None:
    async def story() -> None:
        await rig.start()
        await rig.begin()
        await rig.fetched("r3")
        await rig.desk.look()
        for tries, (state, detail) in enumerate(
            [(State.FAILED, "upload_broke"), (State.INTERRUPTED, "agent_stopped"), (State.FAILED, "old_firmware")], 1
        ):
            await rig.again()
            assert len(await rig.asked("r3")) == tries
            await rig.answers("r3", state, detail)
            await rig.pass_by(5)
        current = rig.desk.current
        assert current is not None and (current.state, current.why) == (CampaignState.STOPPED, "r3")
        assert rig.step("r3") == "back" and len(await rig.asked()) == 3
        await rig.pass_by(600)
        assert len(await rig.asked()) == 3, "a campaign that has stopped asks nobody"
        rig.centre.close()

    asyncio.run(story())


@pytest.mark.parametrize("detail", ["image_refused", "did_not_come_back"])
def test_a_camera_that_fails_stops_it_at_once(rig: Rig, detail: str) -> None:
    async def story() -> None:
        await rig.start()
        await rig.begin()
        await rig.fetched("r3")
        await rig.desk.look()
        await rig.answers("r3", State.FAILED, detail)
        await rig.pass_by(5)
        assert rig.desk.current is not None and rig.desk.current.why == "r3"
        assert {rig.step(site) for site in ROOMS if site != "r3"} == {"waiting"}
        rig.centre.close()

    asyncio.run(story())


def test_a_room_that_does_not_believe_the_image_stops_it(rig: Rig) -> None:
    async def story() -> None:
        await rig.start()
        await rig.begin()
        await rig.fetched("r3", "firmware_refused", why="wrong_signature")
        await rig.pass_by(5)
        current = rig.desk.current
        assert current is not None and current.state is CampaignState.STOPPED
        assert next(room.detail for room in current.rooms if room.site == "r3") == "wrong_signature"
        rig.centre.close()

    asyncio.run(story())


def test_only_what_is_signed_is_kept_and_no_version_that_the_profile_refuses_is_begun(rig: Rig) -> None:
    async def story() -> None:
        await rig.start()
        new_key(rig.folder / "stranger.key")
        with pytest.raises(BadFile, match="not_taken"):
            rig.images.add(rig.signed("V8.0", key="stranger.key"))
        (rig.folder / "none").write_bytes(b"none")
        with pytest.raises(BadFile, match="not_taken"):
            rig.images.add(rig.folder / "none")
        assert rig.images.all() == []
        old = rig.images.add(rig.signed("V0.9"))
        with pytest.raises(Invalid, match="refused_by_profile"):
            await rig.desk.begin(old.parcel.subject, 2_000, "An")
        others = rig.images.add(rig.signed("V2.1", models=("Another",)))
        with pytest.raises(Invalid, match="no_rooms"):
            await rig.desk.begin(others.parcel.subject, 2_000, "An")
        for wrong in ("", "../province.key", "0" * 64):
            with pytest.raises(NotFound):
                await rig.desk.begin(wrong, 2_000, "An")
        rig.centre.close()

    asyncio.run(story())
