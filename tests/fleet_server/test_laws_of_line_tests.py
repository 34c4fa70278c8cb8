"""Laws of line tests: the hub's line is never asked for more than its share, and nobody jumps the queue."""

import asyncio
import selectors
import socket
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from itertools import chain, repeat
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet_server.domain.line_tests import LineTest, admitted, must_yield, rate_of, turn_of
from fleet_server.line_tests.echo import Echo
from fleet_server.line_tests.meter import Meter
from fleet_server.line_tests.tickets import Tickets
from wire.ids import uuid7
from wire.probe import ECHO_BYTES, LONGEST_S, STREAM_BYTES, echo_of, new_nonce, probe
from wire.times import SystemClock

T = datetime(2026, 11, 25, 7, tzinfo=UTC)
SHARES = st.floats(1, 1_000)
CONTRACTS = st.none() | st.just(0.0) | st.floats(0.1, 2_000)


def line_test(one_room: bool) -> LineTest:
    return LineTest(uuid7(), "38-1", "A", T, one_room)


class Queue:
    """Who waits, who runs, and what each may take."""

    def __init__(self, share: float, running: list[float | None], waiting: list[tuple[bool, float | None]]) -> None:
        self.share = share
        self.running: list[float] = []
        for contract in running:
            if sum(self.running) + rate_of(contract, share) <= share:
                self.running.append(rate_of(contract, share))
        self.waiting = [line_test(one_room) for one_room, _ in waiting]
        self.rates = [rate_of(contract, share) for _, contract in waiting]
        self.order = [*filter(is_alone, self.waiting), *(test for test in self.waiting if not test.one_room)]

    def begins(self, live: bool) -> list[LineTest]:
        return admitted(self.waiting, self.running, self.rates, self.share, live)

    def rate(self, test: LineTest) -> float:
        return self.rates[self.waiting.index(test)]


def is_alone(test: LineTest) -> bool:
    return test.one_room


QUEUES = st.builds(
    Queue, SHARES, st.lists(CONTRACTS, max_size=8), st.lists(st.tuples(st.booleans(), CONTRACTS), max_size=40)
)


@given(QUEUES, st.booleans())
def test_what_runs_and_what_begins_never_takes_more_than_the_share(queue: Queue, live: bool) -> None:
    taken = sum(queue.running) + sum(queue.rate(test) for test in queue.begins(live))
    assert taken <= queue.share * (1 + 1e-9) + 1e-6


@given(QUEUES)
def test_who_begins_is_always_the_head_of_the_queue(queue: Queue) -> None:
    """Those who were asked for alone, then the bulk, each in the order of asking; nobody is overtaken by a bulk."""
    begun = queue.begins(live=False)
    assert begun == queue.order[: len(begun)]


@given(QUEUES)
def test_only_a_room_that_a_person_asked_for_alone_begins_while_a_session_is_live(queue: Queue) -> None:
    begun = queue.begins(live=True)
    alone = [test for test in queue.waiting if test.one_room]
    assert begun == alone[: len(begun)]


@given(QUEUES)
def test_the_queue_moves_whenever_the_line_is_free(queue: Queue) -> None:
    queue.running = []
    assert bool(queue.begins(live=False)) == bool(queue.waiting)
    assert bool(queue.begins(live=True)) == any(test.one_room for test in queue.waiting)


@given(QUEUES, st.booleans())
def test_each_is_told_its_own_turn_and_begins_in_it(queue: Queue, live: bool) -> None:
    assert [turn_of(test, queue.waiting) for test in queue.order] == list(range(1, len(queue.order) + 1))
    begun = queue.begins(live)
    assert [turn_of(test, queue.waiting) for test in begun] == list(range(1, len(begun) + 1))
    assert turn_of(line_test(True), queue.waiting) == 0, "who does not wait has no turn"


@given(st.booleans(), st.booleans())
def test_a_bulk_test_yields_to_a_session_and_only_that(one_room: bool, live: bool) -> None:
    assert must_yield(line_test(one_room), live) == (live and not one_room)


@given(CONTRACTS, SHARES)
def test_a_test_may_show_that_the_contract_is_met_and_never_more_than_the_share(
    contract: float | None, share: float
) -> None:
    rate = rate_of(contract, share)
    assert 0 < rate <= share
    if contract:
        assert rate <= contract * 1.2 and (rate > contract or rate == share)


class SetClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at_s = 1_000.0

    def now(self) -> datetime:
        return T

    def monotonic(self) -> float:
        return self.at_s


class _Jumps(selectors.DefaultSelector):
    """Where a loop would wait, the clock moves on, and a little too far."""

    def __init__(self, clock: SetClock, late_s: Iterator[float]) -> None:
        super().__init__()
        self._clock, self._late_s = clock, late_s

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout:
            self._clock.at_s += timeout + next(self._late_s)
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop in which no time passes but the clock's."""

    def __init__(self, clock: SetClock, late_s: Iterator[float]) -> None:
        super().__init__(_Jumps(clock, late_s))
        self._moved = clock

    def time(self) -> float:
        return self._moved.at_s


def passed_of(rate: float, writers: list[list[int]], late_s: list[float]) -> tuple[Meter, list[tuple[float, int]]]:
    """What passed a meter and when, with everybody writing at once and every waking so late."""
    clock = SetClock()
    meter, passed = Meter(rate, clock), list[tuple[float, int]]()

    async def write(counts: list[int]) -> None:
        for count in counts:
            await meter.passes(count)
            passed.append((clock.at_s, count))

    async def all_write() -> None:
        await asyncio.gather(*(write(counts) for counts in writers))

    with asyncio.Runner(loop_factory=lambda: JumpingLoop(clock, chain(late_s, repeat(0.0)))) as runner:
        runner.run(all_write())
    return meter, passed


COUNTS = st.integers(1, STREAM_BYTES) | st.just(STREAM_BYTES)
WRITERS = st.lists(st.lists(COUNTS, min_size=1, max_size=30), min_size=1, max_size=8)
LATE_S = st.lists(st.floats(0, 0.002) | st.floats(0, 1.5), max_size=60)


@given(st.floats(0.5, 60), WRITERS, LATE_S)
@settings(max_examples=300)
def test_no_second_carries_more_than_the_meter_lets_pass_however_late_it_wakes(
    rate: float, writers: list[list[int]], late_s: list[float]
) -> None:
    """But a single write that is more than a second's worth: that passes alone."""
    meter, passed = passed_of(rate, writers, late_s)
    assert sorted(count for _, count in passed) == sorted(chain.from_iterable(writers)), "all of it passes in the end"
    most = 0.0
    for at_s, _ in passed:
        within = [count for other_s, count in passed if at_s - 1 < other_s <= at_s]
        mbit_s = sum(within) * 8 / 1e6
        most = max(most, mbit_s)
        assert mbit_s <= rate + 1e-9 or len(within) == 1
    assert meter.peak_mbit_s == pytest.approx(most), "and it counts what passes"
    assert meter.total_bytes == sum(count for _, count in passed)


@given(st.floats(0.5, 60), st.integers(1, 2**20), LATE_S)
def test_what_came_in_one_piece_passes_like_many_small_ones(rate: float, count: int, late_s: list[float]) -> None:
    meter, passed = passed_of(rate, [[count, STREAM_BYTES]], late_s)
    assert meter.total_bytes == count + STREAM_BYTES and len(passed) == 2
    assert meter.peak_mbit_s <= rate + 1e-9


@given(st.floats(2, 60), st.integers(1, 8), st.integers(20, 60))
@settings(max_examples=50)
def test_a_meter_lets_pass_what_it_may_when_it_wakes_in_time(rate: float, writers: int, writes: int) -> None:
    _, passed = passed_of(rate, [[STREAM_BYTES] * writes] * writers, [])
    took_s = passed[-1][0] - passed[0][0]
    due_s = (len(passed) - 1) * STREAM_BYTES * 8 / 1e6 / rate
    assert due_s * 0.999 <= took_s <= due_s * 1.1 + 0.05


def test_a_writer_that_goes_away_while_it_waits_takes_nothing_from_the_others() -> None:
    clock = SetClock()
    meter = Meter(1.0, clock)

    async def one_gives_up() -> None:
        await meter.passes(STREAM_BYTES)
        gone = [asyncio.create_task(meter.passes(10 * STREAM_BYTES)) for _ in range(5)]
        await asyncio.sleep(0)
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        await meter.passes(STREAM_BYTES)

    with asyncio.Runner(loop_factory=lambda: JumpingLoop(clock, repeat(0.0))) as runner:
        runner.run(one_gives_up())
    assert meter.total_bytes == 2 * STREAM_BYTES
    assert clock.at_s - 1_000 < 0.3, "as if the others had never come"


DATAGRAMS = (
    st.binary(max_size=200)
    | st.binary(max_size=100).map(lambda tail: b"DCE1" + tail)
    | st.integers(0, 65_535).map(lambda number: probe(new_nonce(), number))
    | st.integers(0, 2 * ECHO_BYTES).map(lambda cut: (probe(new_nonce(), 1) * 2)[:cut])
)


def heard_from_echo(talk: Callable[[tuple[str, int]], Awaitable[Any]]) -> Any:
    """The result of a talk with an echo whose clock stands."""

    async def meet() -> Any:
        made, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Echo(SetClock()), local_addr=("127.0.0.1", 0)
        )
        try:
            return await talk(made.get_extra_info("sockname"))
        finally:
            made.close()

    return asyncio.run(asyncio.wait_for(meet(), 20))


def sender(address: str = "127.0.0.1") -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind((address, 0))
    return made


async def answers(line: socket.socket, echo: tuple[str, int], datagrams: list[bytes]) -> list[bytes]:
    """What comes back for these, up to a last probe of ours."""
    loop, last = asyncio.get_running_loop(), probe(new_nonce(), 0)
    for datagram in [*datagrams, last]:
        await loop.sock_sendto(line, datagram, echo)
    heard: list[bytes] = []
    while echo_of(last) not in heard:
        data, came_from = await asyncio.wait_for(loop.sock_recvfrom(line, 4_096), 5)
        assert came_from == echo
        heard.append(data)
    return heard[:-1]


@given(st.lists(DATAGRAMS, max_size=30), st.lists(DATAGRAMS, max_size=30))
@settings(max_examples=60)
def test_the_echo_answers_probes_to_the_one_they_came_from_and_nothing_else(
    mine: list[bytes], yours: list[bytes]
) -> None:
    async def talk(echo: tuple[str, int]) -> list[list[bytes]]:
        with sender() as me, sender() as you:
            return await asyncio.gather(answers(me, echo, mine), answers(you, echo, yours))

    for said, heard in zip((mine, yours), heard_from_echo(talk), strict=True):
        assert heard == [echo for datagram in said if (echo := echo_of(datagram)) is not None]
        assert all(len(datagram) == ECHO_BYTES for datagram in heard)


def test_the_echo_does_not_flood_an_address_and_goes_on_for_others() -> None:
    async def talk(echo: tuple[str, int]) -> None:
        loop, batch = asyncio.get_running_loop(), [probe(new_nonce(), number) for number in range(49)]
        with sender() as me, sender("127.0.0.2") as you:
            for _ in range(100):
                assert len(await answers(me, echo, batch)) == 49
            for datagram in batch:
                await loop.sock_sendto(me, datagram, echo)
            assert len(await answers(you, echo, batch)) == 49
            with pytest.raises(BlockingIOError):
                me.recv(4_096)

    heard_from_echo(talk)


def test_the_longest_stream_is_bounded() -> None:
    tickets = Tickets(15, SystemClock())
    assert tickets.issue("x", 6, 3_600).seconds == LONGEST_S


def test_two_centres_never_talk_to_each_other() -> None:
    echo = echo_of(probe(new_nonce(), 1))
    assert echo is not None and echo_of(echo) is None
