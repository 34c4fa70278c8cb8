"""What holds of every plan, stage, series and setback, whatever the numbers."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet_server.domain.findings import Outcome
from fleet_server.domain.gate import gate_of, steps_of, too_old
from fleet_server.domain.readiness import CheckResult, Judgement, Room, Verdict
from fleet_server.domain.recordings import GIVE_UP_AFTER, is_due, still_records, window
from fleet_server.domain.rehearsals import Point, compare, wrong_in
from fleet_server.domain.series import Rhythm, days_of, is_sound, moments_of
from fleet_server.domain.sessions import (
    LIVE_BEFORE,
    Needs,
    Session,
    clashes,
    is_live,
    is_near,
    taken_mbit_s,
    wrong_plan,
)
from fleet_server.domain.setbacks import OFFLINE, base_of, change_of
from fleet_server.domain.stages import Stage, due_stages, is_late, is_missed, stages_of
from fleet_server.domain.vitals import STALE_S, Vitals, vitals_of
from fleet_server.sessions.calendar import calendar_of
from fleet_server.sessions.pasted import sites_in
from fleet_server.store.sites import SiteRow
from tests.counterparts.spoken_room import about_of_room, report_of_room
from wire.ids import uuid7

NOW = datetime(2026, 11, 25, 1, 0, tzinfo=UTC)
HUB = frozenset({"hub"})
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
ABOUT = about_of_room()
MINUTES = st.integers(-3_000, 3_000)


def session(start_min: int = 60, length_min: int = 60, sites: Iterable[str] = ("hub", "a"), **more: object) -> Session:
    starts_at = NOW + timedelta(minutes=start_min)
    known = {"id": "s", "planned_at": NOW, **more}
    return Session(
        title="t", kind="periodic", chair="", starts_at=starts_at, ends_at=starts_at + timedelta(minutes=length_min),
        sites=tuple(sites), **known,  # type: ignore[arg-type]
    )  # fmt: skip


# Stages.


@given(st.lists(st.integers(1, 20_160), max_size=12, unique=True), MINUTES, MINUTES)
def test_every_stage_is_before_the_start_and_none_before_the_plan(
    minutes: list[int], start_min: int, planned_min: int
) -> None:
    planned_at = NOW + timedelta(minutes=planned_min)
    found = stages_of(session(start_min, stages_min=tuple(minutes), planned_at=planned_at))
    assert found == sorted(found) and len(set(found)) == len(found) <= len(minutes)
    assert bool(found) == bool(minutes), "a session has at least the one that is run at once"
    assert all(stage.due_at >= planned_at for stage in found)
    wanted = {m for m in minutes if NOW + timedelta(minutes=start_min - m) >= planned_at}
    assert {stage.minutes_before for stage in found} == (
        wanted or set(minutes[:0]) or {min(minutes)} if minutes else set()
    )


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4_000)), max_size=40))
def test_whatever_the_clock_does_each_stage_is_run_once_and_none_is_left(ticks: list[tuple[bool, int]]) -> None:
    """Time passes, jumps back and forth, and the server is away now and then: what is done is what was written down."""
    known = session(3_000)
    done: list[Stage] = []
    now = NOW
    for is_up, minutes in ticks:
        now += timedelta(minutes=minutes if minutes % 5 else -minutes // 3)
        if is_up:
            for stage in due_stages(known, set(done), now):
                done.append(stage)
    for stage in due_stages(known, set(done), known.ends_at):
        done.append(stage)
    assert sorted(done) == stages_of(known)
    assert due_stages(known, set(done), known.ends_at + timedelta(days=9)) == []


def test_a_cancelled_session_has_no_stage_and_a_late_one_says_so() -> None:
    assert stages_of(session(cancelled_at=NOW)) == []
    stage = stages_of(session(60))[0]
    assert stage == Stage(NOW + timedelta(minutes=30), 30)
    assert not is_late(stage, stage.due_at + timedelta(seconds=59)) and is_late(
        stage, stage.due_at + timedelta(minutes=2)
    )
    assert is_missed(session(60), NOW + timedelta(minutes=120)) and not is_missed(
        session(60), NOW + timedelta(minutes=119)
    )


# Clashes.


@given(st.lists(st.tuples(MINUTES, st.integers(1, 600), st.sets(st.sampled_from("abcde"), min_size=1)), max_size=6))
def test_two_sessions_clash_when_a_room_or_the_line_is_wanted_twice(others: list[tuple[int, int, set[str]]]) -> None:
    plan = session(0, 120, ("hub", "a", "b"), id="plan")
    known = [session(s, n, {"hub", *rooms}, id=str(i)) for i, (s, n, rooms) in enumerate(others)]
    found = {clash.session: clash for clash in clashes(plan, known, HUB, 7.0)}
    early = LIVE_BEFORE
    for other in known:
        meets = plan.starts_at - early < other.ends_at and other.starts_at - early < plan.ends_at
        rooms = {"a", "b"} & set(other.sites) if meets else set()
        assert set(found[other.id].rooms if other.id in found else ()) == rooms
    at_minute = [
        sum(2.0 * len(set(each.sites) - HUB) for each in [plan, *known] if each.starts_at <= moment < each.ends_at)
        for moment in (NOW + timedelta(minutes=m) for m in range(120))
    ]  # fmt: skip
    assert taken_mbit_s(plan, known, HUB) == max(at_minute)
    too_much = {clash.needed_mbit_s for clash in found.values()} - {0.0}
    assert too_much == (
        {max(at_minute)} if max(at_minute) > 7.0 and len(known) and _others_in_it(plan, known) else set()
    )


def _others_in_it(plan: Session, known: list[Session]) -> bool:
    """Whether it takes another session for the line to be too narrow."""
    return taken_mbit_s(plan, known, HUB) > taken_mbit_s(plan, [], HUB)


def test_what_is_cancelled_or_itself_does_not_clash_and_a_spare_does() -> None:
    plan = session(id="plan")
    assert clashes(plan, [plan, replace(plan, id="x", cancelled_at=NOW)], HUB, 0) == []
    standing_by = session(sites=("hub", "z"), id="x", spares=("a",))
    assert clashes(plan, [standing_by], HUB, 0)[0].rooms == ("a",)


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({}, None),
        ({"stages_min": (0,)}, "sessions.wrong_stages"),
        ({"stages_min": tuple(range(1, 20))}, "sessions.wrong_stages"),
        ({"stages_min": (30_000,)}, "sessions.wrong_stages"),
        ({"spares": ("a",)}, "sessions.spare_takes_part"),
    ],
)
def test_a_plan_says_what_is_wrong_with_it(changed: dict[str, object], key: str | None) -> None:
    assert (wrong_plan(session(**changed), NOW) or {}).get("key") == key  # type: ignore[arg-type]


def test_a_rehearsal_or_a_cancelled_session_holds_nobody_up() -> None:
    at = NOW + timedelta(minutes=90)
    assert is_live(session(), at) and is_near(session(), NOW) and not is_near(session(61), NOW)
    for changed in ({"is_rehearsal": True}, {"cancelled_at": NOW}):
        assert not is_live(session(**changed), at) and not is_near(session(**changed), at)  # type: ignore[arg-type]


# Series.


RHYTHMS = st.builds(
    Rhythm, every=st.sampled_from(["month_day", "month_weekday", "week"]), day=st.integers(-1, 31),
    weekday=st.integers(0, 6), on_working_days=st.booleans(),
).filter(is_sound)  # fmt: skip


@given(RHYTHMS, st.dates(date(2024, 1, 1), date(2030, 1, 1)), st.integers(0, 400))
def test_the_days_of_a_series_are_those_of_the_calendar(rhythm: Rhythm, first: date, length: int) -> None:
    last = first + timedelta(days=length)
    assert days_of(rhythm, first, last) == sorted(
        {day for day in _by_hand(rhythm, first, last) if first <= day <= last}
    )


def _by_hand(rhythm: Rhythm, first: date, last: date) -> Iterable[date]:
    day = first - timedelta(days=40)
    while day <= last:
        month_after = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
        length = (month_after - timedelta(days=1)).day
        if rhythm.every == "week":
            is_one = day.weekday() == rhythm.weekday
        elif rhythm.every == "month_day":
            is_one = day.day == min(rhythm.day, length)
        else:
            which = (day.day - 1) // 7 + 1
            is_last = day.day + 7 > length
            is_one = day.weekday() == rhythm.weekday and (is_last if rhythm.day == -1 else which == rhythm.day)
        if is_one:
            moved = rhythm.on_working_days and day.weekday() >= 5
            yield day + timedelta(days=7 - day.weekday()) if moved else day
        day += timedelta(days=1)


def test_the_hour_of_a_series_is_the_provinces() -> None:
    starts_at, ends_at = moments_of(date(2026, 12, 15), time(8), timedelta(hours=3), ZONE)
    assert starts_at == datetime(2026, 12, 15, 1, 0, tzinfo=UTC) and ends_at - starts_at == timedelta(hours=3)


# The gate.


def check(name: str, outcome: Outcome, counts: bool = True, mend_min: int = 15, device: str = "d") -> CheckResult:
    return CheckResult(name, "camera", device, outcome, "k", {}, None, None, 0.0, counts, mend_min=mend_min)


OUTCOMES = st.sampled_from([Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.UNKNOWN])
CHECKS = st.lists(
    st.builds(check, st.sampled_from(["x", "y", "z"]), OUTCOMES, st.booleans(), st.integers(1, 99)), max_size=8,
    unique_by=lambda found: found.check,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from("abcdef"), CHECKS, max_size=6))
def test_what_is_to_be_done_first_blocks_and_takes_longest(rooms: dict[str, list[CheckResult]]) -> None:
    gate = gate_of({site: Judgement(Verdict.NOT_READY, tuple(found), 0.0) for site, found in rooms.items()}, (), NOW)
    steps = steps_of(gate)
    wrong = {(site, c.check) for site, found in rooms.items() for c in found if c.outcome is not Outcome.PASS}
    assert {(site, step.check) for step in steps for site in step.sites} == wrong
    assert [step.blocks for step in steps] == sorted((step.blocks for step in steps), reverse=True)
    for earlier, later in pairwise(steps):
        assert earlier.blocks > later.blocks or earlier.mend_min >= later.mend_min


@given(st.dictionaries(st.sampled_from("abc"), st.none() | st.floats(0, 100), min_size=1), st.floats(100, 200))
def test_a_decision_rests_on_no_report_that_is_older_than_ten_seconds(
    report_at: dict[str, float | None], now: float
) -> None:
    judged = {site: Judgement(Verdict.READY, (check("x", Outcome.PASS),), 0.0) for site in report_at}
    gate = gate_of(judged, (), NOW, report_at)
    assert set(too_old(gate, now, report_at)) == {s for s, at in report_at.items() if at is None or now - at > 10}
    assert too_old(gate, now, ()) == [], "where there is no agent there is no report"


# What became worse.


RANK = {Outcome.PASS: 0, Outcome.WARN: 1, Outcome.UNKNOWN: 2, Outcome.FAIL: 2}


@given(CHECKS, st.lists(st.tuples(st.booleans(), CHECKS), max_size=12))
def test_setbacks_are_what_is_worse_than_at_the_decision_and_an_unknown_clears_nothing(
    before: list[CheckResult], later: list[tuple[bool, list[CheckResult]]]
) -> None:
    base, open_ones = base_of(before), {}
    for is_offline, now in later:
        verdict = Verdict.OFFLINE if is_offline else Verdict.READY
        change = change_of(base, Judgement(verdict, tuple(now), 0.0), open_ones)
        for trouble in change.opened:
            assert (trouble.check, trouble.device) not in open_ones
            if trouble.check != OFFLINE:
                assert RANK[trouble.outcome] > RANK[base.get((trouble.check, trouble.device), Outcome.PASS)]
        for key in change.cleared:
            assert key in open_ones and not is_offline
            found = next((c for c in now if (c.check, c.device or "") == key), None)
            assert key[0] == OFFLINE or (found is not None and found.outcome is not Outcome.UNKNOWN)
        if is_offline:
            assert change.cleared == () and {t.check for t in change.opened} <= {OFFLINE}
        open_ones |= {(t.check, t.device): t.outcome for t in (*change.opened, *change.worsened)}
        for key in change.cleared:
            del open_ones[key]
        if not is_offline:
            worse = {
                (c.check, c.device or "") for c in now
                if RANK[c.outcome] > RANK[base.get((c.check, c.device or ""), Outcome.PASS)]
            }  # fmt: skip
            assert worse <= open_ones.keys(), "something is worse and nobody knows"


# What people paste, and what calendars read.

SITES = [
    SiteRow("38-1", "14758", "Phường Hàm Rồng", "commune", None, 0, 0, None, None),
    SiteRow("38-2", "14797", "Phường Hạc Thành", "commune", None, 0, 0, None, None),
    SiteRow("38-3", "", "Xã Quảng Chính", "commune", None, 0, 0, None, None),
    SiteRow("38-4", "", "Xã Quảng Chính", "commune", None, 0, 0, None, None),
]


@pytest.mark.parametrize(
    ("text", "found", "unknown"),
    [
        ("38-1\n38-2", ["38-1", "38-2"], []),
        ("1\tPhường Hàm Rồng\t0912\n2\tphường  hạc thành", ["38-1", "38-2"], []),
        ("14758;14797", [], ["14758;14797"]),
        ("Phường Hạc Thành\n38-2\n\n  \n", ["38-2"], []),
        ("Phu\u031bo\u031b\u0300ng Ha\u0323c Tha\u0300nh", ["38-2"], []),
        ("Xã Quảng Chính", [], ["Xã Quảng Chính"]),
        ("38-3\tXã Quảng Chính", ["38-3"], []),
        ("STT\tĐiểm cầu\n1.\n2)", [], ["STT\tĐiểm cầu"]),
        ("38-1\tPhường Hạc Thành", [], ["38-1\tPhường Hạc Thành"]),
    ],
)
def test_pasted_lines_name_sites_by_id_code_or_name(text: str, found: list[str], unknown: list[str]) -> None:
    assert sites_in(text, SITES) == (found, unknown)


@given(st.text(max_size=300))
def test_whatever_is_pasted_names_only_sites_that_there_are(text: str) -> None:
    found, _ = sites_in(text, SITES)
    assert len(found) == len(set(found)) and set(found) <= {site.id for site in SITES}


@given(st.text(max_size=60), st.booleans())
def test_a_calendar_can_be_read_whatever_a_session_is_called(title: str, cancelled: bool) -> None:
    from icalendar import Calendar

    assume(title.strip())
    known = replace(session(), title=title, cancelled_at=NOW if cancelled else None)
    read = Calendar.from_ical(calendar_of("Phiên", [known], {"a": "Xã A\r\nBEGIN:VEVENT"}, NOW))
    (event,) = read.walk("VEVENT")
    assert event["dtstart"].dt == known.starts_at and event["dtend"].dt == known.ends_at
    assert event["status"] == ("CANCELLED" if cancelled else "CONFIRMED")


def test_needs_have_sane_defaults() -> None:
    assert session().needs == Needs(2.0, 0.25)


CHECK_RESULTS = st.dictionaries(st.sampled_from("abc"), st.sampled_from([Outcome.PASS, Outcome.WARN, Outcome.FAIL]))


@given(
    st.dictionaries(st.sampled_from("12345"), CHECK_RESULTS), st.dictionaries(st.sampled_from("12345"), CHECK_RESULTS)
)
def test_what_was_wrong_in_a_rehearsal_is_wrong_again_or_mended_and_nothing_is_told_twice(
    before: dict[str, dict[str, Outcome]], now: dict[str, dict[str, Outcome]]
) -> None:
    def wrong(found: dict[str, dict[str, Outcome]]) -> dict[str, set[Point]]:
        return {
            site: wrong_in(site, Verdict.READY, [_result(check, outcome) for check, outcome in of_it.items()])
            for site, of_it in found.items()
        }

    found = compare(wrong(before), wrong(now))
    for site in before.keys() & now.keys():
        for check in "abc":
            was, is_now = (given.get(site, {}).get(check) is Outcome.FAIL for given in (before, now))
            point = Point(check, site)
            assert (point in found.again) == (was and is_now)
            assert (point in found.new) == (is_now and not was)
            assert (point in found.mended) == (was and not is_now)
    told = [*found.again, *found.new, *found.mended]
    assert len(told) == len(set(told)) and {point.site for point in told} <= before.keys() & now.keys()


def test_a_room_that_is_away_is_one_point_of_a_comparison() -> None:
    assert wrong_in("1", Verdict.OFFLINE, [_result("a", Outcome.FAIL)]) == {Point(OFFLINE, "1")}


def _result(check: str, outcome: Outcome) -> CheckResult:
    return CheckResult(check, "pc", None, outcome, "ok", {}, None, None, None, True)


ROLES = {device.id: device.role for device in ABOUT.devices}


def test_what_is_shown_of_a_room_in_session_is_what_it_said_within_the_last_minute() -> None:
    said = report_of_room(ABOUT, uuid7(), 1, power_source="battery", recording_grows=False)
    room = Room(True, said, ABOUT, 1_000.0)
    found = vitals_of(room, ROLES, 1_010.0)
    assert (found.power_source, found.records, found.latency_ms, found.hours_left) == ("battery", False, 14.0, 900.0)
    assert vitals_of(room, ROLES, 1_000.0 + STALE_S) == Vitals(), "what is old is not shown as if it were so"
    assert vitals_of(replace(room, present=False), ROLES, 1_010.0) == Vitals()
    assert vitals_of(Room(True), {}, 0.0) == Vitals()


def test_a_recording_that_was_sealed_is_of_its_own_session() -> None:
    first = session(120)
    second = replace(first, id="2", starts_at=first.ends_at + timedelta(minutes=30))
    from_s, to_s = window(first, [second.starts_at])
    assert from_s == (first.starts_at - timedelta(minutes=10)).timestamp()
    assert to_s == (first.ends_at + timedelta(minutes=20)).timestamp()
    assert window(first, [])[1] == (first.ends_at + timedelta(hours=2)).timestamp()
    assert window(first, [first.ends_at])[1] == first.ends_at.timestamp()
    over = first.ends_at + timedelta(minutes=3)
    assert is_due(first, None, over) and not is_due(first, None, first.ends_at)
    assert not is_due(first, over, over + timedelta(minutes=59)) and is_due(first, over, over + timedelta(hours=1))
    assert not is_due(first, None, first.ends_at + GIVE_UP_AFTER)
    assert still_records(first, True, over) and not still_records(first, None, over)
    assert not still_records(first, True, over + timedelta(hours=2))
