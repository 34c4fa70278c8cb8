"""A server and a broker behind TLS for all tests of a file, each of which has sites of its own."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from demo.broker import mosquitto
from tests.conftest import need
from tests.counterparts.forked import ForkingProcesses
from tests.counterparts.guarded import GuardedFleet, rows_of
from tests.counterparts.light_agents import LightAgent

_SITES = [f"e-{number:02}" for number in range(1, 100)]


def _running(folder: Path, **settings: bool) -> Iterator[GuardedFleet]:
    need(mosquitto(), "mosquitto")
    processes = ForkingProcesses(folder)
    fleet = GuardedFleet(processes, folder / "server", rows_of(_SITES), **settings)
    try:
        fleet.start()
        yield fleet
    finally:
        fleet.close()
        processes.end()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedFleet]:
    """Its API is on the loopback interface, without TLS."""
    yield from _running(tmp_path_factory.mktemp("guarded"))


@pytest.fixture(scope="module")
def by_https(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedFleet]:
    """Its API is reached by HTTPS."""
    yield from _running(tmp_path_factory.mktemp("https"), web_tls=True)


_NUMBER = count()


@pytest.fixture
def site() -> str:
    """A site that no other test has."""
    return _SITES[next(_NUMBER) % len(_SITES)]


@pytest.fixture
def other_site() -> str:
    """And another one."""
    return _SITES[next(_NUMBER) % len(_SITES)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A machine's folder."""
    return tmp_path / "machine"


@pytest.fixture
def light() -> Iterator[Callable[[Path], LightAgent]]:
    """Starts light agents; they end with the test."""
    started: list[LightAgent] = []

    def start(home: Path) -> LightAgent:
        started.append(LightAgent(home).start())
        return started[-1]

    yield start
    for agent in started:
        agent.stop()
