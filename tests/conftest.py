"""Ports, folders, a broker, a server and rooms: the real ones, on the loopback interface, gone when a test ends."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from demo.broker import mosquitto, start_embedded, start_mosquitto
from demo.processes import Processes
from device_drivers.equipment import EquipmentLoop
from device_drivers.loopback import free_port, keep_to
from tests.counterparts.databases import CHOICE, postgres, postgres_is_there
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.forked import ForkingProcesses
from tests.counterparts.room import RoomUnderTest
from tests.counterparts.waiting import listening

if worker := os.environ.get("PYTEST_XDIST_WORKER", ""):
    keep_to(int(worker.removeprefix("gw")), int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")


_LONGEST_FIRST = ("install", "device_drivers", "road", "trust", "api", "kill", "demo", "pages")
"""Folders whose files take minutes; a file is one worker's, so the last one begun decides when all end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, and leave out what rests on SQLite's own file where the choice is another."""
    if os.environ.get(CHOICE) == "postgresql":
        elsewhere = pytest.mark.skip(reason="it rests on SQLite's own file")
        for item in items:
            if item.get_closest_marker("sqlite_file"):
                item.add_marker(elsewhere)
    rank = {name: nr for nr, name in enumerate(_LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.parent.name, len(rank)))


def pytest_sessionfinish() -> None:
    """Leave no PostgreSQL behind."""
    if postgres.cache_info().currsize:
        postgres().stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the two in turn, for whatever the test opens."""
    kind: str = request.param
    if kind == "postgresql":
        need(postgres_is_there(), "postgresql")
    monkeypatch.setenv(CHOICE, kind)
    return kind


def need(found: object, what: str) -> None:
    """A counterpart that is missing fails where everything must be there, and skips elsewhere."""
    if not found:
        if os.environ.get("CI"):
            pytest.fail(f"{what} is not on this machine; ./dev installs it")
        pytest.skip(f"{what} is not on this machine")


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """Programs of ours that a test runs in this process shut what they write from others, and others write too."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Child processes that end with the test."""
    children = ForkingProcesses(tmp_path)
    yield children
    children.end()


@pytest.fixture
def equipment() -> Iterator[EquipmentLoop]:
    """The loop that simulated equipment lives on."""
    loop = EquipmentLoop()
    yield loop
    loop.close()


@pytest.fixture
def mosquitto_port(processes: Processes, tmp_path: Path) -> int:
    """A Mosquitto of the test's own."""
    program = mosquitto()
    need(program, "mosquitto")
    port = free_port()
    start_mosquitto(processes, str(program), tmp_path / "broker", port)
    listening(port)
    return port


@pytest.fixture(params=["mosquitto", "embedded"])
def any_broker_port(request: pytest.FixtureRequest, processes: Processes, tmp_path: Path) -> int:
    """Each of the two brokers in turn."""
    if request.param == "mosquitto":
        port: int = request.getfixturevalue("mosquitto_port")
        return port
    port = free_port()
    start_embedded(processes, tmp_path / "broker", port)
    listening(port)
    return port


@pytest.fixture
def fleet(processes: Processes, mosquitto_port: int, tmp_path: Path) -> Iterator[FleetUnderTest]:
    """A server with a few sites, on Mosquitto."""
    server = FleetUnderTest(processes, mosquitto_port, tmp_path / "server")
    server.start()
    yield server
    server.close()


@pytest.fixture
def new_room(equipment: EquipmentLoop, mosquitto_port: int, tmp_path: Path) -> Iterator[Callable[..., RoomUnderTest]]:
    """Makes rooms: `new_room("38-1")`."""
    rooms: list[RoomUnderTest] = []

    def make(site: str, poll_s: float = 1.0, records: bool = False) -> RoomUnderTest:
        rooms.append(RoomUnderTest(site, equipment, mosquitto_port, tmp_path / "rooms", poll_s, records))
        return rooms[-1]

    yield make
    for room in rooms:
        room.stop()


@pytest.fixture
def room(new_room: Callable[..., RoomUnderTest]) -> RoomUnderTest:
    """One room, its agent at work."""
    made = new_room("38-1")
    made.start()
    return made


@pytest.fixture
def chromium() -> str:
    """The browser."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    need(found, "chromium")
    return str(found)
