"""Fleets as they befell somebody, played to the alerts: who is told of what, exactly.

The clock stands still but where the replay turns it; reports are taken in as ingest does, notifications are read from
the outbox's table, where they stand before anything is sent.
"""

import asyncio
from datetime import timedelta

from msgspec.structs import replace

from fleet_server.domain.priorities import Priority
from fleet_server.domain.routing import Match, Route, Step
from fleet_server.sessions.desk import Wish
from fleet_server.store.incidents import IncidentRow, IncidentStep
from fleet_server.store.notifications import Delivery
from tests.counterparts.centre_without_wires import CentreWithoutWires
from tests.counterparts.replay import Replay, replay


def test_a_blackout_is_one_message_within_a_minute(centre: CentreWithoutWires) -> None:
    """Mains gone; what has no battery falls silent; then the line does, and the room with it."""

    async def story() -> None:
        async with replay(centre) as fleet:
            fleet.said["r001"] = {"power_source": "battery", "battery_runtime": 900.0, "cpu": 5.0}
            began = centre.clock.now()
            await fleet.play(60)
            (told,) = fleet.told()
            assert (told.made_at - began).total_seconds() <= 60
            (row,) = [row for row in fleet.rows() if row.site == "r001" and row.priority > Priority.DIGEST]
            assert row.cause.key[0] == "power_lasts" and row.priority is Priority.INCIDENT
            fleet.away.add("r001")
            await centre.go_away("r001")
            await fleet.play(600)
            assert fleet.told() == [told], "that its battery is empty is nothing new"
            fleet.away.discard("r001")
            del fleet.said["r001"]
            await fleet.play(200)
            assert [row.site for row in fleet.rows() if row.cleared_at is None and row.priority > Priority.DIGEST] == []

    asyncio.run(story())


def test_the_hubs_outage_is_one_message_and_no_room_is_named(province: CentreWithoutWires) -> None:
    async def story() -> None:
        async with replay(province) as fleet:
            fleet.away = {site for site in fleet.sites if site != "hub"}
            await fleet.play(300)
            (told,) = fleet.told()
            assert {row.site for row in fleet.rows() if row.priority > Priority.DIGEST} == {None}
            fleet.away = set()
            fleet.send_all()
            await fleet.play(600)
            assert [row for row in fleet.rows() if row.cleared_at is None and row.priority > Priority.DIGEST] == []
            assert len(fleet.told()) == 1 and len(fleet.told("cleared")) == 1
            assert told.incident == fleet.told("cleared")[0].incident

    asyncio.run(story())


def test_who_stays_away_after_an_outage_is_told_of_alone(centre: CentreWithoutWires) -> None:
    async def story() -> None:
        async with replay(centre) as fleet:
            fleet.away = {site for site in fleet.sites if site != "hub"}
            await fleet.play(200)
            fleet.away = {"r007"}
            await fleet.play(120)
            assert [row.site for row in fleet.rows() if row.priority > Priority.DIGEST] == ["r007", None]

    asyncio.run(story())


def test_a_flapping_line_is_one_message_that_says_so(centre: CentreWithoutWires) -> None:
    async def flap(fleet: Replay, passed: int) -> None:
        if passed % 140 == 0:
            fleet.away ^= {"r003"}
            if "r003" in fleet.away:
                await centre.go_away("r003")

    async def story() -> None:
        async with replay(centre) as fleet:
            await fleet.play(20 * 60, lambda passed: flap(fleet, passed))
            fleet.send_all()
            assert [each.what for each in fleet.told()] == ["opened"]
            (row,) = [row for row in fleet.rows() if row.site == "r003" and row.priority > Priority.DIGEST]
            assert row.spells >= 3, "it says how often"

    asyncio.run(story())


def test_a_restart_of_the_server_tells_nobody_anything(centre: CentreWithoutWires) -> None:
    async def story() -> None:
        async with replay(centre) as fleet:
            fleet.said["r001"] = {"power_source": "battery", "battery_runtime": 900.0}
            await fleet.play(90)
            told = len(fleet.told())
            assert told == 1
            for _ in range(5):
                centre.clock.pass_by(20)
                await fleet.restart()
                await fleet.play(120)
            assert len(fleet.told("opened", "raised", "escalated", "cleared")) == told
            assert len(fleet.rows()) == len({row.place for row in fleet.rows()}), "and nothing is opened twice"

    asyncio.run(story())


def test_the_same_dead_camera_is_a_line_of_a_digest_an_incident_or_an_alarm(centre: CentreWithoutWires) -> None:
    async def story() -> None:
        async with replay(centre) as fleet:
            fleet.said["r002"] = {"frame": False}

            def camera() -> IncidentRow:
                (row,) = [row for row in fleet.rows() if row.site == "r002" and row.cause.key[0] == "picture_shows"]
                return row

            await fleet.play(60)
            assert camera().priority is Priority.DIGEST and fleet.told() == []
            session = await centre.plan(("hub", "r002"), in_min=125)
            await fleet.play(60)
            assert fleet.told() == []
            await fleet.play(300)
            assert camera().priority is Priority.INCIDENT and camera().session == session.id
            of_camera = lambda: [each.what for each in fleet.told() if each.incident == camera().number]  # noqa: E731
            assert of_camera() == ["opened"]
            starts_at = centre.clock.now() + timedelta(minutes=9)
            moved = Wish("Phiên", "periodic", "", starts_at, starts_at + timedelta(hours=1), session.sites)
            await centre.sessions.change(session.id, moved, "tests")
            await fleet.play(20)
            assert camera().priority is Priority.ALARM and of_camera() == ["opened", "raised"]

    asyncio.run(story())


def test_a_camera_that_was_told_to_restart_is_told_of_only_where_it_does_not_come_back(
    centre: CentreWithoutWires,
) -> None:
    async def story() -> None:
        async with replay(centre) as fleet:
            for site in ("r003", "r004", "r005"):
                fleet.said[site] = {"frame": False}
            dark = lambda: {row.site for row in fleet.rows() if row.cause.key[0] == "picture_shows"}  # noqa: E731
            centre.blinded = frozenset({("r003", "camera-1"), ("r004", "camera-1")})
            await fleet.play(120)
            assert dark() == {"r005"}, "who was not told to be away is told of as ever"
            centre.blinded = frozenset()
            fleet.said.pop("r003")
            await fleet.play(60)
            assert dark() == {"r005", "r004"}, "the command is over and it is not back"

    asyncio.run(story())


def test_what_is_silenced_or_put_off_is_told_when_that_is_over(centre: CentreWithoutWires) -> None:
    async def story() -> None:
        async with replay(centre) as fleet:
            now = centre.clock.now()
            await centre.directory.silence(
                Match(sites=frozenset({"r001"})), now, now + timedelta(minutes=10), "bảo trì", "tests"
            )
            fleet.said["r001"] = {"power_source": "battery", "battery_runtime": 900.0}
            await fleet.play(120)
            await fleet.restart()
            await fleet.play(120)
            assert fleet.told() == [] and len(fleet.rows()) >= 1
            await fleet.play(400)
            assert [each.what for each in fleet.told()] == ["opened"]

    asyncio.run(story())


def test_an_acknowledgement_stops_the_escalation_and_a_clear_calls_the_rest_back(centre: CentreWithoutWires) -> None:
    async def story() -> None:
        async with replay(centre) as fleet:
            boss = await centre.directory.add_recipient("Trưởng phòng", "vi")
            await centre.directory.add_contact(boss.id, "email", "boss@example.vn", "tests")
            steps = (Step(0, fleet.noc.id), Step(15, boss.id))
            await centre.directory.set_routes([Route("", "all", Match(least=2), steps)], "tests")
            fleet.said["r001"] = {"power_source": "battery", "battery_runtime": 900.0}
            await fleet.play(60)
            assert [(each.what, each.step, each.state) for each in fleet.told()] == [
                ("opened", 0, Delivery.WAITING), ("escalated", 15, Delivery.WAITING)
            ]  # fmt: skip
            fleet.send_all()
            del fleet.said["r001"]
            await fleet.play(300)
            states = [(each.what, each.state) for each in fleet.told()]
            assert states == [("opened", Delivery.SENT), ("escalated", Delivery.CANCELLED)]
            assert [each.recipient for each in fleet.told("cleared")] == [fleet.noc.id], (
                "whoever heard of it, and no other"
            )

    asyncio.run(story())


def test_a_storm_in_which_every_room_has_its_own_trouble_is_told_of_each_once(province: CentreWithoutWires) -> None:
    async def story() -> None:
        async with replay(province) as fleet:
            for site in fleet.sites:
                fleet.said[site] = {"power_source": "battery", "battery_runtime": 900.0}
            await fleet.play(120)
            told = fleet.told()
            assert len(told) == len(fleet.sites) == len({each.incident for each in told})

    asyncio.run(story())


def test_what_a_person_does_as_the_watch_looks_is_not_written_over_and_tells_nothing_twice(
    centre: CentreWithoutWires,
) -> None:
    async def story() -> None:
        async with replay(centre) as fleet:
            fleet.said["r001"] = {"power_source": "battery", "battery_runtime": 600.0}
            await fleet.play(60)
            (told,) = fleet.told()
            await centre.plan(("r001",), in_min=9)
            centre.clock.pass_by(1)
            centre.alerts._due["r001"] = 0.0
            assert told.incident is not None
            step = IncidentStep(centre.clock.now(), "acknowledged", "An")
            seen_to = lambda row: replace(row, acknowledged_at=centre.clock.now(), acknowledged_by="An")  # noqa: E731
            await asyncio.gather(centre.alerts.look(), centre.alerts.changed(told.incident, seen_to, step))
            await fleet.play(20)
            assert [each.what for each in fleet.told() if each.incident == told.incident] == ["opened", "raised"]
            (row,) = [row for row in fleet.rows() if row.number == told.incident]
            assert row.acknowledged_by == "An" and row.priority is Priority.ALARM

    asyncio.run(story())
