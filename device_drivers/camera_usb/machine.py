"""A camera of the computer that the agent runs on: found through udev, asked by v4l2-ctl, seen through ffmpeg."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

from device_drivers.camera_usb.facts import CameraFacts
from device_drivers.camera_usb.formats import Formats, formats_in
from device_drivers.errors import ActFailed, BadAnswer, Misconfigured, NotAnswering
from device_drivers.frame import FrameNumbers, numbers_of
from device_drivers.hotplug import hear
from device_drivers.programs import said_by

try:
    import pyudev
except ImportError:  # no libudev on this machine
    pyudev = None

_PROC = Path("/proc")
_FRAME_WITHIN_S = 8.0
_WARM_UP_FRAMES = 8
"""A camera that has just been opened needs a few frames to find its exposure."""


class OwnCamera:
    """`wanted`: a part of the camera's name or its USB id; None is the first. `node`: look at this instead of udev."""

    def __init__(self, wanted: str | None, node: str | None, timeout_s: float) -> None:
        if pyudev is None and node is None:
            raise Misconfigured("camera_usb: this computer has no udev; name the camera's node")
        self._wanted, self._node, self._timeout_s = (wanted or "").lower(), node, timeout_s
        self._udev = pyudev.Context() if pyudev is not None else None
        self._formats: tuple[str, Formats] | None = None

    def facts(self) -> CameraFacts:
        """One look; programs are asked for formats once for each plugging."""
        found = self._found()
        if found is None:
            self._formats = None
            return CameraFacts(present=False)
        node, identity = found
        if self._formats is None or self._formats[0] != node:
            self._formats = (node, self._ask_formats(node))
        formats = self._formats[1]
        holders = holders_of(node)
        return CameraFacts(
            present=True,
            in_use=bool(holders) if holders is not None else None,
            held_by=", ".join(holders)[:120] if holders is not None else None,
            formats=", ".join(formats.names) or None, width=formats.width, height=formats.height, **identity,
        )  # fmt: skip

    def frame(self) -> FrameNumbers:
        """One picture as numbers, where no program holds the camera. Raises ActFailed or DriverError."""
        found = self._found()
        if found is None:
            raise ActFailed("not_there")
        node = found[0]
        if holders := holders_of(node):
            raise ActFailed("camera_held", by=", ".join(holders)[:120])
        is_camera = node.startswith("/dev/")
        command = [
            "ffmpeg", "-nostdin", "-v", "error", *(["-f", "v4l2"] if is_camera else []), "-i", node,
            "-vf", f"select=gte(n\\,{_WARM_UP_FRAMES if is_camera else 0})", "-frames:v", "1", "-f", "image2pipe",
            "-c:v", "mjpeg", "-",
        ]  # fmt: skip
        try:
            ran = subprocess.run(command, capture_output=True, timeout=_FRAME_WITHIN_S, check=False)
        except FileNotFoundError as error:
            raise Misconfigured("camera_usb: ffmpeg is not installed") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotAnswering(f"camera {node}: no frame within {_FRAME_WITHIN_S:g} s") from error
        if b"busy" in ran.stderr.lower():
            raise ActFailed("camera_held", by="?")
        if ran.returncode != 0 or not ran.stdout:
            said = ran.stderr.decode("utf-8", "replace").strip()[-120:]
            raise BadAnswer(f"camera {node}: no frame: {said!r}")
        return numbers_of(ran.stdout)

    def watch(self, stop: Event, wake: Callable[[], None]) -> None:
        """Call `wake` when the kernel says that a camera came or went."""
        if self._udev is not None:
            hear(self._udev, ("video4linux",), stop, wake)

    def _found(self) -> tuple[str, dict[str, str]] | None:
        if self._node is not None and not self._node.startswith("/dev/"):
            there = Path(self._node).exists()
            return (self._node, {"make": "file", "model": Path(self._node).name[:120]}) if there else None
        for node, identity in cameras(self._udev):
            wanted = self._node is None or Path(node) == Path(self._node).resolve()  # /dev/v4l/by-id/… is a link
            if wanted and self._wanted in f"{identity['make']} {identity['model']}".lower():
                return node, identity
        return None

    def _ask_formats(self, node: str) -> Formats:
        try:
            said = said_by(["v4l2-ctl", "--list-formats-ext", "-d", node], self._timeout_s)
        except Misconfigured:  # without v4l-utils the formats cannot be told; the camera is there all the same
            return Formats()
        return formats_in(said or "")


def cameras(udev: "pyudev.Context | None" = None) -> Iterator[tuple[str, dict[str, str]]]:
    """Node and identity of every camera of this computer that gives a picture."""
    if pyudev is None:
        return
    found = (udev or pyudev.Context()).list_devices(subsystem="video4linux")
    for device in sorted(found, key=lambda device: str(device.sys_name)):
        if device.device_node is not None and _captures(device):
            yield device.device_node, _identity(device)


def holders_of(node: str) -> tuple[str, ...] | None:
    """Names of the programs that have the node open; None when we see none, and may not look at all of them."""
    found, hidden = set(), False
    for process in _PROC.glob("[0-9]*"):
        try:
            links = [file.readlink() for file in (process / "fd").iterdir()]
            if Path(node) in links:
                found.add((process / "comm").read_text().strip())
        except PermissionError:
            hidden = True
        except OSError:
            continue  # it has ended meanwhile
    return None if hidden and not found else tuple(sorted(found))


def _captures(device: "pyudev.Device") -> bool:
    """Cameras bring a second node for metadata, which gives no picture."""
    told = device.properties.get("ID_V4L_CAPABILITIES")
    return ":capture:" in told if told is not None else device.attributes.get("index", b"0").strip() == b"0"


def _identity(device: "pyudev.Device") -> dict[str, str]:
    told = device.properties
    usb = ":".join(filter(None, (told.get("ID_VENDOR_ID", ""), told.get("ID_MODEL_ID", ""))))
    name = device.attributes.get("name", b"").decode("utf-8", "replace").strip() or told.get("ID_MODEL", "")
    make = told.get("ID_VENDOR_FROM_DATABASE") or told.get("ID_VENDOR", "").replace("_", " ")
    return {
        "make": make.strip()[:120], "model": f"{name[:100]} [{usb}]" if usb else name[:120],
        "serial": told.get("ID_SERIAL_SHORT", "")[:120], "firmware": told.get("ID_REVISION", "")[:120],
    }  # fmt: skip
