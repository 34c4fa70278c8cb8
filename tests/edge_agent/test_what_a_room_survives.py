"""A full or damaged disk, a wrong clock, a device that hangs: what they must not take along."""

import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from device_drivers.driver import Driver, Observation
from device_drivers.errors import NotAnswering
from edge_agent.clock_trust import ClockTrust
from edge_agent.commands import Commands
from edge_agent.config import DeviceConfig
from edge_agent.identity import Identity, IdentityKeeper, Pair, save_new, write_private
from edge_agent.journal import Journal
from edge_agent.log import RoomLog
from edge_agent.power import PowerTree
from edge_agent.renewal import Renewals, _Asked
from edge_agent.store import Store
from edge_agent.unkept import Unkept
from edge_agent.worker import DeviceWorker
from tests.conftest import need
from tests.counterparts.identity import PUBLIC
from tests.counterparts.waiting import wait_for
from tests.edge_agent.test_clock_trust import ClockInHand, measured
from wire.codec import MAX_MESSAGE_BYTES, encode
from wire.ids import uuid7
from wire.messages import Ack, Certificate, Command, Renewal, StepEntry
from wire.times import SystemClock

DEVICE = DeviceConfig("relay-1", "light", "relay_gpio", poll_s=1, deadline_s=0.2)


class Held:
    """A driver whose question can be held up, as that to a disk that hangs."""

    def __init__(self) -> None:
        self.closed = self.acted = self.given = 0
        self.back = ("", "")
        self.answers = threading.Event()
        self.answers.set()
        self.breathe: Callable[[], None] = lambda: None

    def observe(self) -> Observation:
        self.answers.wait(30)
        return Observation(SystemClock().monotonic(), {})

    def proved(self, *_: object) -> None:
        return None

    def cuts(self, *_: object) -> None:
        return None

    def mark(self, *_: object) -> None:
        return None

    def act(self, *_: object) -> dict[str, Any]:
        self.acted += 1
        return {}

    def give_back(self, action: str, mark: str) -> None:
        self.given += 1
        if self.given < 3:
            raise NotAnswering("the switch is not there yet")
        self.back = (action, mark)

    def close(self) -> None:
        self.closed += 1


class Bench:
    """One worker with a store of its own; `found` is what it tells of what it sees."""

    def __init__(self, folder: Path, found: Callable[..., None] = lambda *_: None) -> None:
        clock, self.folder = SystemClock(), folder
        self.store, self.driver = Store(folder), Held()
        self.log = RoomLog(self.store, clock)
        self.journal = Journal(self.store, self.log, clock, folder / "acting")
        make: Callable[[], Driver] = lambda: self.driver  # type: ignore[assignment, return-value]  # noqa: E731
        self.worker = DeviceWorker(DEVICE, make, self.journal, clock, found, PowerTree(()), dict)
        self.stop = threading.Event()

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self.worker.run, args=(self.stop, lambda: None))
        thread.start()
        return thread

    def command(self, lasts_s: float) -> Command:
        now = SystemClock().now()
        command = Command(uuid7(), "38-1", uuid7(), "relay-1", "on", {}, now, now + timedelta(seconds=lasts_s), "An")
        assert self.journal.receive(command)
        return command

    def steps_of(self, command: Command) -> list[tuple[str, str]]:
        batch = self.log.batch()
        steps = [each for each in (batch.entries if batch else ()) if isinstance(each, StepEntry)]
        return [(str(each.state), each.detail) for each in steps if each.command == command.id]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.driver.answers.set()
    made.stop.set()
    made.store.close()


def test_what_cannot_be_written_down_closes_no_driver(tmp_path: Path) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    bench = Bench(tmp_path, full)
    bench.worker.poke()
    with pytest.raises(sqlite3.OperationalError):
        bench.worker.run(bench.stop, lambda: None)
    assert bench.driver.closed == 0, "coils would be let go of, and the room's lamps go dark"
    bench.stop.set()
    bench.worker.run(bench.stop, lambda: None)
    assert bench.driver.closed == 1
    bench.store.close()


def test_an_event_that_cannot_be_kept_is_counted_and_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    unkept = Unkept()
    for _ in range(3):
        with unkept:
            raise sqlite3.OperationalError("database or disk is full")
    with unkept:
        pass
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"] and "lost=3" in caplog.text
    with pytest.raises(ValueError), unkept:
        raise ValueError("anything else is not the store's")


def test_a_command_behind_a_hanging_device_ends_when_its_time_is_over(bench: Bench) -> None:
    bench.driver.answers.clear()
    thread = bench.start()
    bench.worker.poke()
    wait_for(lambda: bench.worker.hangs, 10, "it does not hang")
    command = bench.command(lasts_s=0.3)
    bench.worker.act(command)
    assert bench.worker.acting == command.id and not bench.worker.executes, "a release is not held up by it"
    wait_for(lambda: bench.worker.drop_expired() or bench.worker.acting is None, 10, "it waits for ever")
    bench.driver.answers.set()
    again = bench.command(lasts_s=30)
    bench.worker.act(again)
    wait_for(lambda: bench.steps_of(again)[-1:] == [("succeeded", "succeeded")], 10, "the next is not executed")
    bench.stop.set()
    bench.worker.poke()
    thread.join(10)
    assert bench.steps_of(command) == [("accepted", "accepted"), ("refused", "expired")] and bench.driver.acted == 1


def test_what_an_act_had_taken_when_we_were_killed_is_given_back_as_soon_as_that_can_be(bench: Bench) -> None:
    command = bench.command(lasts_s=30)
    bench.journal.step(command.id, "running", "started", {}, "1.7")
    assert [file.name for file in (bench.folder / "acting").iterdir()] == [command.id], "no release is tried now"
    clock, devices = SystemClock(), SimpleNamespace(workers={"relay-1": bench.worker})
    Commands(devices, bench.journal, bench.log, clock, ClockTrust(clock)).settle()  # type: ignore[arg-type]
    thread = bench.start()
    bench.worker.poke()
    wait_for(lambda: bench.worker.poke() or bench.driver.back == ("on", "1.7"), 20, "it is not given back")
    bench.stop.set()
    bench.worker.poke()
    thread.join(10)
    assert bench.steps_of(command)[-1] == ("interrupted", "agent_stopped") and bench.driver.given == 3
    assert list((bench.folder / "acting").iterdir()) == []


@pytest.mark.parametrize("wrong_by", [timedelta(days=-20), timedelta(0), timedelta(days=20)])
def test_a_certificate_is_renewed_by_the_centres_time(wrong_by: timedelta) -> None:
    clock = ClockInHand()
    trust = measured(clock)
    keeper: Any = SimpleNamespace(identity=SimpleNamespace(site="38-1"))
    link: Any = None
    renewals = Renewals(keeper, link, clock, trust)
    pair = Pair("a", "authority", clock.true + timedelta(days=15))
    clock.wrong_by_s = wrong_by.total_seconds()
    assert not renewals._is_due(pair)
    clock.passes(timedelta(days=16, seconds=1).total_seconds())
    assert renewals._is_due(pair)


def test_nothing_more_is_asked_for_while_the_answer_is_being_kept() -> None:
    clock, seen = ClockInHand(), []
    keeper: Any = SimpleNamespace(renewed=lambda *_: seen.append(renewals._asked))
    renewals = Renewals(keeper, SimpleNamespace(reconnect=lambda: None), clock, measured(clock))  # type: ignore[arg-type]
    asked = _Asked(Renewal(uuid7(), "x"), "next")
    renewals._asked = asked
    renewals.answered(Certificate("38-1", asked.renewal.id, clock.now(), "x", "authority", clock.now(), "y"))
    assert seen == [asked] and renewals._asked is None


def test_the_key_of_a_request_stays_until_its_certificate_is_here(tmp_path: Path) -> None:
    now = SystemClock().now()
    pairs = [Pair(name, "authority", now) for name in ("old", "waiting")]
    for pair in pairs:
        for end in (".key", ".pem"):
            write_private(tmp_path / f"{pair.name}{end}", "x")
    save_new(tmp_path, Identity("38-1", "127.0.0.1", 1, PUBLIC, pair=pairs[0], waiting=pairs[1]))
    keeper = IdentityKeeper(tmp_path)
    keeper.expects("asked")
    write_private(tmp_path / "asked.key", "x")
    keeper.broker()
    keeper.connected()
    assert keeper.identity.pair == pairs[1]
    assert {file.name for file in tmp_path.glob("*.key")} == {"waiting.key", "asked.key"}
    keeper.renewed("asked", Certificate("38-1", uuid7(), now, "x", "authority", now, "y"))
    keeper.broker()
    keeper.connected()
    assert {file.name for file in tmp_path.glob("*.key")} == {"asked.key"}
    keeper.close()


def test_a_store_that_is_damaged_makes_way_for_another(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for number in range(400):
        bench.log.event("reading_changed", "pc-1", before=number, after="x" * 200)
    bench.store.close()
    file = tmp_path / "room.db"
    raw = bytearray(file.read_bytes())
    page = len(raw) // 4096 // 2 * 4096
    raw[page : page + 4096] = b"\xa5" * 4096
    file.write_bytes(raw)
    again = Bench(tmp_path)
    assert again.store.was_replaced and again.log.log_id != bench.log.log_id
    assert again.log.event("agent_started") == 1 and (tmp_path / "room.db.damaged").read_bytes() == raw
    again.store.close()
    sound = Store(tmp_path)
    assert not sound.was_replaced
    sound.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Of 24 MB; skipped where this machine lets nobody mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True)
    need(made.returncode == 0, "a small disk (root)")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # also where a test has failed and holds it


def fill(folder: Path) -> None:
    """As a recording does that nobody stops."""
    with pytest.raises(OSError), (folder / "recording.mp4").open("ab", buffering=0) as file:
        while True:
            file.write(b"x" * 65_536)


def test_a_full_disk_takes_no_room_away(small_disk: Path) -> None:
    store = Store(small_disk / "agent")
    log = RoomLog(store, SystemClock())
    fill(small_disk)
    failures, kept = 0, 0
    for _ in range(300):
        try:
            log.event("reading_changed", "pc-1", after="x" * 400)
            kept += 1
        except sqlite3.OperationalError:
            failures += 1
    assert failures <= 2 and kept >= 298, "what is kept for us is used"
    store.beat()
    store.close()
    again = Store(small_disk / "agent")
    RoomLog(again, SystemClock()).event("agent_started")
    again.close()
    (small_disk / "recording.mp4").unlink()
    room = Store(small_disk / "agent")
    assert (small_disk / "agent/reserve").stat().st_size == 4 << 20, "and kept again when there is space"
    room.close()


def test_an_agent_starts_on_a_disk_that_was_full_before(small_disk: Path) -> None:
    Store(small_disk / "agent").close()
    fill(small_disk)
    again = Store(small_disk / "agent")
    log = RoomLog(again, SystemClock())
    tries = 0
    while tries < 3:
        tries += 1
        with suppress(sqlite3.OperationalError):
            log.event("agent_started")
            break
    assert log.waiting() == 1
    again.close()


def test_an_older_copy_of_the_log_is_said_as_another_log(bench: Bench) -> None:
    for _ in range(3):
        bench.log.event("device_lost", "pc-1")
    before = bench.log.log_id
    at = SystemClock().now()
    bench.log.acknowledged(Ack("38-1", before, 405, at))
    batch = bench.log.batch()
    assert batch is not None and batch.log_id == bench.log.log_id != before
    assert [each.event for each in batch.entries if hasattr(each, "event")] == ["device_lost"] * 3 + ["log_restarted"]
    bench.log.acknowledged(Ack("38-1", batch.log_id, batch.entries[-1].n, at))
    assert bench.log.batch() is None


def test_long_texts_of_the_log_go_in_as_many_messages_as_they_need(bench: Bench) -> None:
    for _ in range(50):
        bench.log.event("device_refused", "pc-1", reason="ệ" * 500, detail="ộ" * 500)
    said = 0
    while (batch := bench.log.batch()) is not None:
        assert len(encode(batch)) <= MAX_MESSAGE_BYTES
        said += len(batch.entries)
        bench.log.acknowledged(Ack("38-1", batch.log_id, batch.entries[-1].n, SystemClock().now()))
    assert said == 50
