"""Random histories of a session against a second, simple idea of what its gate may do; and races at its edge."""

import asyncio
import os
import random
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import Connection, select

from fleet_server.domain.gate import Waiver
from fleet_server.domain.sessions import Session
from fleet_server.domain.stages import due_stages
from fleet_server.errors import Conflict
from fleet_server.store import sessions, stages
from fleet_server.store.decisions import decisions_of, find_snapshot
from fleet_server.store.session_tables import decisions
from tests.counterparts.centre_without_wires import CentreWithoutWires

SITES = {"hub": "hub", "a": "commune", "b": "commune", "m": "external"}
AGENTS = ("hub", "a", "b")
HISTORIES = int(os.environ.get("DIEMCAU_HISTORIES", "100"))
"""`DIEMCAU_HISTORIES=5000` is what the gate was released with."""
SEEN: Counter[str] = Counter()
RACES = int(os.environ.get("DIEMCAU_RACES", "200"))
FRESH_S, MISSED_S, EVIDENCE_S = 10.0, 45.0, 60.0
BREAKS = {"picture_shows": {"frame": False}, "mixer_open": {"main_muted": True}, "disk_well": {"writable": False}}
"""Check -> what a room says when it fails."""


class Model:
    """What is so, told by a second author: no code of the product is used, and every rule stands in plain words."""

    def __init__(self) -> None:
        self.reported: dict[str, tuple[datetime, str]] = {}
        """Site -> when its last report came and which check fails in it."""
        self.here: set[str] = set()
        self.on_duty: dict[str, datetime] = {}
        self.waived: set[tuple[str, str]] = set()
        self.learning_until: datetime | None = None

    def may_go(self, session: Session, now: datetime) -> bool:
        """A go needs of every site with an agent: it is here, its report came in the last ten seconds and says nothing
        bad that is not waived; and of every site: somebody is on duty, from an hour before the start on."""
        if now >= session.ends_at:
            return False
        asks_duty = session.starts_at - now <= timedelta(hours=1)
        for site in session.sites:
            if site in AGENTS:
                at, failing = self.reported.get(site, (None, ""))
                if site not in self.here or at is None or not 0 <= (now - at).total_seconds() <= FRESH_S:
                    return False
                if failing and (site, failing) not in self.waived:
                    return False
            until = self.on_duty.get(site)
            if asks_duty and (until is None or until <= now) and (site, "on_duty") not in self.waived:
                return False
        return True


STEPS = st.one_of(
    st.tuples(st.just("report"), st.sampled_from(AGENTS), st.sampled_from(["", "", "", *BREAKS])),
    st.tuples(st.just("all_report")),
    st.tuples(st.just("silence"), st.sampled_from([1.0, 4.0, 9.0, 11.0, 50.0, 600.0, 1_800.0])),
    st.tuples(st.just("clock"), st.sampled_from([-3_600.0, -30.0, 30.0, 3_600.0])),
    st.tuples(st.just("goes_away"), st.sampled_from(AGENTS)),
    st.tuples(st.just("duty"), st.sampled_from(list(SITES))),
    st.tuples(st.just("all_on_duty")),
    st.tuples(st.just("restart")),
    st.tuples(st.just("stages")),
    st.tuples(st.just("ready")),
    st.tuples(st.just("decide")),
    st.tuples(st.just("decide")),
    st.tuples(st.just("decide")),
    st.tuples(st.just("waive"), st.sampled_from(list(SITES)), st.sampled_from([*BREAKS, "on_duty"])),
)  # fmt: skip


@settings(max_examples=HISTORIES)
@given(steps=st.lists(STEPS, min_size=5, max_size=40))
@pytest.mark.timeout(120 + HISTORIES)
def test_whatever_happens_the_gate_is_as_strict_as_the_model(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]
) -> None:
    centre = CentreWithoutWires(tmp_path_factory.mktemp("history"), SITES)
    try:
        asyncio.run(_history(centre, steps))
    finally:
        centre.close()


def test_both_answers_were_given() -> None:
    """Or the test above would say little."""
    assert SEEN["went"] > HISTORIES / 20 and SEEN["refused"] > HISTORIES / 20, SEEN


async def _history(centre: CentreWithoutWires, steps: list[tuple[Any, ...]]) -> None:
    await centre.start()
    model = Model()
    session = await centre.plan(tuple(SITES), in_min=100, length_min=60, stages_min=(90, 30, 10))
    went = 0
    for step in steps:
        now = centre.clock.now()
        match step:
            case ("report", site, failing):
                await _report(centre, model, site, failing)
            case ("all_report",) | ("ready",):
                for site in AGENTS:
                    await _report(centre, model, site, "")
                for site in SITES if step == ("ready",) else ():
                    await _on_duty(centre, model, site)
            case ("silence", seconds):
                centre.clock.pass_by(seconds)
            case ("clock", seconds):
                centre.clock.set(seconds)
            case ("goes_away", site):
                await centre.go_away(site)
                model.here.discard(site)
            case ("duty", site):
                await _on_duty(centre, model, site)
            case ("all_on_duty",):
                for site in SITES:
                    await _on_duty(centre, model, site)
            case ("restart",):
                await centre.start()
                model.learning_until = now + timedelta(seconds=15)
            case ("stages",):
                await centre.stages.run_due()
            case ("waive", site, check):
                waiver = Waiver(site, check, "Đã xem", "tests", session.ends_at)
                with suppress(Conflict):
                    await centre.gates.decide(session, "no_go", "tests", "", [waiver])
                    model.waived.add((site, check))
            case ("decide",):
                may = model.may_go(session, now)
                try:
                    await centre.gates.decide(session, "go", "tests", "", [])
                except Conflict:
                    assert not may, f"refused, though nothing stands against it: {_against(centre, session)}"
                else:
                    assert may, "a go with a room that lacks evidence, or with something wrong that nobody waived"
                    went += 1
                SEEN["went" if may else "refused"] += 1
    await _check_record(centre, session, went)


def _against(centre: CentreWithoutWires, session: Session) -> list[tuple[str, str, str]]:
    gate = centre.gates.judged(session)
    return [(s.site, str(s.verdict), c.check) for s in gate.sites for c in s.reasons if not s.admitted]


async def _report(centre: CentreWithoutWires, model: Model, site: str, failing: str) -> None:
    await centre.report(site, **(BREAKS[failing] if failing else {}))
    model.reported[site] = (centre.clock.now(), failing)
    model.here.add(site)


async def _on_duty(centre: CentreWithoutWires, model: Model, site: str) -> None:
    await centre.confirmations.confirm_duty(site, "Lê Thị B", "")
    model.on_duty[site] = centre.clock.now() + timedelta(hours=12)


async def _check_record(centre: CentreWithoutWires, session: Session, went: int) -> None:
    """Each go has the verdicts it rests on; each stage whose time has come ends once, none twice, none is left."""
    found = await centre.database.read(lambda db: decisions_of(db, session.id))
    assert sum(row.decision == "go" for row in found) == went
    for row in found:
        assert row.snapshot is not None
        snapshot = await centre.database.read(lambda db, id=row.snapshot: find_snapshot(db, id))  # type: ignore[misc]
        assert snapshot is not None and {each.site for each in snapshot.sites} == set(SITES)
        assert row.decision == "no_go" or all(each.admitted for each in snapshot.sites)
    await centre.start()
    await centre.stages.run_due()
    await centre.stages.run_due()
    rows = await centre.stage_rows(session)
    times = Counter(row.stage.minutes_before for row in rows)
    assert set(times.values()) <= {1}
    now = centre.clock.now()
    wanted = {m for m in session.stages_min if session.starts_at - timedelta(minutes=m) <= now}
    assert wanted <= times.keys(), "a stage was lost"
    assert all(row.ended_at is not None for row in rows)


# Between the look and the word.


@pytest.mark.timeout(120 + RACES)
def test_a_room_that_fails_as_the_decision_is_taken_is_admitted_only_if_it_failed_after_it(tmp_path: Path) -> None:
    asyncio.run(_races(tmp_path))


async def _races(folder: Path) -> None:
    centre, chance = CentreWithoutWires(folder, {"hub": "hub", "a": "commune"}), random.Random(11)
    await centre.start()
    session = await centre.plan(("hub", "a"))
    outcomes: Counter[str] = Counter()
    for _ in range(RACES):
        for site in ("hub", "a"):
            await centre.report(site)
        order: list[str] = []

        async def fails(order: list[str] = order) -> None:
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            await centre.report("a", frame=False)
            order.append("failed")

        async def decides(order: list[str] = order) -> None:
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            begun_after = "failed" in order
            try:
                await centre.gates.decide(session, "go", "tests", "", [])
            except Conflict:
                order.append("refused")
            else:
                assert not begun_after, "it had failed, and was committed, before anybody decided"
                order.append("went")

        await asyncio.gather(fails(), decides())
        outcomes[" ".join(order)] += 1
        last = await centre.database.read(_last_decision)
        if "went" in order:
            snapshot = await centre.database.read(lambda db, id=last: find_snapshot(db, id))  # type: ignore[misc]
            assert snapshot is not None and snapshot.go
            (room,) = [each for each in snapshot.sites if each.site == "a"]
            assert room.admitted and all(c.outcome == "pass" for c in room.checks if c.check == "picture_shows")
        assert not centre.gates.judged(session).go, "whatever was decided, the gate shows the failure now"
    centre.close()
    assert outcomes["went failed"] > RACES / 20 and outcomes["failed refused"] > RACES / 20, outcomes


def test_a_session_that_is_cancelled_while_rooms_are_asked_gets_no_go(tmp_path: Path) -> None:
    async def story() -> None:
        centre = CentreWithoutWires(tmp_path, {"hub": "hub", "a": "commune"})
        await centre.start()
        session = await centre.plan(("hub", "a"))
        for site in ("hub", "a"):
            await centre.report(site)
        centre.gates._fresh_within_s = 8.0
        centre.clock.pass_by(11)  # their reports are too old to decide on: they are asked for new ones
        deciding = asyncio.create_task(centre.gates.decide(session, "go", "tests", "", []))
        await asyncio.sleep(0)
        await centre.sessions.cancel(session.id, "Dời")
        for site in ("hub", "a"):
            await centre.report(site)
        with pytest.raises(Conflict, match="changed_meanwhile"):
            await deciding
        assert await centre.database.read(_last_decision) is None
        centre.close()

    asyncio.run(story())


def test_no_go_is_written_over_a_change_that_is_on_its_way_to_the_database(tmp_path: Path) -> None:
    async def story() -> None:
        centre = CentreWithoutWires(tmp_path, {"hub": "hub", "a": "commune", "b": "commune"})
        await centre.start()
        session = await centre.plan(("hub", "a"))
        for site in ("hub", "a"):
            await centre.report(site)
        other = replace(session, sites=("a", "b", "hub"))
        await centre.database.write(lambda db: sessions.change(db, other))  # and memory does not have it yet
        with pytest.raises(Conflict, match="changed_meanwhile"):
            await centre.gates.decide(session, "go", "tests", "", [])
        assert await centre.database.read(_last_decision) is None
        centre.close()

    asyncio.run(story())


def test_every_session_runs_through_the_hub_also_where_nobody_has_named_it(tmp_path: Path) -> None:
    async def story() -> None:
        centre = CentreWithoutWires(tmp_path, {"hub": "hub", "a": "commune", "b": "commune"})
        await centre.start()
        session = await centre.plan(("a",))
        found = {site: [each.id for each in centre.sessions.of_site(site)] for site in ("hub", "a", "b")}
        assert found == {"hub": [session.id], "a": [session.id], "b": []}
        centre.close()

    asyncio.run(story())


def _last_decision(db: Connection) -> str | None:
    found: str | None = db.execute(
        select(decisions.c.snapshot).order_by(decisions.c.at.desc(), decisions.c.id.desc()).limit(1)
    ).scalar()
    return found


# Stages under a server that dies.


def test_a_stage_that_was_begun_when_the_server_died_ends_once(tmp_path: Path) -> None:
    async def story() -> None:
        centre = CentreWithoutWires(tmp_path, {"hub": "hub", "a": "commune"})
        await centre.start()
        session = await centre.plan(("hub", "a"), in_min=100, stages_min=(60,))
        centre.clock.pass_by(41 * 60)
        (stage,) = due_stages(session, set(), centre.clock.now())
        await centre.database.write(
            lambda db: stages.begin(db, stages.StageRow(session.id, stage, centre.clock.now()))
        )  # it begins, and here the server dies
        await centre.start()
        await centre.stages.run_due()
        await centre.stages.run_due()
        (row,) = await centre.stage_rows(session)
        assert row.ended_at is not None and row.snapshot is not None and not row.missed
        centre.close()

    asyncio.run(story())


def test_a_stage_that_comes_late_says_so_and_one_that_nobody_ran_is_missed(tmp_path: Path) -> None:
    async def story() -> None:
        centre = CentreWithoutWires(tmp_path, {"hub": "hub", "a": "commune"})
        await centre.start()
        session = await centre.plan(("hub", "a"), in_min=100, length_min=30, stages_min=(60, 10))
        centre.clock.pass_by(50 * 60)  # the server is away at T-60
        await centre.stages.run_due()
        (row,) = await centre.stage_rows(session)
        assert (row.stage.minutes_before, row.late, row.missed) == (60, True, False)
        centre.clock.pass_by(24 * 3_600)
        await centre.start()
        await centre.stages.run_due()
        rows = {row.stage.minutes_before: row for row in await centre.stage_rows(session)}
        assert rows[10].missed and rows[10].snapshot is None and not rows[60].missed
        centre.close()

    asyncio.run(story())
