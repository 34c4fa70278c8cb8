"""A change in waves: never too far ahead, never in a busy room, and it stops where a room suffers."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet_server.domain.waves import (
    GIVEN_UP,
    WATCHED,
    WAVES,
    Facts,
    State,
    Step,
    WaveRoom,
    accepted,
    offered,
    planned,
    turn_of,
)

START = datetime(2026, 11, 26, 1, 0, tzinfo=UTC)
WELL = Facts(3)


def fleet(sites: Iterable[str]) -> list[WaveRoom]:
    return planned([(site, "") for site in sites])


def after(rooms: list[WaveRoom], facts: dict[str, Facts], now: datetime) -> tuple[list[WaveRoom], State, str]:
    turn = turn_of(rooms, {(site, ""): known for site, known in facts.items()}, now)
    changed = {room.site: room for room in turn.changed}
    return [changed.get(room.site, room) for room in rooms], turn.state, turn.why


def steps(rooms: list[WaveRoom]) -> dict[str, str]:
    return {room.site: str(room.step) for room in rooms}


@given(st.integers(1, 4_000))
def test_a_fleet_is_parted_into_a_canary_a_twentieth_a_quarter_and_all(count: int) -> None:
    rooms = fleet([f"s{nr}" for nr in range(count)])
    assert len(rooms) == count and rooms[0].wave == 0
    assert sum(room.wave == 0 for room in rooms) == 1
    for wave, part in enumerate(WAVES[1:], 1):
        assert sum(room.wave <= wave for room in rooms) <= max(1, count * part + 1)
    assert [room.wave for room in rooms] == sorted(room.wave for room in rooms)


def test_the_next_wave_begins_when_this_one_has_been_watched() -> None:
    rooms, facts, now = fleet("abcdefgh"), dict.fromkeys("abcdefgh", WELL), START
    rooms, state, _ = after(rooms, facts, now)
    assert steps(rooms)["a"] == "offered" and state is State.RUNNING and steps(rooms)["b"] == "waiting"
    facts["a"] = Facts(3, has_taken=True)
    rooms, _, _ = after(rooms, facts, now + timedelta(minutes=3))
    assert steps(rooms)["a"] == "taken" and steps(rooms)["b"] == "waiting"
    rooms, _, _ = after(rooms, facts, now + timedelta(minutes=3) + WATCHED)
    assert steps(rooms)["b"] == "offered"


def test_a_room_that_goes_back_or_is_less_ready_than_before_stops_it() -> None:
    rooms, _, _ = after(fleet("ab"), dict.fromkeys("ab", WELL), START)
    went, state, why = after(rooms, {"a": Facts(3, went_back="0.2.0 has not reported"), "b": WELL}, START)
    assert (state, why, went[0].step, went[0].detail) == (State.STOPPED, "a", Step.BACK, "0.2.0 has not reported")
    taken, _, _ = after(rooms, {"a": Facts(1, has_taken=True), "b": WELL}, START)
    _, state, _ = after(taken, {"a": Facts(1), "b": WELL}, START + timedelta(seconds=30))
    assert state is State.RUNNING, "it has just begun anew"
    _, state, why = after(taken, {"a": Facts(1), "b": WELL}, START + WATCHED)
    assert (state, why) == (State.STOPPED, "a")


def test_nobody_waits_for_a_room_that_is_away_and_a_busy_one_is_left_alone() -> None:
    facts = {"a": Facts(0, is_away=True), "b": Facts(3, is_busy=True), "c": WELL}
    rooms, _, _ = after(fleet("abc"), facts, START)
    assert steps(rooms) == {"a": "away", "b": "waiting", "c": "waiting"}
    rooms, state, _ = after(rooms, facts, START + timedelta(seconds=5))
    assert steps(rooms)["b"] == "waiting" and state is State.RUNNING
    back = {**facts, "a": Facts(3, has_taken=True)}
    rooms, _, _ = after(rooms, back, START + timedelta(seconds=10))
    assert steps(rooms)["a"] == "taken", "it takes it when it is back"


def test_a_room_that_says_nothing_for_hours_is_not_waited_for() -> None:
    rooms, _, _ = after(fleet("ab"), dict.fromkeys("ab", WELL), START)
    rooms, _, _ = after(rooms, dict.fromkeys("ab", WELL), START + GIVEN_UP)
    assert steps(rooms)["a"] == "away"


def test_it_goes_on_past_what_stopped_it_when_a_person_says_so_and_stops_for_the_next() -> None:
    facts = dict.fromkeys("abcdefgh", WELL)
    rooms, _, _ = after(fleet("abcdefgh"), facts, START)
    rooms, state, _ = after(rooms, {**facts, "a": Facts(3, went_back="x")}, START)
    assert state is State.STOPPED
    rooms, state, _ = after(accepted(rooms), facts, START + timedelta(seconds=5))
    assert state is State.RUNNING and list(steps(rooms).values()).count("offered") == 1, "nothing is proved yet"
    (tries,) = [site for site, step in steps(rooms).items() if step == "offered"]
    worse = {**facts, tries: Facts(1, has_taken=True)}
    rooms, _, _ = after(rooms, worse, START + timedelta(seconds=10))
    rooms, state, why = after(rooms, worse, START + WATCHED + timedelta(seconds=10))
    assert (state, why) == (State.STOPPED, tries)
    rooms, state, _ = after(accepted(rooms), worse, START + WATCHED + timedelta(seconds=20))
    assert state is State.RUNNING and "offered" in steps(rooms).values()


def test_another_room_goes_first_where_the_canary_is_away() -> None:
    facts = {"a": Facts(0, is_away=True), **dict.fromkeys("bcdefgh", WELL)}
    rooms, _, _ = after(fleet("abcdefgh"), facts, START)
    rooms, _, _ = after(rooms, facts, START + timedelta(seconds=5))
    assert steps(rooms)["a"] == "away" and list(steps(rooms).values()).count("offered") == 1, "one room tries it"
    (tries,) = [site for site, step in steps(rooms).items() if step == "offered"]
    facts[tries] = Facts(3, has_taken=True)
    now = START + timedelta(minutes=1)
    rooms, _, _ = after(rooms, facts, now)
    rooms, _, _ = after(rooms, facts, now + timedelta(seconds=30))
    assert "offered" not in steps(rooms).values(), "it has to be watched first"
    rooms, _, _ = after(rooms, facts, now + WATCHED)
    assert "offered" in steps(rooms).values()


def test_where_all_were_away_one_tries_it_and_the_others_have_it_once_it_is_proved() -> None:
    away = dict.fromkeys("abcdefgh", Facts(0, is_away=True))
    rooms, now, state = fleet("abcdefgh"), START, State.RUNNING
    while state is State.RUNNING:
        rooms, state, _ = after(rooms, away, now := now + timedelta(seconds=5))
    assert state is State.DONE and set(steps(rooms).values()) == {"away"} and not offered(rooms, now)
    facts = dict.fromkeys("abcdefgh", WELL)
    for _ in range(3):
        rooms, state, _ = after(rooms, facts, now := now + timedelta(seconds=5))
        (tries,) = offered(rooms, now)
        assert state is State.RUNNING and tries.before == WELL.rank
    facts[tries.site] = Facts(3, has_taken=True)
    rooms, state, _ = after(rooms, facts, now)
    assert not offered(rooms, now + timedelta(seconds=5)), "it has to be watched first"
    rooms, state, _ = after(rooms, facts, now := now + WATCHED)
    assert state is State.DONE and len(offered(rooms, now)) == 7, "now whoever is back may have it"
    worse = {**facts, "h": Facts(1, has_taken=True)}
    rooms, _, _ = after(rooms, worse, now := now + timedelta(seconds=5))
    _, state, why = after(rooms, worse, now + WATCHED)
    assert (state, why) == (State.STOPPED, "h"), "who was away is watched as all others are"


def test_a_canary_that_suffers_proves_nothing_before_anybody_has_looked() -> None:
    facts = {"a": WELL, "b": Facts(0, is_away=True)}
    rooms, _, _ = after(fleet("ab"), facts, START)
    rooms, _, _ = after(rooms, {**facts, "a": Facts(3, has_taken=True)}, START)
    rooms, _, _ = after(rooms, {**facts, "a": Facts(1)}, START + timedelta(seconds=5))
    assert not offered(rooms, START + WATCHED + timedelta(minutes=1)), "a pause, or a server that begins anew"


def test_a_room_that_said_nothing_for_hours_has_its_turn_again_where_nobody_has_proved_it() -> None:
    facts, now = {"a": WELL}, START
    rooms, _, _ = after(fleet("a"), facts, now)
    busy = {"a": Facts(3, is_busy=True)}
    rooms, _, _ = after(rooms, busy, now := now + GIVEN_UP)
    assert steps(rooms) == {"a": "offered"}, "it was not allowed to"
    rooms, state, _ = after(rooms, facts, now)
    rooms, state, _ = after(rooms, facts, now)
    assert steps(rooms) == {"a": "offered"} and state is State.RUNNING and rooms[0].since == now


def test_a_room_that_was_as_ready_as_before_is_watched_no_longer() -> None:
    facts = {"a": Facts(3, has_taken=True), "b": Facts(0, is_away=True)}
    rooms, _, _ = after(fleet("ab"), dict.fromkeys("ab", WELL), START)
    rooms, _, _ = after(rooms, facts, START)
    for minute in (3, 4, 5):
        rooms, state, _ = after(rooms, facts, START + timedelta(minutes=minute))
    assert state is State.DONE
    _, state, _ = after(rooms, {**facts, "a": Facts(0, is_away=True)}, START + timedelta(days=3))
    assert state is State.DONE, "it was switched off for the night"


def test_nobody_waits_for_a_room_that_is_ours_no_longer() -> None:
    gone = Facts(0, is_gone=True)
    facts = {"a": gone, "b": WELL, "c": gone}
    rooms, _, _ = after(fleet("abc"), dict.fromkeys("abc", WELL), START)
    rooms, state, _ = after(rooms, facts, START)
    rooms, state, _ = after(rooms, facts, START)
    assert state is State.RUNNING and steps(rooms)["a"] == "away" and steps(rooms)["b"] == "offered"
    rooms, _, _ = after(rooms, {**facts, "b": Facts(3, has_taken=True)}, START)
    for _ in range(3):
        rooms, state, _ = after(rooms, {**facts, "b": gone}, START + WATCHED)
    assert state is State.DONE and steps(rooms) == {"a": "away", "b": "taken", "c": "away"}


def test_two_devices_of_a_room_are_two() -> None:
    rooms = planned([("a", "camera-1"), ("a", "camera-2")])
    turn = turn_of(rooms, {("a", "camera-1"): WELL, ("a", "camera-2"): WELL}, START)
    assert [(room.device, room.step) for room in turn.changed] == [("camera-1", Step.OFFERED)]


HAPPENS = st.sampled_from([WELL, Facts(3, has_taken=True), Facts(1), Facts(3, is_busy=True), Facts(0, is_away=True),
                           Facts(0, is_gone=True), Facts(3, went_back="x")])  # fmt: skip


@settings(max_examples=300)
@given(st.integers(1, 40), st.data())
def test_whatever_happens_no_wave_is_begun_before_the_one_before_it_is_over(count: int, data: st.DataObject) -> None:
    rooms, now, state = fleet([f"s{nr}" for nr in range(count)]), START, State.RUNNING
    for _ in range(12):
        facts = {room.site: data.draw(HAPPENS) for room in rooms}
        before = {room.site: room for room in rooms}
        rooms, state, why = after(rooms, facts, now)
        for room in rooms:
            if room.step is Step.OFFERED and before[room.site].step is not Step.OFFERED:
                assert not facts[room.site].is_busy
                assert (
                    any(each.step is Step.TAKEN for each in rooms)
                    or sum(each.step is Step.OFFERED for each in rooms) == 1
                ), "nothing is proved yet, and more than one tries it"
                assert all(other.step not in (Step.WAITING, Step.OFFERED) for other in rooms if other.wave < room.wave)
        taken = [room for room in rooms if room.step is Step.TAKEN and room.since and now - room.since >= WATCHED]
        assert taken or len(offered(rooms, now)) <= 1, "nothing is proved yet, and more than one may have it"
        if state is State.STOPPED:
            assert why in before
            if not data.draw(st.booleans()):
                return
            rooms = accepted(rooms)
        if state is State.DONE:
            assert all(room.step in (Step.TAKEN, Step.AWAY, Step.BACK) for room in rooms)
            return
        now += timedelta(seconds=data.draw(st.sampled_from([5, 60, 200])))
