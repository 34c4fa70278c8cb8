"""How rooms were: troubles from first sight to cleared, minutes by verdict, and the reports that are made of them."""

import asyncio
import csv
import io
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from fleet_server.domain.findings import Outcome
from fleet_server.domain.gate import Gate, SiteAtGate, steps_of
from fleet_server.domain.history import Hours, Trouble, is_working_day, turn_of, usual_mend_min
from fleet_server.domain.readiness import CheckResult, Judgement, Verdict
from fleet_server.domain.reports import Period, Used, hours_in, report_of
from fleet_server.domain.setbacks import OFFLINE, Key
from fleet_server.errors import Invalid
from fleet_server.history.recorder import Recorder
from fleet_server.reports.desk import ReportDesk
from fleet_server.reports.tables import tables_of
from fleet_server.store.history import minutes_between, troubles_between
from fleet_server.tables import csv_of
from fleet_server.texts import LANGS
from fleet_server.workbook import workbook_of
from tests.counterparts.centre_without_wires import START, CentreWithoutWires

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
HOURS = Hours(time(7), time(17), ZONE)
NOVEMBER = Period(
    date(2026, 11, 1), date(2026, 11, 30), datetime(2026, 11, 1, tzinfo=ZONE), datetime(2026, 12, 1, tzinfo=ZONE)
)


def result(check: str, outcome: Outcome, device: str = "d", counts: bool = True) -> CheckResult:
    return CheckResult(check, "camera", device, outcome, "ok", {}, None, None, None, counts)


def trouble(check: str = "answers", lasted_min: float | None = 30, at: datetime = START, **more: Any) -> Trouble:
    cleared = at + timedelta(minutes=lasted_min) if lasted_min is not None else None
    given = {"site": "a", "device": "d", "family": "f", "outcome": Outcome.FAIL, "counts": True} | more
    return Trouble(check=check, opened_at=at, cleared_at=cleared, mended=cleared is not None, **given)


OUTCOMES = st.dictionaries(st.sampled_from("abc"), st.sampled_from(list(Outcome)[:4]), min_size=1)


@given(st.lists(st.none() | OUTCOMES, max_size=20))
def test_a_trouble_is_open_from_the_first_word_that_is_no_pass_until_a_pass(
    said: list[dict[str, Outcome] | None],
) -> None:
    """None: the room is away. Against a model that keeps nothing but what was heard last of each check."""
    known: dict[Key, Outcome] = {}
    model: set[str] = set()
    for heard in said:
        checks = tuple(result(name, outcome) for name, outcome in (heard or {}).items())
        verdict = Verdict.OFFLINE if heard is None else Verdict.READY
        turn = turn_of(Judgement(verdict, checks, 0.0), known)
        assert not {(check.check, check.device or "") for check in turn.opened} & known.keys(), "opened twice"
        known.update({(check.check, check.device or ""): check.outcome for check in (*turn.opened, *turn.worsened)})
        for key in (*turn.mended, *turn.gone):
            del known[key]
        if heard is None:
            model.add(OFFLINE)
        else:
            model = {name for name, outcome in heard.items() if outcome is not Outcome.PASS}
        assert {check for check, _ in known} == model or (heard is None and model - {OFFLINE} <= {c for c, _ in known})
        assert turn_of(Judgement(verdict, checks, 0.0), known).opened == (), "it is told once"


def test_only_what_took_people_teaches_how_long_it_usually_takes() -> None:
    long, short = [trouble("a", minutes) for minutes in (10, 20, 30, 40, 50)], [trouble("b", 1)] * 50
    warned = [trouble("c", 60, outcome=Outcome.WARN)] * 9
    assert usual_mend_min([*long, *short, *warned, *[trouble("d", 9)] * 4, trouble("e", None)]) == {"a": 30}
    failing = result("a", Outcome.FAIL)
    gate = Gate(False, (SiteAtGate("s", Verdict.NOT_READY, False, (failing, result("b", Outcome.FAIL)), ()),))
    steps = steps_of(gate, {"a": 90})
    assert [(step.check, step.mend_min, step.learnt) for step in steps] == [("a", 90, True), ("b", 15, False)]


@pytest.mark.parametrize(
    ("at", "at_work"),
    [("2026-11-25T00:00Z", True), ("2026-11-24T23:59Z", False), ("2026-11-25T09:59:59Z", True),
     ("2026-11-25T10:00Z", False), ("2026-11-28T03:00Z", False), ("2026-11-22T20:00Z", False)],
)  # fmt: skip
def test_working_hours_are_those_of_the_province(at: str, at_work: bool) -> None:
    assert HOURS.hold(datetime.fromisoformat(at), ()) is at_work


def test_nobody_works_on_a_holiday_nor_on_the_day_that_another_zone_calls_so() -> None:
    tet = {date(2027, 2, 8): "Tết"}
    assert not HOURS.hold(datetime.fromisoformat("2027-02-08T03:00Z"), tet)
    assert HOURS.hold(datetime.fromisoformat("2027-02-09T00:30Z"), tet)
    assert not is_working_day(date(2027, 2, 8), tet) and is_working_day(date(2027, 2, 9), tet)


TROUBLES = st.lists(
    st.builds(
        trouble, st.sampled_from("ab"), st.none() | st.floats(0, 100_000),
        st.integers(0, 80).map(lambda days: datetime(2026, 10, 1, tzinfo=UTC) + timedelta(days=days)),
        site=st.sampled_from("abc"), family=st.sampled_from(["", "f", "g"]), counts=st.booleans(),
        outcome=st.sampled_from([Outcome.WARN, Outcome.FAIL, Outcome.UNKNOWN]),
    ),
    max_size=30,
)  # fmt: skip


@given(TROUBLES, st.dictionaries(st.sampled_from("abc"), st.integers(0, 5)))
def test_a_report_counts_each_trouble_once_and_no_hour_twice(troubles: list[Trouble], sessions: dict[str, int]) -> None:
    used = {site: Used(count) for site, count in sessions.items()}
    found = report_of(NOVEMBER, ("a", "b"), {"a": {"ready": 30, "offline": 10}}, troubles, used, {"a": 2}, {"f": 4})
    mine = [each for each in troubles if each.site in ("a", "b")]
    assert sum(line.times for line in found.causes) == sum(each.counts for each in mine)
    assert sum(line.times for line in found.families) == sum(bool(each.family) for each in mine)
    assert sum(wolf.times for wolf in found.wolves) == len(mine)
    assert all(0 <= hours_in(each, NOVEMBER) <= 30 * 24 for each in mine)
    assert {line.site for line in found.sites} == {"a", "b"}
    shares = {line.site: line.ready_share for line in found.sites}
    assert shares == {"a": 0.75, "b": None}
    assert set(found.unused) == {site for site in ("a", "b") if not sessions.get(site)}
    assert all(0 <= wolf.share <= 1 for wolf in found.wolves)
    for lang in LANGS:
        tables = tables_of(found, {"a": "=1+1", "b": "Xã Mường Lát"}, lang)
        assert all(len(row) == len(table.columns) for table in tables for row in table.rows)


def test_a_check_cries_wolf_when_it_is_mostly_over_before_anybody_came() -> None:
    nothing = [trouble("wolf", 1)] * 8 + [trouble("wolf", 60)] * 4
    serious = [trouble("fire", 60)] * 12
    found = report_of(NOVEMBER, ("a",), {}, [*nothing, *serious], {}, {"fire": 1}, {})
    assert [(wolf.check, wolf.cries_wolf) for wolf in found.wolves] == [("wolf", True), ("fire", False)]
    (first, *_) = found.causes
    assert (first.name, first.times, first.mend_median_min, first.mend_p90_min) == ("fire", 12, 60, 60)


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[CentreWithoutWires]:
    made = CentreWithoutWires(tmp_path, {"38-1": "commune", "38-2": "commune"})
    yield made
    made.close()


def recorder_of(centre: CentreWithoutWires) -> Recorder:
    return Recorder(centre.database, centre.fleet, centre.stream, centre.clock, HOURS, dict)


def of(centre: CentreWithoutWires) -> list[Trouble]:
    """What made a room not ready."""
    first, last = START - timedelta(days=1), START + timedelta(days=40)
    return [each for each in centre.database.read_now(lambda db: troubles_between(db, first, last)) if each.counts]


async def minutes(centre: CentreWithoutWires, recorder: Recorder, count: int, **said: Any) -> None:
    """So many minutes in which the room reports as it should."""
    for _ in range(count * 6):
        centre.clock.pass_by(10)
        await centre.report("38-1", **said)
        recorder._moved.add("38-1")
        await recorder.look()


def test_what_befell_a_room_is_written_once_and_a_restart_of_the_server_adds_nothing(
    centre: CentreWithoutWires,
) -> None:
    async def live() -> None:
        await centre.start()
        recorder = recorder_of(centre)
        await recorder.load()
        await centre.report("38-1")
        await centre.set_up("38-1")
        await minutes(centre, recorder, 2)
        await minutes(centre, recorder, 10, conference_running=False)
        (found,) = of(centre)
        assert (found.check, found.outcome, found.counts, found.cleared_at) == (
            "conference_runs",
            Outcome.FAIL,
            True,
            None,
        )
        centre.clock.pass_by(3)
        await centre.start()
        recorder = recorder_of(centre)
        await recorder.load()
        await recorder.look()
        await minutes(centre, recorder, 5, conference_running=False)
        await centre.go_away("38-1")
        recorder._moved.add("38-1")
        centre.clock.pass_by(2)
        await recorder.look()
        assert [(each.check, each.cleared_at is None) for each in of(centre)] == [
            ("conference_runs", True),
            (OFFLINE, True),
        ]
        await minutes(centre, recorder, 5)

    asyncio.run(live())
    runs, away = of(centre)
    assert runs.mended and runs.cleared_at is not None and away.mended
    assert 14 < (runs.cleared_at - runs.opened_at).total_seconds() / 60 < 17
    told = centre.database.read_now(lambda db: minutes_between(db, NOVEMBER.first, NOVEMBER.last))
    assert told.keys() == {"38-1"}, "the other was never set up"
    assert sum(told["38-1"].values()) in range(15, 23) and told["38-1"]["not_ready"] >= 10


def test_a_report_tells_what_the_recorder_wrote_and_can_be_taken_away(centre: CentreWithoutWires) -> None:
    async def live() -> list[Any]:
        await centre.start()
        recorder, reports = recorder_of(centre), ReportDesk(centre.database, centre.clock, ZONE)
        await recorder.load()
        await centre.report("38-1")
        await centre.set_up("38-1")
        await centre.plan(("38-1",), in_min=1)
        await minutes(centre, recorder, 6)
        await minutes(centre, recorder, 12, conference_running=False)
        await minutes(centre, recorder, 12)
        found = await reports.report(reports.period("2026-11"), centre.fleet.entries)
        return tables_of(found, {"38-1": "=Phường", "38-2": "Xã B"}, "vi")

    tables = asyncio.run(live())
    by_name = {table.name: table for table in tables}
    assert by_name["unused"].rows == (("Xã B",),)
    (cause,) = by_name["causes"].rows
    assert cause[1:3] == (1, 1) and cause[4] == pytest.approx(12, abs=1)
    (one, other) = by_name["sites"].rows
    assert one[0] == "=Phường" and one[5] == 1 and one[1] + one[2] == pytest.approx(60, abs=12) and other[1] is None
    rows = list(csv.reader(io.StringIO(csv_of(by_name["sites"]).decode("utf-8-sig"))))
    assert rows[1][0] == "'=Phường", "no formula in whose name it may be"
    book = load_workbook(io.BytesIO(workbook_of(tables, "none")))
    assert len(book.sheetnames) == 6 and book.worksheets[0]["B2"].value == one[1]


@pytest.mark.parametrize(
    ("first", "last"),
    [("2026-13", ""), ("x", ""), ("2026-11-01", ""), ("2026-11", "2026-10"), ("2020-01", "2026-11"), ("0000-01", ""),
     ("9999-12", ""), ("", "9999-12"), ("2026-1", "")],
)  # fmt: skip
def test_a_period_that_cannot_be_is_refused(centre: CentreWithoutWires, first: str, last: str) -> None:
    with pytest.raises(Invalid):
        ReportDesk(centre.database, centre.clock, ZONE).period(first, last)


def test_a_period_is_whole_months_of_the_province(centre: CentreWithoutWires) -> None:
    period: Callable[..., Period] = ReportDesk(centre.database, centre.clock, ZONE).period
    assert period() == period("2026-11") == period("2026-11", "2026-11") == period("", "2026-11") == NOVEMBER
    assert period("2026-02", "2026-11").begins == datetime(2026, 1, 31, 17, tzinfo=UTC)
