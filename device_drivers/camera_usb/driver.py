"""One USB camera: of this computer, or of the PC beside it."""

from collections.abc import Callable
from threading import Event
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from device_drivers.camera_usb.facts import Camera, CameraFacts
from device_drivers.camera_usb.machine import OwnCamera
from device_drivers.driver import Driver, Identity, Observation, Progress
from device_drivers.errors import NotOffered
from device_drivers.far import Far
from device_drivers.frame import FrameNumbers
from device_drivers.registry import description_of
from wire.fields import Params, Value
from wire.times import Clock

_IDENTITY = ("make", "model", "serial", "firmware")


class CameraUsbSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Which camera."""

    name: Annotated[str, Meta(min_length=2, max_length=120)] | None = None
    """A part of its name, or its USB id such as "046d:082d"; None: the first that captures."""
    node: Annotated[str, Meta(pattern=r"^/[!-~]{1,200}$")] | None = None
    """Its node such as /dev/video0; or a file that stands for a camera."""
    host: Annotated[str, Meta(min_length=1, max_length=253)] | None = None
    """Set where the camera is on a PC beside the agent's own box."""
    port: Annotated[int, Meta(ge=1, le=65535)] = 9108
    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 3.0


class CameraUsb(Driver):
    """One camera. A camera that is not there is a reading, not an error: the PC answers for it."""

    Settings = CameraUsbSettings
    settings: CameraUsbSettings
    watches = True

    def __init__(self, settings: CameraUsbSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._own = OwnCamera(settings.name, settings.node, settings.timeout_s) if settings.host is None else None
        self._camera: Camera = self._own or Far(
            CameraFacts, "camera of", settings.host or "", settings.port, settings.timeout_s
        )
        self._frame: tuple[FrameNumbers, float] | None = None

    def observe(self) -> Observation:
        """All facts, and the numbers of the last frame that somebody asked for, at their age."""
        facts = self._camera.facts()
        told = msgspec.structs.asdict(facts)
        readings: dict[str, Value] = {name: value for name, value in told.items() if name not in _IDENTITY}
        readings |= {"brightness": None, "contrast": None}
        older = {}
        if self._frame is not None and facts.present:
            frame, seen_s = self._frame
            readings |= {"brightness": frame.brightness, "contrast": frame.contrast}
            older = dict.fromkeys(("brightness", "contrast"), seen_s)
        return Observation(
            seen_s=self.clock.monotonic(),
            readings=readings,
            identity=Identity(*(told[name] for name in _IDENTITY)),
            actions=description_of("camera_usb").actions if self._own is not None and facts.present else (),
            older=older,
        )

    def act(self, action: str, params: Params, progress: Progress) -> Params:
        """Take one frame and tell its numbers; the frame itself is dropped."""
        if action != "measure_frame" or self._own is None:
            raise NotOffered(action)
        frame = self._own.frame()
        self._frame = (frame, self.clock.monotonic())
        return {"brightness": frame.brightness, "contrast": frame.contrast}

    def watch(self, stop: Event, wake: Callable[[], None]) -> None:
        """Hear of cameras that come and go."""
        if self._own is not None:
            self._own.watch(stop, wake)


DRIVER = CameraUsb
