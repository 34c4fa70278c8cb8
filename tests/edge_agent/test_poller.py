"""Who is observed when."""

import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.config import DeviceConfig
from edge_agent.journal import Journal
from edge_agent.log import RoomLog
from edge_agent.poller import Poller
from edge_agent.power import PowerTree
from edge_agent.store import Store
from edge_agent.worker import DeviceWorker, driver_of
from tests.counterparts.waiting import wait_for
from wire.times import SystemClock


class Counted(DeviceWorker):
    """A worker that keeps the moments at which it was poked."""

    def __init__(self, device: DeviceConfig, folder: Path) -> None:
        clock, store = SystemClock(), Store(folder)
        journal = Journal(store, RoomLog(store, clock), clock, folder / "acting")
        super().__init__(device, lambda: driver_of(device, clock), journal, clock, lambda *_: None, PowerTree(()), dict)
        self.store = store
        self.pokes: list[float] = []

    def poke(self) -> None:
        """Note it."""
        self.pokes.append(time.monotonic())


@pytest.fixture
def polled(tmp_path: Path) -> Iterator[tuple[Poller, Counted]]:
    worker, poller = Counted(DeviceConfig("pc-1", "pc", "pc", poll_s=60), tmp_path), Poller()
    poller.start()
    poller.add(worker)
    wait_for(lambda: worker.pokes, 5, "the first poll is at once")
    yield poller, worker
    poller.stop()
    worker.store.close()


def test_a_room_in_a_hurry_is_polled_as_often_as_it_reports(polled: tuple[Poller, Counted]) -> None:
    poller, worker = polled
    poller.hurry(1)
    wait_for(lambda: len(worker.pokes) >= 4, 6, "it is not polled more often")
    poller.hurry(1)  # the same configuration comes again: the schedule does not begin anew
    poller.hurry(math.inf)
    told = len(worker.pokes)
    wait_for(lambda: time.monotonic() - worker.pokes[-1] > 2.5, 6, "it is still in a hurry")
    assert len(worker.pokes) <= told + 1


def test_a_device_that_comes_while_the_room_is_in_a_hurry_hurries_too(
    polled: tuple[Poller, Counted], tmp_path: Path
) -> None:
    poller, _ = polled
    poller.hurry(1)
    (tmp_path / "late").mkdir()
    late = Counted(DeviceConfig("pc-2", "pc", "pc", poll_s=60), tmp_path / "late")
    poller.add(late)
    wait_for(lambda: len(late.pokes) >= 3, 6, "it is polled by its own schedule alone")
    poller.remove("pc-2")
    late.store.close()


def test_a_device_is_observed_also_when_nobody_pokes_it_because_the_clock_was_set_back(tmp_path: Path) -> None:
    clock, store = SystemClock(), Store(tmp_path)
    journal = Journal(store, RoomLog(store, clock), clock, tmp_path / "acting")
    device = DeviceConfig("pc-1", "pc", "pc", poll_s=1)
    worker = DeviceWorker(
        device, lambda: driver_of(device, clock), journal, clock, lambda *_: None, PowerTree(()), dict
    )
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop, lambda: None))
    thread.start()
    try:
        first = wait_for(lambda: worker.view().observation, 20, "it is never observed")
        wait_for(lambda: worker.view().observation not in (None, first), 20, "and then never again")
    finally:
        stop.set()
        thread.join(10)
        store.close()
