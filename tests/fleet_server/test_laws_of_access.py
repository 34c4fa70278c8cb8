"""Who may do what, where, and how often a password may be tried: as laws over every role, act and moment."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet_server.domain.access import Act, Person, Role, may
from fleet_server.domain.throttle import Failures, after_failure, still_counting, wait_s

HERE, ELSEWHERE = "38-1", "38-2"

# `all`: whoever has the role; somebody with named sites does it at those alone.
# `fleet`: whoever has the role and all sites; it concerns the whole fleet, so nobody does it for a part of it.
TABLE = """
act            viewer  technician  operator  organiser  administrator
see            all     all         all       all        all
own            all     all         all       all        all
confirm_duty   -       all         all       all        all
invite         -       all         all       all        all
test_line      -       all         all       all        all
command        -       all         all       -          all
survey         -       all         all       -          all
provision      -       all         all       -          all
handle         -       all         all       -          all
enrol          -       all         all       -          all
approve        -       -           all       -          all
admit          -       -           all       -          all
roll_out       -       -           fleet     -          fleet
set_alerts     -       -           fleet     -          fleet
check          -       -           fleet     fleet      fleet
plan           -       -           -         fleet      fleet
decide         -       -           -         fleet      fleet
record         fleet   -           fleet     fleet      fleet
close          -       -           -         -          fleet
manage_people  -       -           -         -          fleet
audit          -       -           -         -          fleet
"""
_HEAD, *_ROWS = [line.split() for line in TABLE.strip().splitlines()]
MATRIX = {(row[0], role): cell for row in _ROWS for role, cell in zip(_HEAD[1:], row[1:], strict=True)}

persons = st.builds(
    Person, st.uuids().map(str), st.text(max_size=10), st.sampled_from(Role),
    st.frozensets(st.sampled_from([HERE, ELSEWHERE, "38-3"])), st.booleans(), st.booleans(), st.ip_addresses().map(str),
)  # fmt: skip
sites = st.none() | st.sampled_from([HERE, ELSEWHERE, "38-3", "no-such-site"])


def person(role: str, *named: str) -> Person:
    return Person("1", "An", Role(role), frozenset(named))


def test_the_table_here_has_every_act_and_every_role() -> None:
    assert {act for act, _ in MATRIX} == {str(act) for act in Act}
    assert {role for _, role in MATRIX} == {str(role) for role in Role}


@pytest.mark.parametrize(("act", "role"), MATRIX, ids=" ".join)
def test_a_person_may_what_stands_in_the_table_and_nothing_else(act: str, role: str) -> None:
    cell, asked = MATRIX[act, role], Act(act)
    everywhere, named = person(role), person(role, HERE)
    assert may(everywhere, asked) is (cell in ("all", "fleet"))
    assert may(everywhere, asked, HERE) is may(everywhere, asked, ELSEWHERE) is (cell in ("all", "fleet"))
    assert may(named, asked) is (cell == "all")
    assert may(named, asked, HERE) is (cell == "all")
    assert may(named, asked, ELSEWHERE) is False


@given(persons, st.sampled_from(Act), sites)
def test_a_token_that_only_reads_sees_what_its_person_sees_and_does_nothing(
    who: Person, act: Act, site: str | None
) -> None:
    reads = replace(who, reads_only=True)
    assert may(reads, act, site) is (act in (Act.SEE, Act.RECORD) and may(replace(who, reads_only=False), act, site))


@given(persons, st.sampled_from(Act), sites)
def test_nobody_with_named_sites_may_more_than_the_same_person_everywhere(
    who: Person, act: Act, site: str | None
) -> None:
    if may(who, act, site):
        assert may(replace(who, sites=frozenset()), act, site)


@given(persons.filter(lambda who: who.sites), st.sampled_from(Act), sites)
def test_a_person_with_named_sites_does_nothing_at_another(who: Person, act: Act, site: str | None) -> None:
    if site is not None and site not in who.sites:
        assert not may(who, act, site)


@given(persons, st.sampled_from(Act), sites, st.text(max_size=5), st.booleans())
def test_neither_name_nor_address_nor_how_somebody_came_gives_a_right(
    who: Person, act: Act, site: str | None, text: str, by_token: bool
) -> None:
    other = replace(who, user=text, name=text, origin=text, by_token=by_token)
    assert may(other, act, site) is may(who, act, site)


# How often a password may be tried.

FREE, FREE_OF_ACCOUNT, LONGEST_S = 5, 50, 900.0
HOUR_S = timedelta(hours=1).total_seconds()
moments = st.floats(1.7e9, 2e9)
gaps = st.lists(st.floats(0, HOUR_S - 1), min_size=1, max_size=80)


def failed(times: int, at: float) -> Failures:
    failures = Failures()
    for _ in range(times):
        failures = after_failure(failures, at)
    return failures


@given(moments, gaps)
def test_nobody_is_locked_out_by_failures_from_another_address_until_the_fiftieth(
    at: float, waits: list[float]
) -> None:
    account, now = Failures(), at
    for number, wait in enumerate(waits, 1):
        now += wait
        account = after_failure(account, now)
        assert account.count == number
        mine = wait_s(Failures(), account, False, now)
        assert (mine > 0) is (number >= FREE_OF_ACCOUNT)
        assert mine <= 60


@given(moments, st.integers(0, 10_000))
def test_a_browser_that_has_signed_in_before_never_waits_for_what_others_do(at: float, times: int) -> None:
    assert wait_s(Failures(), Failures(times, at), True, at) == 0


@given(moments, st.integers(0, 10_000), st.booleans())
def test_whoever_guesses_waits_too_even_in_a_known_browser(at: float, times: int, known: bool) -> None:
    assert (wait_s(Failures(times, at), Failures(), known, at) > 0) is (times >= FREE)


@given(moments, st.integers(0, 5_000))
def test_waits_grow_with_each_failure_up_to_a_quarter_of_an_hour(at: float, times: int) -> None:
    now, more = (wait_s(Failures(n, at), Failures(), False, at) for n in (times, times + 1))
    assert now < more or now == more in (0, LONGEST_S)
    assert 0 <= more <= LONGEST_S


@given(moments, st.integers(0, 5_000), st.integers(0, 5_000), st.booleans(), st.floats(0, 2 * HOUR_S))
def test_whoever_waits_as_long_as_told_is_looked_at(
    at: float, pair: int, account: int, known: bool, later_s: float
) -> None:
    failures = Failures(pair, at), Failures(account, at)
    told_s = wait_s(*failures, known, at + later_s)
    assert 0 <= told_s <= LONGEST_S
    assert wait_s(*failures, known, at + later_s + told_s + 1e-3) <= 1e-3


@given(moments, st.integers(0, 5_000), st.integers(0, 5_000), st.booleans(), st.floats(HOUR_S, 1e7))
def test_all_is_forgotten_after_an_hour_without_a_failure(
    at: float, pair: int, account: int, known: bool, later_s: float
) -> None:
    old = Failures(pair, at), Failures(account, at)
    now = at + later_s + 1
    assert wait_s(*old, known, now) == 0
    assert after_failure(old[0], now) == Failures(1, now)
    assert still_counting({"one": old[0]}, now) == {}


@given(moments, st.integers(1, 100), st.floats(0, HOUR_S - 1))
def test_within_the_hour_nothing_is_forgotten(at: float, times: int, later_s: float) -> None:
    kept = failed(times, at)
    assert kept == Failures(times, at)
    assert still_counting({"one": kept}, at + later_s) == {"one": kept}
    assert after_failure(kept, at + later_s).count == times + 1


@given(moments, st.integers(0, 5_000), st.integers(0, 5_000), st.floats(0, 1e7))
def test_no_wait_is_longer_than_the_longest_when_the_clock_was_set_back(
    at: float, pair: int, account: int, back_s: float
) -> None:
    assert wait_s(Failures(pair, at), Failures(account, at), False, at - back_s) <= LONGEST_S
