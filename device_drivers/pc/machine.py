"""The computer that the agent runs on, through psutil and udev."""

import http.client
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import psutil

from device_drivers.hotplug import hear
from device_drivers.pc.facts import Facts
from wire.times import Clock

try:
    import pyudev
except ImportError:  # no libudev on this machine: USB cannot be told, the rest can
    pyudev = None

_CLOCK_EVERY_S, _CLOCK_RETRY_S = 60.0, 5.0
_PORTS = Path("/sys/class/net")
_DMI = Path("/sys/class/dmi/id")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_WATCHED = ("video4linux", "sound", "block", "usb", "net")


class OwnMachine:
    """Facts of this computer. `processes`: names of the conference software; `disk`: a path on the recording's disk."""

    def __init__(self, processes: tuple[str, ...], disk: str, time_url: str | None, clock: Clock) -> None:
        self._processes = {name.lower() for name in processes}
        self._disk, self._time_url, self._clock = disk, time_url, clock
        self._offset: tuple[float, float | None] = (float("-inf"), None)
        self._udev = pyudev.Context() if pyudev else None
        psutil.cpu_percent()  # the first call only starts the measurement

    def facts(self) -> Facts:
        """Look at everything once; nothing here waits except the clock's question, at most 3 s once a minute."""
        try:
            disk = psutil.disk_usage(self._disk)
        except OSError:
            disk = None
        up, speed = _link()
        return Facts(
            make=_dmi("sys_vendor"),
            model=_dmi("product_name"),
            system=_system(),
            cpu=psutil.cpu_percent(),
            memory=psutil.virtual_memory().percent,
            disk_free=float(disk.free) if disk else None,
            disk_used=disk.percent if disk else None,
            temperature=_hottest(),
            uptime=round(time.clock_gettime(time.CLOCK_BOOTTIME)),
            clock_offset=self._clock_offset(),
            link_up=up,
            link_speed=speed,
            conference_running=self._conference_running(),
            usb_camera=self._has("video4linux", lambda device: _on_usb(device)),
            usb_audio=self._has("sound", lambda device: _on_usb(device)),
            external_disk=self._has("block", lambda device: device.device_type == "disk" and _on_usb(device)),
        )

    def watch(self, stop: Event, wake: Callable[[], None]) -> None:
        """Call `wake` when the kernel or udev says that a device came or went."""
        if self._udev is not None:
            hear(self._udev, _WATCHED, stop, wake)

    def _conference_running(self) -> bool | None:
        if not self._processes:
            return None
        return any(
            (process.info["name"] or "").lower() in self._processes
            for process in psutil.process_iter(["name", "status"])
            if process.info["status"] != psutil.STATUS_ZOMBIE  # it has ended, and only its parent does not know
        )

    def _has(self, subsystem: str, fits: "Callable[[pyudev.Device], bool]") -> bool | None:
        if self._udev is None:
            return None
        return any(fits(device) for device in self._udev.list_devices(subsystem=subsystem))

    def _clock_offset(self) -> float | None:
        """Our wall clock less the server's, by the Date of its answer (whole seconds, so good to half of one)."""
        asked_s, offset = self._offset
        again_s = _CLOCK_EVERY_S if offset is not None else _CLOCK_RETRY_S
        if self._time_url is None or self._clock.monotonic() - asked_s < again_s:
            return offset
        url = urlsplit(self._time_url)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        talk = kind(url.hostname or "", url.port, timeout=3)
        try:
            talk.request("HEAD", url.path or "/")
            date = talk.getresponse().getheader("Date", "")
            offset = round(self._clock.now().timestamp() - parsedate_to_datetime(date).timestamp() - 0.5, 1)
        except (OSError, http.client.HTTPException, ValueError):
            offset = None
        finally:
            talk.close()
        self._offset = (self._clock.monotonic(), offset)
        return offset


def _on_usb(device: "pyudev.Device") -> bool:
    return device.properties.get("ID_BUS") == "usb" or device.find_parent("usb") is not None


def _link() -> tuple[bool | None, float | None]:
    """Whether any real network port is up, and the speed of the fastest that says so.

    A tunnel or a bridge is up with the cable out; where there is nothing but such, as in a container, they count.
    """
    every = {name: port for name, port in psutil.net_if_stats().items() if name != "lo"}
    ports = {name: port for name, port in every.items() if (_PORTS / name / "device").exists()} or every
    if not ports:
        return None, None
    speeds = [port.speed for port in ports.values() if port.isup and port.speed > 0]
    return any(port.isup for port in ports.values()), float(max(speeds)) if speeds else None


def _hottest() -> float | None:
    sensors = psutil.sensors_temperatures() if hasattr(psutil, "sensors_temperatures") else {}
    heats = [entry.current for entries in sensors.values() for entry in entries if entry.current is not None]
    return max(heats) if heats else None


def _dmi(name: str) -> str:
    try:
        return (_DMI / name).read_text(errors="replace").strip()[:120]
    except OSError:
        return ""


def _system() -> str:
    import platform

    return f"{platform.system()} {platform.release()}"[:120]
