"""What looks as if it were known already, and is not: each of these is told."""

import asyncio
import os
from datetime import timedelta

import pytest

from fleet_server.alerts.desk import IncidentDesk
from fleet_server.domain.priorities import Priority
from fleet_server.domain.routing import Match, Route, Step
from fleet_server.domain.sessions import LIVE_BEFORE, TIME_TO_ACT
from fleet_server.keeping.nightly import FILE
from fleet_server.store.database import millis
from fleet_server.store.incidents import IncidentRow
from fleet_server.store.notifications import Delivery
from fleet_server.store.sites import close_site
from tests.counterparts.centre_without_wires import CentreWithoutWires
from tests.counterparts.replay import Replay, replay


async def lose(fleet: Replay, *sites: str) -> None:
    """Their line is cut."""
    for site in sites:
        fleet.away.add(site)
        await fleet.centre.go_away(site)


def of(fleet: Replay, site: str | None, check: str) -> IncidentRow:
    return next(row for row in fleet.rows() if row.site == site and row.cause.key[0] == check)


def test_a_room_whose_battery_charges_and_whose_line_is_then_cut_is_told_of(centre: CentreWithoutWires) -> None:
    async def story() -> None:
        async with replay(centre) as fleet:
            fleet.said["r001"] = {"power_source": "mains", "battery_charge": 20.0}
            await fleet.play(120)
            assert of(fleet, "r001", "power_lasts").cause.says == "charging" and fleet.told() == []
            await lose(fleet, "r001")
            await fleet.play(120)
            assert [each.incident for each in fleet.told()] == [of(fleet, "r001", "offline").number]

    asyncio.run(story())


def test_a_room_that_dies_in_its_session_is_an_alarm_however_long_its_battery_was_to_last(
    centre: CentreWithoutWires,
) -> None:
    async def story() -> None:
        async with replay(centre) as fleet:
            await centre.plan(("hub", "r001"), in_min=5)
            fleet.said["r001"] = {"power_source": "battery", "battery_runtime": 9_000.0}
            await fleet.play(400)
            assert of(fleet, "r001", "power_lasts").priority < Priority.ALARM
            await lose(fleet, "r001")
            await fleet.play(60)
            away = of(fleet, "r001", "offline")
            assert away.priority is Priority.ALARM and away.number in {each.incident for each in fleet.told()}

    asyncio.run(story())


def test_what_comes_back_after_people_were_told_that_it_is_over_is_told_again(centre: CentreWithoutWires) -> None:
    async def story() -> None:
        async with replay(centre) as fleet:
            for again in (False, True):
                await lose(fleet, "r001")
                await fleet.play(60)
                assert [each.what for each in fleet.told()] == ["opened"] * (1 + again)
                fleet.send_all()
                fleet.away.clear()
                await fleet.play(240)
                fleet.send_all()
            assert {each.state for each in fleet.told("cleared")} == {Delivery.SENT}
            assert len({each.incident for each in fleet.told()}) == 1, "it is one incident all the same"

    asyncio.run(story())


def test_what_nobody_has_mended_since_the_last_session_is_an_alarm_in_the_next_too(centre: CentreWithoutWires) -> None:
    async def story() -> None:
        async with replay(centre) as fleet:
            fleet.said["r002"] = {"frame": False}
            for _ in range(2):
                await fleet.play(60)
                session = await centre.plan(("hub", "r002"), in_min=11, length_min=1)
                await fleet.play(150)
                camera = of(fleet, "r002", "picture_shows")
                assert (camera.session, camera.priority) == (session.id, Priority.ALARM)
                live = [each for each in fleet.told() if each.made_at >= session.starts_at - LIVE_BEFORE]
                assert [each.what for each in live if each.incident == camera.number] == ["raised"]
                await fleet.play(600)

    asyncio.run(story())


def test_the_loudest_is_told_first_however_many_wait_that_nobody_is_to_be_told_of(
    centre: CentreWithoutWires, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet_server.alerts.watch._MOST_AT_ONCE", 3)

    async def story() -> None:
        async with replay(centre) as fleet:
            await centre.directory.set_routes(
                [Route("", "loud", Match(least=int(Priority.ALARM)), (Step(0, fleet.noc.id),))], "tests"
            )
            off = [f"r{nr:03}" for nr in range(4)]
            await lose(fleet, *off)
            await fleet.play(120)
            assert fleet.told() == []
            await centre.plan(("hub", "r015"), in_min=5)
            fleet.said["r015"] = {"frame": False}
            await fleet.play(600)
            assert of(fleet, "r015", "picture_shows").number in {each.incident for each in fleet.told()}

    asyncio.run(story())


def test_many_rooms_lost_in_their_session_are_an_alarm(centre: CentreWithoutWires) -> None:
    async def story() -> None:
        async with replay(centre) as fleet:
            await centre.directory.set_routes(
                [Route("", "loud", Match(least=int(Priority.ALARM)), (Step(0, fleet.noc.id),))], "tests"
            )
            session = await centre.plan(tuple(fleet.sites), in_min=5, length_min=240)
            await fleet.play(400)
            fleet.away = set(fleet.sites)
            await fleet.play(300)
            outage = of(fleet, None, "many_offline")
            assert (outage.priority, outage.session) == (Priority.ALARM, session.id)
            assert outage.number in {each.incident for each in fleet.told()}

    asyncio.run(story())


def test_what_is_to_be_told_later_goes_to_whoever_is_on_duty_then(centre: CentreWithoutWires) -> None:
    async def story() -> None:
        async with replay(centre) as fleet:
            now = centre.clock.now()
            late = await centre.directory.add_recipient("Ca sau", "vi")
            await centre.directory.add_contact(late.id, "email", "ca.sau@example.vn", "tests")
            turn = now + timedelta(minutes=20)
            await centre.directory.add_shift("noc", fleet.noc.id, now, turn, "tests")
            await centre.directory.add_shift("noc", late.id, turn, now + timedelta(hours=9), "tests")
            steps = (Step(0, fleet.noc.id), Step(30, "rota:noc"))
            await centre.directory.set_routes([Route("", "all", Match(), steps)], "tests")
            await lose(fleet, "r001")
            await fleet.play(60)
            assert [(each.step, each.recipient) for each in fleet.told()] == [(0, fleet.noc.id), (30, late.id)]

    asyncio.run(story())


def test_a_note_written_after_a_rest_calls_nobody_back(centre: CentreWithoutWires) -> None:
    async def story() -> None:
        async with replay(centre) as fleet:
            boss = await centre.directory.add_recipient("Trưởng phòng", "vi")
            await centre.directory.add_contact(boss.id, "email", "boss@example.vn", "tests")
            steps = (Step(0, fleet.noc.id), Step(15, boss.id))
            await centre.directory.set_routes([Route("", "all", Match(), steps)], "tests")
            await lose(fleet, "r001")
            await fleet.play(60)
            desk, number = IncidentDesk(centre.database, centre.alerts, centre.clock), fleet.told()[0].incident
            assert number is not None
            await desk.snooze(number, "An", centre.clock.now() + timedelta(minutes=1))
            await fleet.play(120)
            waiting = lambda: [each.step for each in fleet.told() if each.state is Delivery.WAITING]  # noqa: E731
            assert waiting() == [0, 15]
            await desk.note(number, "An", "đã gọi điện lực")
            await desk.assign(number, "An", "Bình")
            assert waiting() == [0, 15]
            await desk.acknowledge(number, "An")
            assert waiting() == [0]

    asyncio.run(story())


def test_no_route_leads_to_somebody_who_was_removed(centre: CentreWithoutWires) -> None:
    async def story() -> None:
        async with replay(centre) as fleet:
            an = await centre.directory.add_recipient("An", "vi")
            only, both = (Step(0, an.id),), (Step(0, an.id), Step(15, fleet.noc.id))
            await centre.directory.set_routes([Route("", "một", Match(), only), Route("", "hai", Match(), both)], "x")
            await centre.directory.remove_recipient(an.id, "tests")
            (left,) = centre.directory.book.routes
            assert left.name == "hai" and [step.to for step in left.steps] == [fleet.noc.id]
            await centre.directory.set_routes([left, Route("", "ba", Match(), left.steps)], "tests")
            await lose(fleet, "r001")
            await fleet.play(60)
            assert [each.recipient for each in fleet.told()] == [fleet.noc.id]

    asyncio.run(story())


def test_a_nightly_backup_that_comes_no_more_is_told_of(centre: CentreWithoutWires) -> None:
    async def story() -> None:
        async with replay(centre) as fleet:
            written = centre.clock.now().timestamp()
            file = centre.folder / FILE
            file.write_bytes(b"")
            for hours, told in ((35, 0), (37, 1), (1, 1)):
                os.utime(file, (written, written - hours * 3_600))
                await fleet.play(120)
                assert len(fleet.told()) == told, hours
            assert of(fleet, None, "backup_old").cleared_at is not None
            os.utime(file, (written, written - 40 * 3_600))
            await centre.plan(tuple(fleet.sites), in_min=5)
            await fleet.play(60)
            assert of(fleet, None, "backup_old").priority is Priority.INCIDENT, "no session hangs on it"

    asyncio.run(story())


def test_what_was_wrong_with_a_room_that_is_closed_is_over(centre: CentreWithoutWires) -> None:
    async def story() -> None:
        async with replay(centre) as fleet:
            fleet.said["r003"] = {"frame": False}
            await fleet.play(120)
            assert of(fleet, "r003", "picture_shows").cleared_at is None
            fleet.sites.remove("r003")
            centre.database.write_now(lambda db: close_site(db, "r003", millis(centre.clock.now())))
            await fleet.restart()
            await fleet.play(120)
            assert of(fleet, "r003", "picture_shows").cleared_at is not None

    asyncio.run(story())


def test_what_people_had_no_time_for_yet_is_an_incident_only_after_that_time(centre: CentreWithoutWires) -> None:
    async def story() -> None:
        async with replay(centre) as fleet:
            await centre.plan(("hub", "r001", "r002"), in_min=10)
            fleet.said["r002"] = {"mic_muted": True}
            await fleet.play(int(TIME_TO_ACT.total_seconds()) - 30)
            known = {(row.site, row.cause.key[0]) for row in fleet.rows()}
            assert ("r002", "mixer_open") in known, "what is wrong with equipment waits for nobody"
            assert not {check for _, check in known} & {"on_duty", "room_prepared"}
            await fleet.play(60)
            assert {row.site for row in fleet.rows() if row.cause.key[0] == "on_duty"} == {"hub", "r001", "r002"}

    asyncio.run(story())
