"""The computer that the agent runs on."""

from collections.abc import Iterator

from device_drivers.area import Area
from device_drivers.pc.machine import OwnMachine
from wire.messages import FoundDevice
from wire.times import SystemClock


def discover(area: Area) -> Iterator[FoundDevice]:
    """There is always one."""
    facts = OwnMachine((), "/", None, SystemClock()).facts()
    yield FoundDevice("pc", "pc", "localhost", facts.make, facts.model)
