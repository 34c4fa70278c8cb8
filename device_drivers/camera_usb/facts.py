"""What can be known of a USB camera, before any judgement."""

from typing import Annotated, Protocol

from msgspec import Meta, Struct

from device_drivers.far import ask

Text = Annotated[str, Meta(max_length=120)]


class CameraFacts(Struct, frozen=True, kw_only=True):
    """A camera at one moment; None is "cannot be told"."""

    present: bool
    make: Text = ""
    model: Text = ""
    """With the USB id at its end: `HD Pro Webcam C920 [046d:082d]`."""
    serial: Text = ""
    firmware: Text = ""
    in_use: bool | None = None
    held_by: Text | None = None
    formats: Text | None = None
    width: Annotated[int, Meta(ge=0, le=65_535)] | None = None
    height: Annotated[int, Meta(ge=0, le=65_535)] | None = None


class Camera(Protocol):
    """Where facts come from."""

    def facts(self) -> CameraFacts:
        """The facts of now. Raises DriverError."""
        ...


class FarCamera:
    """A camera of the PC beside the agent's own box."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._address, self._timeout_s = (host, port), timeout_s

    def facts(self) -> CameraFacts:
        """Ask once. Raises NotAnswering or BadAnswer."""
        return ask(self._address, self._timeout_s, CameraFacts, "camera of")
