"""What can be known of a PC, before any judgement; and the same facts as a line of JSON from another computer."""

from typing import Annotated, Protocol

from msgspec import Meta, Struct

Real = Annotated[float, Meta(ge=-1e18, le=1e18)]


class Facts(Struct, frozen=True, kw_only=True):
    """A PC at one moment; None is "cannot be told"."""

    make: Annotated[str, Meta(max_length=120)] = ""
    model: Annotated[str, Meta(max_length=120)] = ""
    system: Annotated[str, Meta(max_length=120)] = ""
    cpu: Real | None = None
    memory: Real | None = None
    disk_free: Real | None = None
    disk_used: Real | None = None
    temperature: Real | None = None
    uptime: Real | None = None
    clock_offset: Real | None = None
    link_up: bool | None = None
    link_speed: Real | None = None
    conference_running: bool | None = None
    usb_camera: bool | None = None
    usb_audio: bool | None = None
    external_disk: bool | None = None


class Machine(Protocol):
    """Where facts come from."""

    def facts(self) -> Facts:
        """The facts of now. Raises DriverError."""
        ...
