"""When a room believes its own clock: only beside the centre's, which no hand in the room can move."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edge_agent.clock_trust import MAY_DIFFER_S, ClockTrust

NOON = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
ROUNDING_S = 0.002
"""The wire carries milliseconds, and a timedelta microseconds."""


class ClockInHand:
    """Passes and is set by the test alone. `true` is what the centre's clock says at the same moment."""

    def __init__(self, began_s: float = 7_000.0) -> None:
        self._began_s = began_s
        self._passed_s = self.wrong_by_s = 0.0

    @property
    def true(self) -> datetime:
        """The right time."""
        return NOON + timedelta(seconds=self._passed_s)

    def now(self) -> datetime:
        """What the wall clock says."""
        return self.true + timedelta(seconds=self.wrong_by_s)

    def monotonic(self) -> float:
        """What nobody can set."""
        return self._began_s + self._passed_s

    def passes(self, seconds: float) -> None:
        """Time goes on."""
        self._passed_s += seconds


def measured(clock: ClockInHand, answer_s: float = 0.2) -> ClockTrust:
    """A clock that the centre has answered once: it was asked, and has signed the time at which the answer came."""
    trust = ClockTrust(clock)
    trust.asked(5)
    clock.passes(answer_s)
    trust.answered(5, clock.true)
    return trust


def test_a_clock_is_not_believed_before_the_centre_has_answered() -> None:
    clock = ClockInHand()
    trust = ClockTrust(clock)
    assert not trust.is_measured and not trust.is_trusted()
    trust.asked(5)
    clock.passes(0.2)
    assert not trust.is_measured and not trust.is_trusted()


def test_a_right_clock_is_believed_once_the_centre_has_answered() -> None:
    clock = ClockInHand()
    trust = measured(clock)
    assert trust.is_measured and trust.is_trusted()
    clock.passes(90 * 86_400)
    assert trust.is_trusted()


def test_a_clock_that_was_wrong_when_the_centre_answered_is_measured_and_not_believed() -> None:
    clock = ClockInHand()
    clock.wrong_by_s = -3 * 365 * 86_400
    trust = measured(clock)
    assert trust.is_measured and not trust.is_trusted()
    clock.wrong_by_s = 0.0
    assert trust.is_trusted()


@pytest.mark.parametrize("wrong_by_s", [-7_200.0, -61.0, 61.0, 7_200.0, 1e9])
def test_a_clock_that_is_set_is_believed_again_when_it_is_put_right(wrong_by_s: float) -> None:
    clock = ClockInHand()
    trust = measured(clock)
    for _ in range(2):
        clock.passes(600)
        clock.wrong_by_s = wrong_by_s
        assert trust.is_measured and not trust.is_trusted()
        clock.passes(600)
        assert not trust.is_trusted()
        clock.wrong_by_s = 0.0
        assert trust.is_trusted()


@pytest.mark.parametrize(("answer_s", "is_measured"), [(0.0, True), (29.9, True), (30.0, True), (30.1, False)])
def test_an_answer_that_took_too_long_says_nothing(answer_s: float, is_measured: bool) -> None:
    trust = measured(ClockInHand(), answer_s)
    assert trust.is_measured is trust.is_trusted() is is_measured


def test_an_answer_that_took_too_long_takes_nothing_back() -> None:
    clock = ClockInHand()
    trust = measured(clock)
    trust.asked(6)
    clock.passes(31)
    trust.answered(6, clock.true - timedelta(hours=2))
    assert trust.is_measured and trust.is_trusted()


def test_a_question_that_is_sent_again_counts_from_its_first_time() -> None:
    clock = ClockInHand()
    trust = ClockTrust(clock)
    for _ in range(4):
        trust.asked(5)
        clock.passes(10)
    trust.answered(5, clock.true)
    assert not trust.is_measured


def test_the_next_question_measures_when_the_first_answer_was_too_late() -> None:
    clock = ClockInHand()
    trust = measured(clock, 31)
    trust.asked(6)
    clock.passes(1)
    trust.answered(6, clock.true)
    assert trust.is_trusted()


@pytest.mark.parametrize("through", [0, 4])
def test_an_answer_to_what_was_not_asked_says_nothing(through: int) -> None:
    clock = ClockInHand()
    trust = ClockTrust(clock)
    trust.answered(through, clock.true)
    trust.asked(5)
    trust.answered(through, clock.true)
    assert not trust.is_measured and not trust.is_trusted()
    trust.answered(5, clock.true)
    assert trust.is_trusted()


def test_an_answer_that_comes_twice_says_nothing_the_second_time() -> None:
    clock = ClockInHand()
    trust = measured(clock)
    said_at = clock.true
    clock.passes(3_600)
    trust.answered(5, said_at)
    assert trust.is_trusted()
    clock.wrong_by_s = -3_600.0
    assert not trust.is_trusted()


def test_an_answer_to_several_questions_is_measured_by_the_last() -> None:
    clock = ClockInHand()
    trust = ClockTrust(clock)
    trust.asked(5)
    clock.passes(40)
    trust.asked(55)
    clock.passes(1)
    trust.answered(55, clock.true)
    assert trust.is_measured
    clock.wrong_by_s = MAY_DIFFER_S + 2
    assert not trust.is_trusted()


def test_an_answer_to_a_part_leaves_the_rest_asked() -> None:
    clock = ClockInHand()
    trust = ClockTrust(clock)
    trust.asked(5)
    clock.passes(40)
    trust.asked(55)
    trust.answered(5, clock.true)
    assert not trust.is_measured
    trust.answered(55, clock.true)
    assert trust.is_trusted()


def test_the_newest_answer_counts() -> None:
    clock = ClockInHand()
    trust = measured(clock, 20)
    clock.wrong_by_s = 70.0
    assert trust.is_trusted(), "the first answer left 20 s in doubt"
    trust.asked(6)
    trust.answered(6, clock.true)
    assert not trust.is_trusted()


def test_a_thousand_questions_without_an_answer_are_answered_by_one() -> None:
    clock = ClockInHand()
    trust = ClockTrust(clock)
    for n in range(1_000):
        trust.asked(n)
        clock.passes(1)
    trust.answered(999, clock.true)
    assert trust.is_trusted()


@given(
    began_s=st.floats(0, 1e8), answer_s=st.floats(0, 30), later_s=st.floats(0, 3e8),
    drift_s=st.floats(-200, 200) | st.floats(-1e9, 1e9),
)  # fmt: skip
def test_a_clock_is_believed_when_it_differs_by_a_minute_and_the_doubt_at_most(
    began_s: float, answer_s: float, later_s: float, drift_s: float
) -> None:
    clock = ClockInHand(began_s)
    trust = measured(clock, answer_s)
    clock.passes(later_s)
    clock.wrong_by_s = drift_s
    beyond_s = abs(drift_s) - (MAY_DIFFER_S + answer_s)
    assume(abs(beyond_s) > ROUNDING_S)
    assert trust.is_trusted() is (beyond_s < 0)


@given(
    answer_s=st.floats(0, 30), share=st.floats(0, 1), later_s=st.floats(0, 3e8),
    drift_s=st.floats(-200, 200) | st.floats(-1e9, 1e9),
)  # fmt: skip
def test_whenever_between_question_and_answer_the_centre_signed_a_right_clock_is_believed_and_a_wrong_one_is_not(
    answer_s: float, share: float, later_s: float, drift_s: float
) -> None:
    clock = ClockInHand()
    trust = ClockTrust(clock)
    trust.asked(5)
    clock.passes(answer_s * share)
    signed_at = clock.true
    clock.passes(answer_s * (1 - share))
    trust.answered(5, signed_at)
    clock.passes(later_s)
    clock.wrong_by_s = drift_s
    if abs(drift_s) <= MAY_DIFFER_S - ROUNDING_S:
        assert trust.is_trusted()
    elif abs(drift_s) > MAY_DIFFER_S + 2 * answer_s + ROUNDING_S:
        assert not trust.is_trusted()


@given(st.lists(st.tuples(st.sampled_from(["ask", "answer", "pass"]), st.integers(0, 40)), max_size=60))
def test_a_right_clock_is_believed_from_the_first_timely_answer_on_whatever_is_asked(
    story: list[tuple[str, int]],
) -> None:
    clock = ClockInHand()
    trust = ClockTrust(clock)
    open_since: dict[int, float] = {}
    timely = False
    for act, n in story:
        if act == "ask":
            trust.asked(n)
            if not open_since or n > max(open_since):
                open_since[n] = clock.monotonic()
        elif act == "answer":
            answered = [open_since.pop(known) for known in sorted(open_since) if known <= n]
            timely = timely or bool(answered and clock.monotonic() - answered[-1] <= 30)
            trust.answered(n, clock.true)
        else:
            clock.passes(n)
        assert trust.is_measured is trust.is_trusted() is timely
