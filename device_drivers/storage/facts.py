"""What can be known of the recording's disk, before any judgement."""

from typing import Annotated, Protocol

from msgspec import Meta, Struct

from device_drivers.far import Far

Real = Annotated[float, Meta(ge=0, le=1e18)]
Text = Annotated[str, Meta(max_length=120)]


class DiskFacts(Struct, frozen=True, kw_only=True):
    """A disk at one moment; None is "cannot be told"."""

    make: Text = ""
    model: Text = ""
    serial: Text = ""
    firmware: Text = ""
    writable: bool | None = None
    """Proved by writing, not read from a flag."""
    space_free: Real | None = None
    space_total: Real | None = None
    recording_still: Real | None = None
    """Seconds since the newest file last grew; None where there is no file."""
    recordings: Annotated[int, Meta(ge=0)] | None = None
    smart_healthy: bool | None = None
    disk_temperature: Annotated[float, Meta(ge=-40, le=150)] | None = None
    disk_hours: Real | None = None


class Disk(Protocol):
    """Where facts come from."""

    def facts(self) -> DiskFacts:
        """The facts of now. Raises DriverError."""
        ...

    def recording_still(self) -> float | None:
        """That fact alone, as cheaply as it can be had. Raises DriverError."""
        ...


class FarDisk(Far[DiskFacts]):
    """The disk of the PC beside the agent's own box."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        super().__init__(DiskFacts, "disk of", host, port, timeout_s)

    def recording_still(self) -> float | None:
        """One question, as for all facts. Raises NotAnswering or BadAnswer."""
        return self.facts().recording_still
