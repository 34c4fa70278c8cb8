"""What is said to systemd, on a real socket; and when it is not said."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.broker import mosquitto, start_mosquitto
from demo.processes import Processes
from device_drivers.loopback import free_port
from tests.conftest import need
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.waiting import listening, wait_for
from wire.service_manager import ServiceManager

WITHIN_S = 24


class Systemd:
    """The end that listens."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.bind(self.address)
        self._line.setblocking(False)
        self.heard: list[str] = []
        self.environment = {"NOTIFY_SOCKET": self.address, "WATCHDOG_USEC": str(WITHIN_S * 1_000_000)}

    def hear(self) -> list[str]:
        """All that was said until now."""
        while True:
            try:
                self.heard.append(self._line.recv(100).decode())
            except BlockingIOError:
                return self.heard

    def count(self) -> int:
        """How often it was said that all is well."""
        return self.hear().count("WATCHDOG=1")

    def close(self) -> None:
        self._line.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    made = Systemd(tmp_path)
    yield made
    made.close()


def test_what_is_said_and_that_nobody_has_to_listen(systemd: Systemd) -> None:
    manager = ServiceManager(systemd.environment)
    assert manager.watchdog_s == WITHIN_S
    manager.ready()
    manager.alive()
    manager.stopping()
    assert systemd.hear() == ["READY=1", "WATCHDOG=1", "STOPPING=1"]
    assert ServiceManager({**systemd.environment, "WATCHDOG_PID": "1"}).watchdog_s is None, "that is somebody else"
    for nobody in ({}, {"NOTIFY_SOCKET": "/nowhere/notify"}, {"WATCHDOG_USEC": "soon"}):
        manager = ServiceManager(nobody)
        manager.ready()
        assert manager.watchdog_s is None


@pytest.fixture
def broker(processes: Processes, tmp_path: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """A Mosquitto that can be stopped and go on."""
    program = mosquitto()
    need(program, "mosquitto")
    port = free_port()
    child = start_mosquitto(processes, str(program), tmp_path / "broker", port)
    listening(port)
    yield port, child
    child.send_signal(signal.SIGCONT)


def stands_still(systemd: Systemd, for_s: float) -> bool:
    """Whether nothing is said for so long, the first seconds aside."""
    wait_for(lambda: time.monotonic() - _last(systemd) > for_s, 120, "it goes on saying that all is well")
    return True


_SEEN: dict[str, tuple[int, float]] = {}


def _last(systemd: Systemd) -> float:
    count = systemd.count()
    seen = _SEEN.get(systemd.address)
    if seen is None or seen[0] != count:
        _SEEN[systemd.address] = seen = (count, time.monotonic())
    return seen[1]


@pytest.mark.timeout(240)
def test_server_says_that_it_lives_only_while_the_broker_answers_or_is_known_to_be_gone(
    processes: Processes, broker: tuple[int, "subprocess.Popen[bytes]"], systemd: Systemd, tmp_path: Path
) -> None:
    port, child = broker
    fleet = FleetUnderTest(processes, port, tmp_path / "server")
    fleet.environment |= systemd.environment
    fleet.start()
    wait_for(lambda: "READY=1" in systemd.hear(), 10, "it does not say that it is ready")
    wait_for(lambda: systemd.count() >= 2, 30, "it does not say that it lives")
    child.send_signal(signal.SIGSTOP)  # the line stands, and nobody answers
    assert stands_still(systemd, WITHIN_S / 4 * 1.5)
    before = systemd.count()
    wait_for(lambda: systemd.count() > before, 60, "the broker is known to be gone: a restart would bring nothing")
    child.send_signal(signal.SIGCONT)
    wait_for(lambda: fleet.health()["broker"], 90)
    server = fleet.child
    assert server is not None
    server.send_signal(signal.SIGTERM)
    wait_for(lambda: "STOPPING=1" in systemd.hear(), 20, "it does not say that it leaves")
    assert server.wait(20) == 0, "in order, not by the signal"
    fleet.close()


def test_without_a_service_manager_programs_run_as_before() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", "from wire.service_manager import ServiceManager; ServiceManager().ready()"],
        env={name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}, timeout=20, check=False,
    )  # fmt: skip
    assert ran.returncode == 0
