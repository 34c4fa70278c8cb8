"""The broker's log is read along: every refusal is counted once, the file stays short, nothing else counts."""

import asyncio
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet_server.broker import refusals
from fleet_server.broker.refusals import STRANGER, Refusals, refused_in

CHATTER = (
    b"1795633015: New client connected from 127.0.0.1:41955 as 38-1 (p5, c1, k60).\n"
    b"1795633015: Will message specified (1 bytes) (38-1, q1).\n1795633015: \ta/r2/up/presence\n"
    b"1795633015: Received PUBLISH from 38-1 (d0, q1, r0, m1, 'diemcau/v1/38-1/up/report', ... (1 bytes))\n"
    b"1795633015: Sending PUBACK to 38-1 (m1, rc16)\n"
)
DENIED = b"1795633015: Denied PUBLISH from %s (d0, q1, r0, m2, 'diemcau/v1/38-2/up/report', ... (1 bytes))\n"
NO_PROOF = b"1795633016: OpenSSL Error[0]: error:0A0000C7:SSL routines::peer did not return a certificate\n"
NO_PROOF_AT_ONCE = (  # where all of it lies there when the broker looks at a connection for the first time
    b"1795633016: Client connection from 127.0.0.1 failed: "
    b"error:0A0000C7:SSL routines::peer did not return a certificate.\n"
)


class Heard:
    """Whoever is told of bursts."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    async def __call__(self, who: str, count: int) -> None:
        self.told.append((who, count))


@settings(max_examples=40)  # each looks at a file for every few bytes
@given(
    st.lists(st.sampled_from([CHATTER, DENIED % b"38-1", DENIED % b"38-2", NO_PROOF, NO_PROOF_AT_ONCE]), max_size=30),
    st.data(),
)
def test_every_refusal_is_counted_once_however_the_lines_arrive(
    tmp_path_factory: object, lines: list[bytes], data: st.DataObject
) -> None:
    file = tmp_path_factory.mktemp("broker") / "broker.log"  # type: ignore[attr-defined]
    file.write_bytes(DENIED % b"38-9")  # before the server was started
    seen, whole, at = Refusals(file, Heard()), b"".join(lines), 0
    while at < len(whole):
        size = data.draw(st.integers(1, 120))
        with file.open("ab") as log:
            log.write(whole[at : at + size])
        at += size
        asyncio.run(seen.look(0.0))
    wanted = Counter({"38-1": lines.count(DENIED % b"38-1"), "38-2": lines.count(DENIED % b"38-2")})
    wanted[STRANGER] = lines.count(NO_PROOF) + lines.count(NO_PROOF_AT_ONCE)
    assert seen.counted == +wanted


def test_a_name_inside_a_line_is_not_a_refusal() -> None:
    assert not refused_in(b"1: Received SUBSCRIBE from 38-1\n\t1: Denied PUBLISH from 38-2 (d0\n")


def test_a_burst_is_told_once_when_it_begins_and_once_when_it_is_over(tmp_path: Path) -> None:
    file, heard = tmp_path / "broker.log", Heard()
    seen = Refusals(file, heard)
    for second in range(5):
        with file.open("ab") as log:
            log.write((DENIED % b"38-1") * 2)
        asyncio.run(seen.look(float(second)))
    assert heard.told == [("38-1", 0)]
    asyncio.run(seen.look(4.0 + refusals._QUIET_S))
    assert heard.told == [("38-1", 0), ("38-1", 10)]
    asyncio.run(seen.look(900.0))
    assert len(heard.told) == 2


def test_a_long_file_is_begun_anew_and_what_comes_then_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "broker.log"
    seen = Refusals(file, Heard())
    with file.open("ab") as log:  # as Mosquitto holds it open
        while file.stat().st_size < refusals._MOST_BYTES:
            log.write(CHATTER * 40_000)
            log.flush()
        for _ in range(20):
            asyncio.run(seen.look(0.0))
        assert file.stat().st_size == 0
        log.write(DENIED % b"38-1")
        log.flush()
        asyncio.run(seen.look(1.0))
    assert seen.counted == {"38-1": 1}


def test_a_line_without_end_keeps_nobody_from_reading_on(tmp_path: Path) -> None:
    file = tmp_path / "broker.log"
    seen = Refusals(file, Heard())
    file.write_bytes(b"x" * (refusals._ROUND_BYTES + 10) + b"\n" + DENIED % b"38-1")
    for _ in range(3):
        asyncio.run(seen.look(0.0))
    assert seen.counted == {"38-1": 1}


def test_a_file_that_is_not_there_or_not_ours_is_no_failure(tmp_path: Path) -> None:
    seen = Refusals(tmp_path / "nowhere" / "broker.log", Heard())
    asyncio.run(seen.look(0.0))
    assert not seen.counted
