"""Firmware on its way to cameras: for whom it is, when, what a power cut costs, and where it ends."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_server.domain.commands import FINAL, State
from fleet_server.domain.firmware_campaigns import MOST_TRIES, Try, standing_of
from fleet_server.domain.windows import ALWAYS, Window, window_in

NOW = datetime(2026, 11, 26, 1, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def tried(state: State, detail: str = "", answer_by: datetime = LATER) -> Try:
    return Try(state, detail, answer_by)


def test_a_try_that_was_cut_off_is_made_again_and_a_refusal_is_not() -> None:
    assert standing_of([], False, NOW).may_be_asked
    assert not standing_of([tried(State.RUNNING)], True, NOW).has_taken, "it is still at it"
    for detail in ("upload_broke", "old_firmware", "agent_stopped"):
        again = [tried(State.FAILED, detail)] * (MOST_TRIES - 1)
        assert standing_of(again, False, NOW).may_be_asked
        assert standing_of([*again, again[0]], False, NOW).failed == detail, "three times is enough"
    for detail in ("image_refused", "camera_failed", "did_not_come_back"):
        assert standing_of([tried(State.FAILED, detail)], False, NOW).failed == detail


def test_a_try_without_the_image_is_none_and_the_image_is_waited_for() -> None:
    without = [tried(State.FAILED, "image_not_here")] * (MOST_TRIES + 1)
    assert standing_of(without, False, NOW) == standing_of([tried(State.RUNNING)], False, NOW)
    assert standing_of(without, False, LATER + timedelta(seconds=1)).may_be_asked


def test_the_device_has_the_last_word_on_what_it_runs() -> None:
    assert standing_of([tried(State.INTERRUPTED, "agent_stopped")], True, NOW).has_taken
    assert standing_of([tried(State.FAILED, "did_not_come_back")], True, NOW).has_taken, "it came back after all"
    done = tried(State.SUCCEEDED, answer_by=NOW + timedelta(minutes=1))
    assert standing_of([done], False, NOW) == standing_of([tried(State.RUNNING)], False, NOW), "its word is on its way"
    assert standing_of([done], False, NOW + timedelta(minutes=2)).failed == "not_seen"


@given(st.lists(st.builds(tried, st.sampled_from(State), st.sampled_from(["upload_broke", "image_refused", ""]))),
       st.booleans())  # fmt: skip
def test_a_device_is_never_asked_while_a_command_is_under_way_nor_more_often_than_allowed(
    tries: list[Try], is_running_it: bool
) -> None:
    found = standing_of(tries, is_running_it, NOW)
    assert sum((found.has_taken, bool(found.failed), found.may_be_asked)) <= 1
    if found.may_be_asked:
        assert not is_running_it and (not tries or tries[-1].state in FINAL)
        counted = [each for each in tries if each.state is not State.EXPIRED]
        assert len(counted) < MOST_TRIES or tries[-1].state is State.EXPIRED


@pytest.mark.parametrize(
    ("text", "moment", "open_then"),
    [("20:00-05:00", time(23), True), ("20:00-05:00", time(4, 59), True), ("20:00-05:00", time(5), False),
     ("20:00-05:00", time(12), False), ("12:00-13:00", time(12), True), ("12:00-13:00", time(13), False)],
)  # fmt: skip
def test_a_window_is_open_when_it_says(text: str, moment: time, open_then: bool) -> None:
    window = window_in(text)
    assert window is not None and window.holds(moment) is open_then


@given(st.times(), st.times(), st.times())
def test_two_windows_with_the_same_ends_make_a_day(begins: time, ends: time, moment: time) -> None:
    if begins != ends:
        assert Window(begins, ends).holds(moment) is not Window(ends, begins).holds(moment)


def test_what_is_no_window_is_none_and_nothing_is_always() -> None:
    assert window_in("") == ALWAYS and ALWAYS.holds(time(3))
    for wrong in ("24:00-05:00", "20-5", "20:00–05:00", "20:00-05:60", "20:00-05:00\n"):
        assert window_in(wrong) is None
