"""Laws of what the room keeps: numbered without a hole, never silently dropped, whole after a kill."""

import random
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.journal import Journal
from edge_agent.log import RoomLog
from edge_agent.store import Store
from wire.ids import uuid7
from wire.messages import Ack, Command, EventEntry, LogEntry, StepEntry, SummaryEntry
from wire.times import SystemClock

CLOCK = SystemClock()


def entries(log: RoomLog) -> list[LogEntry]:
    """All of them, as a server would take them."""
    found: list[LogEntry] = []
    while (batch := log.batch()) is not None:
        found += batch.entries
        log.acknowledged(Ack("38-1", log.log_id, batch.entries[-1].n, CLOCK.now()))
    return found


@given(st.lists(st.sampled_from("es"), min_size=1, max_size=120), st.integers(4, 30))
def test_every_entry_is_there_or_counted_when_space_runs_out(kinds: list[str], most: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        log = RoomLog(store, CLOCK, most=most)
        for kind in kinds:
            if kind == "e":
                log.event("device_lost")
            else:
                log.step(uuid7(), "running", "started", {})
        kept, steps = log.waiting(), kinds.count("s")
        found = entries(log)
        store.close()
    assert kept <= max(most, 2 * steps + 1), "beyond its bound no two events stand side by side"
    assert sum(isinstance(entry, StepEntry) for entry in found) == kinds.count("s")
    counted = sum(sum(entry.events.values()) for entry in found if isinstance(entry, SummaryEntry))
    assert counted + sum(isinstance(entry, EventEntry) for entry in found) == kinds.count("e")
    expected = 1
    for entry in found:
        assert (entry.first if isinstance(entry, SummaryEntry) else entry.n) == expected
        expected = entry.n + 1
    assert expected == len(kinds) + 1


def test_numbers_and_log_go_on_when_the_agent_is_started_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    log = RoomLog(store, CLOCK)
    log.event("agent_started")
    store.close()
    store = Store(tmp_path)
    again = RoomLog(store, CLOCK)
    again.event("agent_started")
    assert again.log_id == log.log_id and [entry.n for entry in entries(again)] == [1, 2]
    again.event("agent_started")
    again.acknowledged(Ack("38-1", uuid7(), 99, CLOCK.now()))
    assert again.waiting() == 1, "an acknowledgement of another log is none"


def test_a_command_is_received_once_and_its_steps_are_in_the_log(tmp_path: Path) -> None:
    store = Store(tmp_path)
    log = RoomLog(store, CLOCK)
    journal = Journal(store, log, CLOCK, tmp_path / "acting")
    now = CLOCK.now()
    command = Command(uuid7(), "38-1", uuid7(), "ups-1", "beeper.mute", {}, now, now, "operator")
    assert journal.receive(command) and not journal.receive(command) and not journal.refuse(command, "busy", {})
    journal.step(command.id, "running", "started", {}, "mark")
    assert [(left.state, left.mark) for left in journal.unfinished()] == [("running", "mark")]
    journal.step(command.id, "succeeded", "succeeded", {"took_s": 1.0})
    assert journal.unfinished() == []
    assert [entry.state for entry in entries(log) if isinstance(entry, StepEntry)] == [
        "accepted",
        "running",
        "succeeded",
    ]


WRITER = """
import sys
from pathlib import Path
from edge_agent.documents import Documents
from edge_agent.log import RoomLog
from edge_agent.store import Store
from wire.times import SystemClock
folder = Path(sys.argv[1])
log, documents = RoomLog(Store(folder), SystemClock()), Documents(folder)
n = int((documents.get("count") or {"n": 0})["n"])
while True:
    n += 1
    log.event("device_lost")
    documents.put("count", {"n": n})
    print(n, flush=True)
"""


@pytest.mark.parametrize("seed", range(4))
def test_what_was_committed_is_there_after_a_kill(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    said = 0
    for _ in range(5):
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        for _ in range(chance.randrange(1, 60)):
            said = int(child.stdout.readline())
        child.kill()
        child.communicate()
    store = Store(tmp_path)
    log = RoomLog(store, CLOCK)
    found = entries(log)
    assert [entry.n for entry in found] == list(range(1, len(found) + 1))
    assert len(found) >= said
    store.close()


@given(st.text(max_size=3_000))
def test_no_text_however_long_holds_up_what_comes_after_it(said: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        log = RoomLog(store, CLOCK)
        log.event("device_lost", error=said)
        log.step(uuid7(), "running", "waiting_for_fed", {"devices": said})
        log.event("device_found")
        found = entries(log)
        store.close()
    assert [entry.n for entry in found] == [1, 2, 3]


def test_what_a_newer_release_has_left_in_the_store_is_read_by_the_older_one(tmp_path: Path) -> None:
    """A room goes back by itself, with the store of the release that it tried."""
    store = Store(tmp_path)
    log = RoomLog(store, CLOCK)
    log.event("device_lost")
    with store.write() as db:
        db.execute("INSERT INTO log (n, entry, is_event) VALUES (2, ?, 1)", (b'{"entry":"of_the_future","n":2}',))
        db.execute("UPDATE meta SET value = '3' WHERE key = 'next_n'")
        for table in ("log", "journal"):
            db.execute(f"ALTER TABLE {table} ADD COLUMN more TEXT")
    store.close()
    store = Store(tmp_path)
    log = RoomLog(store, CLOCK)
    log.event("device_found")
    now = CLOCK.now()
    asked = Command(uuid7(), "38-1", uuid7(), "ups-1", "quick_test", {}, now, now, "tests")
    assert Journal(store, log, CLOCK, tmp_path / "acting").receive(asked)
    found = entries(log)
    store.close()
    assert [entry.n for entry in found] == [1, 2, 3, 4]
    assert isinstance(found[1], EventEntry) and found[1].event == "entry_unreadable"
