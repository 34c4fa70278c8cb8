"""What can be known of a USB camera, before any judgement."""

from typing import Annotated, Protocol

from msgspec import Meta, Struct

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
