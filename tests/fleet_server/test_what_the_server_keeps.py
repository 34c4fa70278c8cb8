"""What the server keeps and tells: logs at most once, commands to their end, streams without a hole, files whole."""

import asyncio
import csv
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_server.domain.commands import FINAL, State, state_after
from fleet_server.domain.sessions import Session, is_live, wrong_plan
from fleet_server.errors import BadFile
from fleet_server.ingest.handlers.report import take
from fleet_server.ingest.intake import Intake
from fleet_server.live.stream import Change, Stream
from fleet_server.sites_file import COLUMNS, sites_of
from fleet_server.store import commands, logs
from fleet_server.store.commands import CommandRow, StepRow
from fleet_server.store.database import Database, millis, moment
from fleet_server.store.sites import SiteRow, all_sites, close_site, replace_sites
from fleet_server.store.tables import log_entries
from tests.counterparts.centre_without_wires import ABOUT, CentreWithoutWires
from tests.counterparts.databases import database_in
from tests.counterparts.forked import run_to_end
from tests.counterparts.spoken_room import report_of_room
from wire.codec import encode
from wire.ids import uuid7
from wire.messages import REPORT_EXPIRY_S, EventEntry, LogBatch
from wire.mqtt import Received

NOW = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
DATA = Path(__file__).parents[2] / "demo" / "data" / "thanh-hoa"


@pytest.fixture(scope="module")
def database():  # type: ignore[no-untyped-def]
    with tempfile.TemporaryDirectory() as folder:
        made = database_in(Path(folder))
        yield made
        made.close()


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 10)), min_size=1, max_size=15))
def test_a_log_is_committed_once_and_in_order_whatever_comes_again(
    database: Database, pieces: list[tuple[int, int]]
) -> None:
    """Batches as a room would send them: never beyond the first entry that is missing, but doubled and overlapping."""
    site, log_id, known = "s", uuid7(), 0
    for first, size in pieces:
        first = min(first, known + 1)
        entries = tuple(EventEntry(n, NOW, "device_lost") for n in range(first, first + size))
        batch = LogBatch(log_id, entries, first)
        fresh = database.write_now(lambda db, batch=batch: logs.commit(db, site, batch, 0))  # type: ignore[misc]
        assert [entry.n for entry in fresh] == list(range(known + 1, first + size))
        known = max(known, first + size - 1)
        assert database.read_now(lambda db: logs.through(db, site, log_id)) == known
    query = log_entries.select().where(log_entries.c.log_id == log_id).order_by(log_entries.c.n)
    assert [row.n for row in database.read_now(lambda db: db.execute(query).all())] == list(range(1, known + 1))


@given(st.lists(st.sampled_from(list(State)), max_size=12))
def test_a_command_never_goes_back_and_only_a_late_answer_corrects_its_end(steps: list[State]) -> None:
    order = [State.REQUESTED, State.SENT, State.ACCEPTED, State.RUNNING]
    state = State.REQUESTED
    for step in steps:
        after = state_after(state, step)
        if state in FINAL and state is not State.EXPIRED:
            assert after is state
        elif state is State.EXPIRED:
            assert after is (step if step in FINAL else state)
        elif after not in FINAL:
            assert order.index(after) >= order.index(state)
        state = after


@given(st.integers(-(2**62), 2**62))
def test_whatever_moment_a_room_has_said_can_be_read_again(at_ms: int) -> None:
    read = moment(at_ms)
    assert read.tzinfo is UTC and read.astimezone(timezone(timedelta(hours=14))) == read
    if 0 <= at_ms < 4_000_000_000_000:
        assert millis(read) == at_ms


@pytest.mark.parametrize("before", [0, 1, 2, 3])
def test_a_room_that_answers_before_the_server_wrote_that_it_sent_is_told_of_in_the_order_of_what_happened(
    database: Database, before: int
) -> None:
    row = CommandRow(
        uuid7(), "s", "camera-1", "reboot", {}, "", "Lê Văn An", "", NOW, NOW, NOW, State.REQUESTED
    )  # fmt: skip
    of_the_room = [State.ACCEPTED, State.RUNNING, State.SUCCEEDED]
    # Twice: whoever looked before the first was written sends it again, and says so again.
    written = [*of_the_room[:before], State.SENT, State.SENT, *of_the_room[before:]]
    database.write_now(lambda db: commands.add(db, row))
    for state in written:
        step = StepRow(NOW, state, str(state), {})
        database.write_now(lambda db, step=step: commands.advance(db, row.id, step))  # type: ignore[misc]
    told = database.read_now(lambda db: commands.steps(db, row.id))
    assert [step.state for step in told] == [State.REQUESTED, State.SENT, *of_the_room]


def test_a_session_is_live_from_ten_minutes_before_to_its_end() -> None:
    session = Session("x", "t", "periodic", "", NOW, NOW + timedelta(hours=1), ("a",), NOW)
    moments = {-11: False, -10: True, 0: True, 59: True, 60: False}
    assert {m: is_live(session, NOW + timedelta(minutes=m)) for m in moments} == moments


@pytest.mark.parametrize(
    ("start_min", "end_min", "sites", "key"),
    [
        (10, 70, ("a",), None),
        (10, 10, ("a",), "sessions.ends_before_start"),
        (10, 60 * 25, ("a",), "sessions.too_long"),
        (-70, -10, ("a",), "sessions.in_the_past"),
        (10, 70, (), "sessions.no_sites"),
    ],
)
def test_a_plan_is_judged(start_min: int, end_min: int, sites: tuple[str, ...], key: str | None) -> None:
    starts_at, ends_at = NOW + timedelta(minutes=start_min), NOW + timedelta(minutes=end_min)
    found = wrong_plan(Session("x", "t", "periodic", "", starts_at, ends_at, sites, NOW), NOW)
    assert (found or {}).get("key") == key


@given(st.lists(st.integers(1, 5), max_size=8), st.data())
def test_a_reader_that_comes_back_misses_nothing_and_hears_nothing_twice(
    bursts: list[int], data: st.DataObject
) -> None:
    async def story() -> None:
        stream = Stream("life")
        heard: list[int] = []
        last: str | None = "life.0"
        total = 0
        for burst in bursts:
            for _ in range(burst):
                total += 1
                stream.publish("site", "a", value=total)
            most = data.draw(st.integers(0, burst))
            async for change in stream.read(last, pause_s=0.001):
                if change is None or len(heard) >= total - burst + most:
                    break
                heard.append(change.data["value"])
                last = stream.id_of(change)
        async for change in stream.read(last, pause_s=0.001):
            if change is None:
                break
            heard.append(change.data["value"])
        assert heard == list(range(1, total + 1))

    asyncio.run(story())


def test_a_reader_from_another_life_or_too_late_is_told_to_start_anew() -> None:
    async def first(stream: Stream, last: str) -> Change | None:
        async for change in stream.read(last, pause_s=0.01):
            return change
        return None

    async def story() -> None:
        stream = Stream("life")
        for _ in range(6_000):
            stream.publish("site", "a")
        for last in ("other.6000", "life.3", "life.9999", "nonsense"):
            change = await first(stream, last)
            assert change is not None and change.kind == "reset", last
        change = await first(stream, "life.5999")
        assert change is not None and change.n == 6_000

    asyncio.run(story())


def test_the_province_is_read_whole() -> None:
    with (DATA / "sites.csv").open(encoding="utf-8", newline="") as lines:
        found = sites_of(csv.reader(lines))
    assert len(found) == 190 and sum(site.kind == "commune" for site in found) == 166


GOOD = ["38-1", "14758", "Phường Hàm Rồng", "commune", "", "19.8", "105.7", "5", "5"]


@pytest.mark.parametrize(
    ("at", "value"), [(0, "38 1"), (0, ""), (2, ""), (3, "village"), (5, "north"), (5, "91"), (6, "nan"), (7, "-1")]
)
def test_a_wrong_row_is_named_and_nothing_is_taken(at: int, value: str) -> None:
    wrong = [*GOOD]
    wrong[at] = value
    with pytest.raises(BadFile) as refused:
        sites_of([COLUMNS, ["38-0", *GOOD[1:]], wrong, ["38-2", *GOOD[1:]], ["x y", *GOOD[1:]]])
    assert "\n  3: " in refused.value.params["rows"] and "\n  5: " in refused.value.params["rows"]


@given(st.lists(st.lists(st.text(max_size=8), max_size=10), max_size=6))
def test_any_rows_are_sites_or_a_named_error(rows: list[list[str]]) -> None:
    try:
        assert all(isinstance(site, SiteRow) for site in sites_of([list(COLUMNS), *rows]))
    except BadFile as error:
        assert error.key.startswith("sites.")


def run(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return run_to_end("--folder", str(folder / "server"), *words)


def test_an_import_takes_a_good_file_and_nothing_of_a_wrong_one(tmp_path: Path) -> None:
    file = tmp_path / "sites.csv"
    file.write_text(",".join(COLUMNS) + "\n" + ",".join(GOOD) + "\n38-2,,,commune,,x,1,,\n", encoding="utf-8")
    refused = run(tmp_path, "sites", "import", str(file))
    assert refused.returncode == 1 and "1 dòng sai" in refused.stderr and "3: name" in refused.stderr
    file.write_text(",".join(COLUMNS) + "\n" + ",".join(GOOD) + "\n", encoding="utf-8")
    assert "1 new, 0 known" in run(tmp_path, "sites", "import", str(file)).stdout
    assert "0 new, 1 known" in run(tmp_path, "sites", "import", str(file)).stdout
    assert run(tmp_path, "sites", "import", str(tmp_path / "none.csv")).returncode == 2


def test_a_site_that_was_closed_stays_closed_until_somebody_says_otherwise(database: Database) -> None:
    row = SiteRow("r-9", "", "Một", "commune", None, 1.0, 2.0, None, None)
    database.write_now(lambda db: replace_sites(db, [row]))
    database.write_now(lambda db: close_site(db, row.id, 1))
    assert database.write_now(lambda db: replace_sites(db, [row])) == (0, 1)
    assert row not in database.read_now(all_sites), "a list that is kept elsewhere may name it for long"
    database.write_now(lambda db: replace_sites(db, [row], reopen=True))
    assert row in database.read_now(all_sites)
    database.write_now(lambda db: close_site(db, row.id, 1))


def test_a_map_is_taken_only_when_it_is_one(tmp_path: Path) -> None:
    assert run(tmp_path, "map", "import", str(DATA / "schematic.geojson")).returncode == 0
    before = (tmp_path / "server" / "map.geojson").read_bytes()
    for text in ("", "{}", '{"features": [{"properties": {"code": "1"}, "geometry": {"type": "Point"}}]}'):
        (tmp_path / "wrong").write_text(text)
        assert run(tmp_path, "map", "import", str(tmp_path / "wrong")).returncode == 1
    assert (tmp_path / "server" / "map.geojson").read_bytes() == before


def test_the_server_refuses_to_be_heard_beyond_this_machine(tmp_path: Path) -> None:
    refused = run(tmp_path, "serve", "--host", "0.0.0.0")
    assert refused.returncode == 2 and "127.0.0.1" in refused.stderr and "HTTPS" in refused.stderr


def test_sites_are_replaced_and_the_others_stay(database: Database) -> None:
    row = SiteRow("r-1", "", "Một", "commune", None, 1.0, 2.0, None, None)
    other = SiteRow("r-2", "", "Hai", "commune", None, 1.0, 2.0, None, None)
    assert database.write_now(lambda db: replace_sites(db, [row, other])) == (2, 0)
    renamed = SiteRow("r-1", "", "Ba", "commune", None, 1.0, 2.0, None, None)
    assert database.write_now(lambda db: replace_sites(db, [renamed])) == (0, 1)
    assert [site.name for site in database.read_now(all_sites)] == ["Ba", "Hai"]


def test_a_retained_copy_of_unknown_age_does_not_take_the_place_of_what_was_seen_live(tmp_path: Path) -> None:
    """A server that comes back hears the last report of before once more, and cannot tell how old that is."""

    async def story() -> None:
        centre = CentreWithoutWires(tmp_path, {"a": "commune"})
        await centre.start()
        await centre.report("a")
        seen_at = centre.fleet.entries["a"].room.received_at
        later = report_of_room(ABOUT, uuid7(), 9)
        for expiry_left_s, is_taken in ((REPORT_EXPIRY_S, False), (REPORT_EXPIRY_S - 3, True)):
            intake = Intake(centre.fleet)
            copy = Received("", encode(later), True, expiry_left_s, None, 0)  # type: ignore[arg-type]
            take(intake, "a", later, copy)
            assert ("a" in intake.entries) is is_taken
            assert intake.entry("a").room.received_at == (seen_at - 3 if is_taken else seen_at)  # type: ignore[operator]
        centre.close()

    asyncio.run(story())


def test_a_reader_hears_that_the_server_lives_also_while_much_happens_that_is_not_its_own() -> None:
    async def story() -> None:
        stream, lived = Stream("e"), 0

        async def others() -> None:
            while True:
                stream.publish("site", "38-2")
                await asyncio.sleep(0.002)

        busy = asyncio.create_task(others())
        async with asyncio.timeout(20):
            async for change in stream.read(None, pause_s=0.05):
                lived += change is None
                if lived == 3:
                    break
        busy.cancel()

    asyncio.run(story())
