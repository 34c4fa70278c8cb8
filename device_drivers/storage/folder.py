"""The recording's folder on this computer: is it there, can it be written, does the newest file grow?"""

import os
import stat
from contextlib import suppress
from pathlib import Path

import psutil
from msgspec import Struct

from device_drivers.errors import NotAnswering
from device_drivers.storage.facts import DiskFacts
from device_drivers.storage.smart import Smart
from wire.times import Clock

_PROBE = ".diemcau-probe"
_PROVE_EVERY_S = 60.0
_MOST_FILES = 100_000
_AHEAD_NS = 60 * 10**9
"""A file's time that is so far ahead was written by a clock that has been put back since."""
_LIST_SHARE = 50
"""A folder that is slow to list is listed so much more seldom: looking must not load the disk that records."""


class Recording(Struct, frozen=True):
    """A file of the folder."""

    path: Path
    size: int
    changed_ns: int


class OwnDisk:
    """The folder and the disk below it. With `mount`, that path must be a mount point: a pulled disk is no folder."""

    def __init__(self, folder: Path, mount: Path | None, smart: Smart | None, clock: Clock) -> None:
        self._folder, self._mount, self._smart, self._clock = folder, mount, smart, clock
        self._proved: tuple[float, bool] | None = None
        self._newest: Recording | None = None
        self._grew_s = self._looked_s = self._listed_s = self._list_took_s = 0.0

    def facts(self) -> DiskFacts:
        """Look once. A disk that hangs hangs this call: the agent's deadline says so."""
        if self._mount is not None and not self._mount.is_mount():
            self._proved = None
            raise NotAnswering(f"{self._mount}: no disk is mounted there; plug it in, or see its cable")
        try:
            space = psutil.disk_usage(str(self._folder))
            files = self._list()
        except OSError as error:
            self._proved = None
            raise self._unreadable(error) from error
        smart = self._smart.read() if self._smart is not None else None
        return DiskFacts(
            make=smart.make if smart else "",
            model=(smart.model if smart else "") or _filesystem_of(self._folder),
            serial=smart.serial if smart else "",
            firmware=smart.firmware if smart else "",
            writable=self._is_writable(),
            space_free=float(space.free),
            space_total=float(space.total),
            recording_still=self._still_for(files),
            recordings=len(files),
            smart_healthy=smart.healthy if smart else None,
            disk_temperature=smart.temperature if smart else None,
            disk_hours=smart.hours if smart else None,
        )

    def recording_still(self) -> float | None:
        """As in the facts. While the newest file grows it alone is looked at; a full folder is not listed for that."""
        newest = self._newest
        try:
            about = newest.path.stat() if newest is not None else None
        except FileNotFoundError:  # its recorder has renamed or removed it
            newest = self._newest = about = None
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            if newest is not None and about is not None and about.st_size > newest.size:
                return self._still_for([Recording(newest.path, about.st_size, about.st_mtime_ns)])
            now_s = self._clock.monotonic()
            if now_s < self._listed_s + _LIST_SHARE * self._list_took_s:
                return round(now_s - self._grew_s, 1) if newest is not None else None
            return self._still_for(self._list())
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> NotAnswering:
        return NotAnswering(f"{self._folder}: cannot be read ({error.strerror}); is the disk there?")

    def _list(self) -> list[Recording]:
        began_s = self._clock.monotonic()
        files = recordings_in(self._folder)
        self._listed_s = self._clock.monotonic()
        self._list_took_s = self._listed_s - began_s
        return files

    def _is_writable(self) -> bool:
        """Proved once a minute by a file that is written through to the disk, read and removed."""
        now_s = self._clock.monotonic()
        if self._proved is None or now_s >= self._proved[0] + _PROVE_EVERY_S or not self._proved[1]:
            self._proved = (now_s, _can_write(self._folder / _PROBE))
        return self._proved[1]

    def _still_for(self, files: list[Recording]) -> float | None:
        """Growth is what we saw ourselves. When it came between two looks the file's own time tells, and it alone for a
        first sight."""
        now_s = self._clock.monotonic()
        looked_s, self._looked_s = self._looked_s, now_s
        latest_ns = self._clock.now().timestamp() * 1e9 + _AHEAD_NS
        newest = max(files, key=lambda file: file.changed_ns if file.changed_ns <= latest_ns else 0, default=None)
        if newest is None:
            self._newest = None
            return None
        before, self._newest = self._newest, newest
        told_s = now_s - max(0.0, self._clock.now().timestamp() - newest.changed_ns / 1e9)
        if before is None:
            self._grew_s = told_s
        elif newest.path != before.path or newest.size > before.size:
            self._grew_s = max(told_s, looked_s)
        return round(max(0.0, now_s - self._grew_s), 1)


def recordings_in(folder: Path) -> list[Recording]:
    """The regular files of a folder and its subfolders, but what begins with a dot. Raises OSError.

    What is gone when we come to it, a recorder has renamed or removed; a subfolder that we may not read, such as the
    lost+found of every ext4, holds no recording.
    """
    found: list[Recording] = []
    todo = [folder]
    while todo:
        here = todo.pop()
        try:
            inside = list(os.scandir(here))
        except (FileNotFoundError, PermissionError):
            if here == folder:
                raise
            continue
        for entry in inside:
            with suppress(FileNotFoundError):
                if entry.name.startswith(".") or entry.is_symlink():
                    continue
                if entry.is_dir():
                    todo.append(Path(entry.path))
                    continue
                about = entry.stat()
                if stat.S_ISREG(about.st_mode):
                    found.append(Recording(Path(entry.path), about.st_size, about.st_mtime_ns))
        if len(found) > _MOST_FILES:
            raise OSError(0, f"more than {_MOST_FILES} files; move old recordings away")
    return found


def _can_write(probe: Path) -> bool:
    said = os.urandom(64)
    try:
        handle = os.open(probe, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(handle, said)
            os.fsync(handle)
            return os.pread(handle, len(said), 0) == said
        finally:
            os.close(handle)
            probe.unlink()
    except OSError:
        return False


def _filesystem_of(folder: Path) -> str:
    best = ""
    kind = "folder"
    where = str(folder.resolve())
    for part in psutil.disk_partitions(all=True):
        inside = where == part.mountpoint or where.startswith(part.mountpoint.rstrip("/") + "/")
        if inside and len(part.mountpoint) >= len(best):
            best, kind = part.mountpoint, part.fstype
    return kind[:120]
