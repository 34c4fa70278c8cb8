"""A broker and a server that stand for all tests of a module, where starting them anew would tell nothing more."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.broker import mosquitto, start_mosquitto
from demo.processes import Processes
from device_drivers.loopback import free_port
from tests.conftest import need
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.forked import ForkingProcesses
from tests.counterparts.waiting import listening


class StandingFleet(FleetUnderTest):
    """Knows where its broker listens and where its output goes."""

    def __init__(self, processes: Processes, broker_port: int, folder: Path, output: Path) -> None:
        super().__init__(processes, broker_port, folder)
        self.broker_port = broker_port
        self._output = output

    def says(self) -> str:
        """All that it has printed and logged until now."""
        return self._output.read_text(errors="replace") if self._output.exists() else ""


@contextmanager
def standing_fleet(
    folder: Path, before: Callable[[StandingFleet], object] = lambda _: None,
    kind: type[StandingFleet] = StandingFleet, **environment: str,
) -> Iterator[StandingFleet]:  # fmt: skip
    """A started server on Mosquitto; `before` makes users and rows while it does not run yet."""
    program = mosquitto()
    need(program, "mosquitto")
    folder.mkdir(parents=True, exist_ok=True)
    processes, port = ForkingProcesses(folder), free_port()
    try:
        start_mosquitto(processes, str(program), folder / "broker", port)
        listening(port)
        server = kind(processes, port, folder / "server", folder / "server.log")
        server.environment |= environment
        before(server)
        server.start()
        yield server
        server.close()
    finally:
        processes.end()
