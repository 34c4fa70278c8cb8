"""The line: datagrams against a simulated one, streams against a small HTTP server that is none of ours."""

import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.equipment import EquipmentLoop
from device_drivers.errors import ActFailed, BadAnswer, DriverError, Misconfigured, NotAnswering, NotOffered
from device_drivers.line.driver import Line
from device_drivers.line.echo import ask, trips_of
from device_drivers.line.simulator import SimulatedLine
from device_drivers.line.stream import Centre, Rate
from wire.probe import ECHO_BYTES, SECONDS_HEADER, echo_of, new_nonce, number_of, probe
from wire.times import SystemClock

T = TypeVar("T")
TRIP = st.floats(0, 5, allow_nan=False)


def line_of(**settings: Any) -> Line:
    return Line(msgspec.convert(settings, Line.Settings), SystemClock())


@pytest.fixture
def simulated(equipment: EquipmentLoop) -> SimulatedLine:
    found = SimulatedLine()
    found.jitter_s = 0.0
    equipment.run(found.plug_in())
    return found


def seen(line: SimulatedLine, **changed: Any) -> dict[str, Any]:
    return dict(line_of(**(line.settings() | changed)).observe().readings)


# What trips say


@given(st.lists(st.none() | TRIP, min_size=1).filter(lambda trips: any(trip is not None for trip in trips)))
def test_trips_are_told_within_their_bounds_whatever_they_were(found_s: list[float | None]) -> None:
    trips, back = trips_of(found_s), [trip for trip in found_s if trip is not None]
    assert min(back) * 1000 - 0.1 <= trips.latency_ms <= max(back) * 1000 + 0.1
    assert 0 <= trips.jitter_ms <= (max(back) - min(back)) * 1000 + 0.1
    assert trips.loss_percent == pytest.approx(100 * found_s.count(None) / len(found_s), abs=0.06)
    assert (trips.loss_percent == 0) == (None not in found_s)
    assert trips.loss_percent < 100


@given(TRIP, st.integers(1, 50))
def test_there_is_no_jitter_when_every_trip_takes_as_long(trip_s: float, count: int) -> None:
    assert trips_of([trip_s] * count) == trips_of([trip_s])
    assert trips_of([trip_s]).jitter_ms == 0


@given(st.lists(TRIP, min_size=2), st.data())
def test_losses_change_neither_latency_nor_jitter_when_they_fall_between(back: list[float], data: Any) -> None:
    holed: list[float | None] = list(back)
    for _ in range(data.draw(st.integers(1, 10))):
        holed.insert(data.draw(st.integers(0, len(holed))), None)
    whole, found = trips_of(back), trips_of(holed)
    assert (found.latency_ms, found.jitter_ms) == (whole.latency_ms, whole.jitter_ms)
    assert found.loss_percent > 0


@given(st.lists(TRIP, min_size=2))
def test_jitter_is_the_mean_of_the_differences(back: list[float]) -> None:
    """RFC 3550, 6.4.1, as plain arithmetic."""
    moves = [abs(one - other) for one, other in pairwise(back)]
    assert trips_of(back).jitter_ms == pytest.approx(1000 * sum(moves) / len(moves), abs=0.06)
    assert trips_of(back).jitter_ms == trips_of(back[::-1]).jitter_ms


# Datagrams


def undisturbed(measure: Callable[[], T], is_quiet: Callable[[T], bool]) -> T:
    """The first measurement in which this machine was not busy elsewhere; the last one where it always is."""
    for _ in range(10):
        found = measure()
        if is_quiet(found):
            break
    return found


def test_latency_is_that_of_the_line(simulated: SimulatedLine) -> None:
    simulated.latency_s = 0.040
    found = undisturbed(lambda: seen(simulated), lambda found: found["jitter"] < 8 and found["latency"] < 48)
    assert found["latency"] == pytest.approx(40, abs=8)
    assert found["loss"] == 0
    assert found["bandwidth_down"] is found["bandwidth_up"] is found["bandwidth_method"] is None


def test_jitter_is_seen_when_trips_differ(simulated: SimulatedLine) -> None:
    simulated.latency_s, simulated.jitter_s = 0.060, 0.045
    found = undisturbed(lambda: seen(simulated, probes=50), lambda found: found["jitter"] < 42)
    # Two even draws from a range of 90 ms are 30 ms apart in the mean.
    assert found["jitter"] == pytest.approx(30, abs=12)
    assert found["latency"] == pytest.approx(60, abs=20)
    assert found["loss"] == 0, "those that overtook each other are not lost"


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_loss_is_the_share_that_does_not_come_back(simulated: SimulatedLine, share: float) -> None:
    simulated.loss = share
    line = line_of(**simulated.settings() | {"probes": 50, "timeout_s": 1.0})
    losses = [line.observe().readings["loss"] for _ in range(6)]
    # 300 draws: three standard deviations are 9 percent at 0.4.
    assert sum(losses) / len(losses) == pytest.approx(100 * share, abs=9)  # type: ignore[arg-type]


def test_one_datagram_of_ten_that_is_lost_is_not_a_tenth_of_all(simulated: SimulatedLine) -> None:
    """A room is not ready at a loss of ten percent: one lost datagram must not say so."""
    simulated.loss_next = 1
    assert seen(simulated)["loss"] == 1.0
    simulated.loss_next = 0
    assert seen(simulated)["loss"] == 0


def test_a_line_that_loses_everything_is_not_answering_and_that_in_time(simulated: SimulatedLine) -> None:
    simulated.loss = 1.1
    began_s = time.monotonic()
    with pytest.raises(NotAnswering, match="none of 10"):
        seen(simulated, timeout_s=0.4)
    assert time.monotonic() - began_s < 8


def test_a_late_trip_is_lost_when_it_comes_after_the_deadline(simulated: SimulatedLine) -> None:
    simulated.latency_s = 0.9
    with pytest.raises(NotAnswering):
        seen(simulated, timeout_s=0.3)


class Echo(threading.Thread):
    """Answers every datagram with what `answers` makes of it, from the port that was asked."""

    def __init__(self, answers: Callable[[bytes], list[bytes]]) -> None:
        super().__init__(daemon=True)
        self._answers = answers
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self.address: tuple[str, int] = self._socket.getsockname()
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                datagram, sender = self._socket.recvfrom(2_048)
                for answer in self._answers(datagram):
                    self._socket.sendto(answer, sender)
            except OSError:
                continue

    def __enter__(self) -> "Echo":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join(2)
        self._socket.close()


def foreign(datagram: bytes) -> list[bytes]:
    """Nothing here is the answer to the question, though some of it is near."""
    number, echo = int.from_bytes(datagram[12:14]), echoed(datagram)
    return [
        b"", b"\xff" * 2_000, datagram, echo[:-1], echo + b"\0", echoed(probe(new_nonce(), number)),
        echo[:12] + (number + 500).to_bytes(2) + echo[14:], b"x" + echo[1:],
    ]  # fmt: skip


def echoed(datagram: bytes) -> bytes:
    """What the centre sends back."""
    found = echo_of(datagram)
    assert found is not None
    return found


def test_foreign_datagrams_are_ignored_when_the_right_ones_come_too() -> None:
    with Echo(lambda datagram: [*foreign(datagram), echoed(datagram), echoed(datagram)]) as echo:
        trips = trips_of(ask(echo.address, 10, 0.002, 1))
    assert trips.loss_percent == 0
    assert trips.latency_ms < 100


def test_nobody_is_heard_when_only_foreign_datagrams_come() -> None:
    with Echo(foreign) as echo, pytest.raises(NotAnswering):
        ask(echo.address, 10, 0.002, 0.3)


def test_an_echo_that_comes_twice_hides_no_loss() -> None:
    heard: list[bytes] = []

    def every_other_twice(datagram: bytes) -> list[bytes]:
        heard.append(datagram)
        return [echoed(datagram)] * 3 if len(heard) % 2 else []

    with Echo(every_other_twice) as echo:
        assert trips_of(ask(echo.address, 10, 0.002, 0.3)).loss_percent == 50


@given(st.binary(max_size=ECHO_BYTES + 2), st.integers(0, 65_535))
def test_only_a_whole_probe_of_this_measurement_is_one(noise: bytes, number: int) -> None:
    nonce = new_nonce()
    whole = echoed(probe(nonce, number))
    assert number_of(whole, nonce) == number
    assert number_of(noise, nonce) is None
    assert number_of(whole[:-1], nonce) is number_of(whole + b"\0", nonce) is number_of(whole, new_nonce()) is None


# Streams


class Answers(http.server.BaseHTTPRequestHandler):
    """Down: chunks at a pace. Up: takes chunks and counts them. What goes wrong is in the server."""

    protocol_version = "HTTP/1.1"
    server: "Probe"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.server.instead is not None:
            self.wfile.write(self.server.instead)
            self.close_connection = True
            return
        self.send_response(200)
        if self.server.announces is not None:
            self.send_header(SECONDS_HEADER, self.server.announces)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            self._pour()
        except OSError:
            return
        if self.server.breaks_off:
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")

    def _pour(self) -> None:
        began_s, sent, pause = time.monotonic(), -self.server.burst, threading.Event()
        while (now_s := time.monotonic()) - began_s < self.server.pours_s:
            if sent > (now_s - began_s) * self.server.bytes_s:
                pause.wait(0.005)
                continue
            self.wfile.write(b"2000\r\n" + bytes(0x2000) + b"\r\n")
            sent += 0x2000

    def do_POST(self) -> None:
        self.server.asked.append(self.path)
        assert self.headers["Transfer-Encoding"] == "chunked"
        began_s, taken = time.monotonic(), 0
        while (size := int(self.rfile.readline(), 16)) or self.rfile.readline() is None:
            taken += len(self.rfile.read(size))
            self.rfile.readline()
        took_s = time.monotonic() - began_s
        self.server.taken = taken
        said = self.server.says or json.dumps({"mbit_s": taken * 8e-6 / took_s, "seconds": took_s, "cut": False})
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said.encode())

    def log_message(self, *_: object) -> None:
        pass


class Probe(http.server.ThreadingHTTPServer):
    """The centre's side of a bandwidth test, in the standard library's words."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.announces: str | None = "1.0"
        self.pours_s, self.bytes_s = 1.0, 1e6
        self.burst = 0
        self.breaks_off = False
        self.instead: bytes | None = None
        self.says: str | None = None
        self.taken = 0
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def centre() -> Iterator[Probe]:
    found = Probe()
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join(5)


def down(centre: Probe) -> Rate:
    return Centre(centre.url, None, "ticket-1").take()


def test_down_is_what_the_centre_sends_when_the_line_carries_it(centre: Probe) -> None:
    found = undisturbed(lambda: down(centre), lambda found: found.took_s < 1.3)
    assert found.mbit_s == pytest.approx(8, rel=0.15)
    assert found.took_s == pytest.approx(1, abs=0.3)
    assert set(centre.asked) == {"/api/v1/line-probes/ticket-1/down"}


def test_a_pace_is_measured_when_the_start_was_faster(centre: Probe) -> None:
    """What TCP brings in its first moments, or a buffer on the way at once, is not the line's rate."""
    centre.bytes_s, centre.burst = 2.5e5, 400_000
    assert down(centre).mbit_s == pytest.approx(2, rel=0.2)


def test_both_ways_are_told_when_a_ticket_is_used(centre: Probe) -> None:
    steps: list[str] = []
    line = line_of(host="127.0.0.1", url=f"{centre.url}/room/")
    result = line.act("measure_bandwidth", {"ticket": "t"}, lambda detail, **_: steps.append(detail))
    assert steps == ["measured_down", "measured_up"]
    assert centre.asked == ["/room/api/v1/line-probes/t/down", "/room/api/v1/line-probes/t/up"]
    assert result["down_mbit_s"] == pytest.approx(8, rel=0.15)
    assert result["up_mbit_s"] == pytest.approx(centre.taken * 8e-6 / result["up_s"], rel=0.1)  # type: ignore[operator]
    assert result["up_s"] == pytest.approx(1, abs=0.4), "as long as the centre announced"
    assert result["method"] == "tcp_1"


def test_a_measured_rate_keeps_its_age_when_the_line_is_looked_at_again(
    centre: Probe, simulated: SimulatedLine
) -> None:
    simulated.url = centre.url
    line = line_of(**simulated.settings())
    assert [spec.action for spec in line.observe().actions] == ["measure_bandwidth"]
    line.act("measure_bandwidth", {"ticket": "t"}, lambda *_, **__: None)
    measured_s = time.monotonic()
    again = line.observe()
    assert again.readings["bandwidth_down"] == pytest.approx(8, rel=0.15)
    assert set(again.older) == {"bandwidth_down", "bandwidth_up", "bandwidth_method"}
    assert all(seen_s <= measured_s for seen_s in again.older.values())
    assert line.observe().older == again.older


def test_a_test_is_cut_when_the_stream_ends_early(centre: Probe) -> None:
    centre.announces, centre.pours_s = "3", 0.4
    with pytest.raises(ActFailed, match="line_test_cut"):
        down(centre)


def test_a_test_is_cut_when_the_connection_breaks(centre: Probe) -> None:
    centre.pours_s, centre.breaks_off = 0.4, True
    with pytest.raises(ActFailed, match="line_test_cut"):
        down(centre)


def test_a_test_is_cut_when_the_centre_says_so_of_what_it_took(centre: Probe) -> None:
    centre.says = '{"mbit_s": 1.0, "seconds": 0.3, "cut": true}'
    line = line_of(host="127.0.0.1", url=centre.url)
    with pytest.raises(ActFailed, match="line_test_cut"):
        line.act("measure_bandwidth", {"ticket": "t"}, lambda *_, **__: None)


@pytest.mark.parametrize("status", [404, 409, 410])
def test_there_is_no_ticket_when_the_centre_does_not_know_it(centre: Probe, status: int) -> None:
    centre.instead = b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status
    with pytest.raises(ActFailed, match="no_ticket"):
        down(centre)


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\x02\x00" * 40,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nX-Probe-Seconds: soon\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nX-Probe-Seconds: nan\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500,
        b"HTTP/1.1 200 " + b"x" * 100_000,
    ],
    ids=range(8),
)
def test_garbage_is_a_bad_answer(centre: Probe, said: bytes) -> None:
    centre.instead = said
    with pytest.raises(BadAnswer):
        down(centre)


@pytest.mark.parametrize("says", ["hello", "{}", '{"mbit_s": -1.0, "seconds": 1.0, "cut": false}', "x" * 9_000])
def test_garbage_is_a_bad_answer_when_it_stands_for_what_was_taken(centre: Probe, says: str) -> None:
    centre.says, centre.announces = says, "0.2"
    centre.pours_s = 0.2
    line = line_of(host="127.0.0.1", url=centre.url)
    with pytest.raises(BadAnswer):
        line.act("measure_bandwidth", {"ticket": "t"}, lambda *_, **__: None)
    assert line._measured is None, "half a test is none"


def test_a_redirect_is_not_followed(centre: Probe) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)
        to = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/"
        centre.instead = f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()
        with pytest.raises(BadAnswer, match="302"):
            down(centre)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


def test_a_call_ends_in_time_when_the_centre_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began_s = time.monotonic()
        with pytest.raises(NotAnswering):
            Centre(f"http://127.0.0.1:{silent.getsockname()[1]}", None, "t").take()
        assert time.monotonic() - began_s < 6


def test_a_call_ends_in_time_when_the_stream_stands_still(centre: Probe) -> None:
    """No pause of the sender's own: it has sent its head and one chunk, and then hangs with the line open."""
    with socket.create_server(("127.0.0.1", 0)) as hung:
        talks: list[socket.socket] = []

        def answer() -> None:
            talk, _ = hung.accept()
            talks.append(talk)
            head = f"HTTP/1.1 200 OK\r\n{SECONDS_HEADER}: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
            talk.sendall(head.encode() + b"4\r\nabcd\r\n")

        threading.Thread(target=answer, daemon=True).start()
        began_s = time.monotonic()
        with pytest.raises(DriverError):
            Centre(f"http://127.0.0.1:{hung.getsockname()[1]}", None, "t").take()
        assert time.monotonic() - began_s < 8
        talks[0].close()


def test_a_call_ends_in_time_when_the_centre_does_not_stop(centre: Probe) -> None:
    centre.pours_s, centre.announces, centre.bytes_s = 60.0, "1", 1e5
    began_s = time.monotonic()
    found = down(centre)
    assert time.monotonic() - began_s < 13, "no stream lasts longer than ten seconds, whatever was announced"
    assert found.mbit_s == pytest.approx(0.8, rel=0.2)


def test_nobody_answers_when_the_port_is_closed() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(NotAnswering):
            Centre(f"http://127.0.0.1:{nobody.getsockname()[1]}", None, "t").take()


def test_it_is_misconfigured_when_address_or_ca_file_cannot_be() -> None:
    for settings in ({"url": "http://127.0.0.1:99999"}, {"url": "https://127.0.0.1", "ca_file": "/nowhere/ca.pem"}):
        line = line_of(host="127.0.0.1", **settings)
        with pytest.raises(Misconfigured, match="cannot be used"):
            line.act("measure_bandwidth", {"ticket": "t"}, lambda *_, **__: None)


def test_plain_http_is_no_https(centre: Probe) -> None:
    with pytest.raises(DriverError) as wrong:
        Centre(centre.url.replace("http:", "https:"), None, "t").take()
    assert not isinstance(wrong.value, ActFailed)
    assert centre.asked == []


def test_nothing_is_measured_when_the_centre_has_no_address(simulated: SimulatedLine) -> None:
    line = line_of(**simulated.settings())
    assert line.observe().actions == ()
    with pytest.raises(NotOffered):
        line.act("measure_bandwidth", {"ticket": "t"}, lambda *_, **__: None)
