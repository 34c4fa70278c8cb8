"""The outbox with real counterparts and a turned clock: Zalo away for hours, a flood, the morning's digest."""

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from fleet_server.alerts.digests import Digests
from fleet_server.alerts.outbox import Outbox
from fleet_server.channels.channel import Resources
from fleet_server.channels.registry import channels
from fleet_server.domain.causes import Cause
from fleet_server.domain.findings import Outcome
from fleet_server.domain.priorities import Priority
from fleet_server.signing.process import signer_of
from fleet_server.signing.secret_box import SecretBox
from fleet_server.store import incidents, notifications
from fleet_server.store.incidents import IncidentRow
from fleet_server.store.notifications import Delivery
from fleet_server.zalo import store
from fleet_server.zalo.oauth import Pair
from fleet_server.zalo.store import Tokens
from tests.counterparts.centre_without_wires import HOURS, CentreWithoutWires
from tests.counterparts.mail_server import MailServer, text_of
from tests.counterparts.zalo_server import APP, SECRET, ZaloServer

GROUP, NOC = "f414c8f76fa586fbdfb4", "noc@tinh.vn"
SITES = {f"r{nr:02}": "commune" for nr in range(40)}


class Rig:
    """A centre whose alerts go out by Zalo and by e-mail."""

    def __init__(self, centre: CentreWithoutWires, zalo: ZaloServer, mail: MailServer, folder: Path) -> None:
        self.centre, self.zalo, self.mail, self.folder = centre, zalo, mail, folder
        self.ill: set[str] = set()

    async def start(self, *ways: tuple[str, str]) -> None:
        centre, secret = self.centre, self.folder / "secret"
        await centre.start()
        secret.write_text(SECRET)
        env = {
            "DIEMCAU_SMTP": f"smtp://127.0.0.1:{self.mail.port}", "DIEMCAU_SMTP_FROM": "diemcau@tinh.vn",
            "DIEMCAU_ZALO_APP": APP, "DIEMCAU_ZALO_SECRET_FILE": str(secret), "DIEMCAU_ZALO_OAUTH": self.zalo.address,
            "DIEMCAU_ZALO_OPENAPI": self.zalo.address,
        }  # fmt: skip
        box = SecretBox(centre.keys)
        given = Resources(env, centre.clock, centre.database, box, signer_of(self.folder, None), "https://diemcau.vn")
        pair = box.seal(f"zalo:{APP}", store.packed(Pair(self.zalo.access, self.zalo.refresh)))
        centre.database.write_now(lambda db: store.put(db, Tokens(APP, pair, 1, centre.clock.now())))
        self.outbox = Outbox(
            centre.database, centre.stream, centre.clock, HOURS.zone, centre.directory, centre.rooms, centre.health,
            {name: kind(given) for name, kind in channels().items()}, "https://diemcau.vn",
        )  # fmt: skip
        for site in SITES:
            await centre.report(site)
            await centre.set_up(site)
        noc = await centre.directory.add_recipient("NOC", "vi")
        for channel, address in ways:
            await centre.directory.add_contact(noc.id, channel, address, "tests")
        await self.play(60)

    async def play(self, seconds: int, step_s: int = 10) -> None:
        """Time passes, rooms report, alerts are made and sent."""
        for _ in range(0, seconds, step_s):
            self.centre.clock.pass_by(step_s)
            for site in SITES:
                more = {"power_source": "battery", "battery_runtime": 600.0} if site in self.ill else {}
                await self.centre.report(site, **more)
                self.centre.alerts._due[site] = 0.0
            await self.centre.alerts.look()
            await self.outbox.send_due()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    centre, zalo, mail = CentreWithoutWires(tmp_path, SITES), ZaloServer(), MailServer()
    mail.start()
    yield Rig(centre, zalo, mail, tmp_path)
    mail.stop()
    zalo.close()
    centre.close()
    assert zalo.violations == []


def test_while_zalo_is_away_e_mail_takes_over_and_nothing_floods_when_it_is_back(rig: Rig) -> None:
    async def story() -> None:
        await rig.start(("zalo_group", GROUP), ("email", NOC))
        rig.zalo.down = True
        for nr in range(6):
            told = len(rig.mail.to(NOC))
            rig.ill.add(f"r{nr:02}")
            await rig.play(120)
            assert len(rig.mail.to(NOC)) > told, "e-mail takes over within two minutes"
            rig.centre.clock.pass_by(3_000)
            for site in SITES:
                await rig.centre.report(site)
        assert rig.zalo.sent_to(GROUP) == []
        rig.zalo.down = False
        await rig.play(120)
        assert len(rig.zalo.sent_to(GROUP)) <= 1, "what e-mail has told is not told again"
        assert rig.outbox.channel_states()["zalo_group"] == "ready"
        before = len(rig.zalo.sent_to(GROUP))
        rig.ill.add("r20")
        await rig.play(120)
        assert len(rig.zalo.sent_to(GROUP)) == before + 1 and "Xã r20" in rig.zalo.sent_to(GROUP)[-1]

    asyncio.run(story())


@pytest.mark.parametrize("address", ["=?utf-8?q??=@b.vn", "=?utf-8?q?a=0Ab?=@b.vn"])
def test_an_address_at_which_a_library_stumbles_keeps_nobody_else_from_hearing(rig: Rig, address: str) -> None:
    async def story() -> None:
        await rig.start(("email", address), ("email", NOC))
        rig.ill = {"r00"}
        await rig.play(180)
        assert any("Xã r00" in text_of(letter) for letter in rig.mail.to(NOC))

    asyncio.run(story())


def test_a_channel_that_hangs_delays_its_own_messages_alone(rig: Rig) -> None:
    async def story() -> None:
        await rig.start(("email", NOC))
        group = await rig.centre.directory.add_recipient("Nhóm", "vi")
        await rig.centre.directory.add_contact(group.id, "zalo_group", GROUP, "tests")
        rig.zalo.answers.clear()
        sending = asyncio.create_task(rig.outbox.run())
        try:
            for site in ("r00", "r01"):
                rig.ill.add(site)
                for _ in range(9):  # as `play`, but that it waits for nobody
                    rig.centre.clock.pass_by(10)
                    for each in SITES:
                        more = {"power_source": "battery", "battery_runtime": 600.0} if each in rig.ill else {}
                        await rig.centre.report(each, **more)
                        rig.centre.alerts._due[each] = 0.0
                    await rig.centre.alerts.look()
                rig.outbox.wake()
                async with asyncio.timeout(8):  # Zalo is waited for longer
                    while not any(f"Xã {site}" in text_of(letter) for letter in rig.mail.to(NOC)):
                        await asyncio.sleep(0.05)
            assert rig.zalo.sent_to(GROUP) == []
        finally:
            rig.zalo.answers.set()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    asyncio.run(story())


def test_what_the_database_kept_from_being_sent_is_sent_when_it_writes_again(rig: Rig) -> None:
    async def story() -> None:
        await rig.start(("email", NOC))
        rig.centre.database.write_now(lambda db: db.execute(text("ALTER TABLE ack_links RENAME TO away")))
        rig.ill = {"r00"}
        await rig.play(120)
        assert rig.mail.to(NOC) == []
        rig.centre.database.write_now(lambda db: db.execute(text("ALTER TABLE away RENAME TO ack_links")))
        await rig.play(60)
        assert len([letter for letter in rig.mail.to(NOC) if "Xã r00" in text_of(letter)]) == 1

    asyncio.run(story())


def test_forty_rooms_at_once_are_two_messages_and_no_line_is_cut(rig: Rig) -> None:
    async def story() -> None:
        await rig.start(("zalo_group", GROUP), ("email", NOC))
        rig.ill = set(SITES)
        await rig.play(180)
        told = rig.zalo.sent_to(GROUP)
        assert 1 <= len(told) <= 2 and all(len(text) <= 1_500 for text in told)
        assert "40 sự cố" in told[0] and "dòng khác" in told[0] and told[0].splitlines()[-1].startswith("https://")
        assert rig.mail.to(NOC) == [], "the next channel is for when the first does not work"

    asyncio.run(story())


def test_the_digest_comes_once_a_working_day(rig: Rig) -> None:
    async def story() -> None:
        await rig.start(("email", NOC))
        centre = rig.centre
        digests = Digests(centre.database, centre.alerts, centre.clock, lambda: None)
        centre.clock.set((datetime(2026, 11, 26, 0, 29, tzinfo=UTC) - centre.clock.now()).total_seconds())
        for site in SITES:
            await centre.report(site, **({"frame": False} if site == "r05" else {}))
            centre.alerts._due[site] = 0.0
        await centre.alerts.look()
        for _ in range(8):
            centre.clock.pass_by(60)
            await centre.report("r05", frame=False)
            centre.alerts._due["r05"] = 0.0
            await centre.alerts.look()
            await digests.look()
            await rig.outbox.send_due()
        letters = [letter for letter in rig.mail.to(NOC) if "không gấp" in letter["Subject"]]
        assert len(letters) == 1 and "Xã r05" in text_of(letters[0])
        centre.clock.set((datetime(2026, 11, 28, 0, 31, tzinfo=UTC) - centre.clock.now()).total_seconds())
        await digests.look()
        await rig.outbox.send_due()
        assert len([each for each in rig.mail.to(NOC) if "không gấp" in each["Subject"]]) == 1, "a Saturday"

    asyncio.run(story())


def test_a_digest_that_is_due_with_an_incident_is_a_message_of_its_own(rig: Rig) -> None:
    async def story() -> None:
        await rig.start(("email", NOC))
        centre = rig.centre
        centre.clock.set((datetime(2026, 11, 26, 0, 31, tzinfo=UTC) - centre.clock.now()).total_seconds())
        for site in SITES:
            await centre.report(site)
        rig.ill.add("r07")
        for _ in range(3):
            centre.clock.pass_by(15)
            for site in SITES:
                more = {"power_source": "battery", "battery_runtime": 600.0} if site == "r07" else {}
                await centre.report(site, **more)
                centre.alerts._due[site] = 0.0
            await centre.alerts.look()
        await Digests(centre.database, centre.alerts, centre.clock, lambda: None).look()
        await rig.play(120)
        subjects = [letter["Subject"] for letter in rig.mail.to(NOC)]
        assert any("không gấp" in subject for subject in subjects) and any("Xã r07" in subject for subject in subjects)

    asyncio.run(story())


@pytest.mark.parametrize("seed", range(3, 6))
def test_what_is_told_of_an_incident_comes_in_its_order_however_often_the_mail_server_asks_to_wait(
    rig: Rig, seed: int
) -> None:
    chance = random.Random(seed)
    cause = Cause(("broker", ""), Outcome.FAIL, True, "", "broker")
    numbers = range(900, 910)

    async def story() -> None:
        await rig.start(("email", NOC))
        database, clock = rig.centre.database, rig.centre.clock
        who = next(iter(rig.centre.directory.book.recipients.values()))
        for what in ("opened", "raised", "escalated"):
            now = clock.now()
            rows = [IncidentRow(nr, None, cause, Priority.ALARM, None, now, told=3) for nr in numbers]
            until = now + timedelta(hours=1)
            told = [
                notifications.new(nr, what, 0, who.id, who.contacts[0].id, "email", now, now, until)
                for nr in numbers if chance.random() < 0.8
            ]  # fmt: skip
            await database.write(lambda db, rows=rows: incidents.save(db, rows))
            await database.write(lambda db, told=told: notifications.add(db, told))
            for _ in range(chance.choice((1, 3))):
                rig.mail.answer = chance.choice(("250 ok", "451 later"))
                await rig.outbox.send_due()
                clock.pass_by(chance.choice((1, 1, 4, 20)))
        rig.mail.answer = "250 ok"
        for _ in range(10):
            clock.pass_by(130)
            await rig.outbox.send_due()
        for nr in numbers:
            rows_of = await database.read(lambda db, nr=nr: notifications.of_incident(db, nr))
            ended = [row.ended_at for row in rows_of]
            assert all(row.state is Delivery.SENT for row in rows_of)
            assert ended == sorted(ended), [(row.what, row.ended_at) for row in rows_of]  # type: ignore[type-var]

    asyncio.run(story())
