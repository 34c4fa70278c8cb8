"""The recording's disk: of this computer, or of the PC beside it."""

import select
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from device_drivers.driver import Driver, Identity, Observation, Progress
from device_drivers.errors import ActFailed, Misconfigured, NotOffered
from device_drivers.far import Far
from device_drivers.registry import description_of
from device_drivers.storage import manifest
from device_drivers.storage.facts import Disk, DiskFacts
from device_drivers.storage.folder import OwnDisk, recordings_in
from device_drivers.storage.smart import Smart
from wire.description import ActionSpec
from wire.messages import Params, Value
from wire.times import Clock

_MOUNTS = Path("/proc/self/mounts")
_LISTEN_MS = 500
_MOST_OFFERED = 32
_AbsolutePath = Annotated[str, Meta(pattern=r"^/", max_length=255)]


class StorageSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the recording goes."""

    folder: _AbsolutePath | None = None
    """The recordings' folder on this computer."""
    mount: _AbsolutePath | None = None
    """The mount point of an external disk: with nothing mounted there the disk is gone, folder or not."""
    bitrate_mbit_s: Annotated[float, Meta(gt=0, le=1000)] = 4.0
    """Of the recording, picture and sound."""
    device: Annotated[str, Meta(pattern=r"^/dev/[A-Za-z0-9/_-]{1,100}$")] | None = None
    """For SMART, such as /dev/sda."""
    smartctl: Annotated[str, Meta(max_length=255)] = "smartctl"
    host: Annotated[str, Meta(min_length=1, max_length=253)] | None = None
    """Set where the disk is in a PC beside the agent's own box."""
    port: Annotated[int, Meta(ge=1, le=65535)] = 9106
    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 5.0


class Storage(Driver):
    """One disk with one folder of recordings."""

    Settings = StorageSettings
    settings: StorageSettings
    watches = True

    def __init__(self, settings: StorageSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        if (settings.folder is None) == (settings.host is None):
            raise Misconfigured("storage: give the folder of the recordings, or the host of the PC that has it")
        self._disk: Disk
        if settings.folder is not None:
            smart = Smart(settings.device, settings.smartctl, clock) if settings.device else None
            mount = Path(settings.mount) if settings.mount else None
            self._disk = OwnDisk(Path(settings.folder), mount, smart, clock)
        else:
            self._disk = Far(DiskFacts, "disk of", settings.host or "", settings.port, settings.timeout_s)

    def observe(self) -> Observation:
        """Facts as readings; free space also in hours of recording."""
        facts = self._disk.facts()
        free, total = facts.space_free, facts.space_total
        an_hour = self.settings.bitrate_mbit_s * 1e6 / 8 * 3600
        readings: dict[str, Value] = {
            "writable": facts.writable,
            "space_free": free,
            "space_used": round(100 * (1 - min(free, total) / total), 1) if free is not None and total else None,
            "recording_hours": round(free / an_hour, 1) if free is not None else None,
            "recording_still": facts.recording_still,
            "recordings": float(facts.recordings) if facts.recordings is not None else None,
            "smart_healthy": facts.smart_healthy,
            "disk_temperature": facts.disk_temperature,
            "disk_hours": facts.disk_hours,
        }
        return Observation(
            seen_s=self.clock.monotonic(),
            readings=readings,
            identity=Identity(facts.make, facts.model, facts.serial, facts.firmware),
            actions=self._actions(),
        )

    def act(self, action: str, params: Params, progress: Progress) -> Params:
        """Make a manifest of all recordings, or read them all again and compare."""
        spec = next((spec for spec in self._actions() if spec.action == action), None)
        if spec is None or self.settings.folder is None:
            raise NotOffered(action)
        folder = Path(self.settings.folder)
        until_s = self.clock.monotonic() + spec.takes_s

        def goes_on() -> bool:
            return self.clock.monotonic() < until_s

        if action == "make_manifest":
            return self._make(folder, progress, goes_on)
        return self._verify(folder, str(params["manifest"]), goes_on)

    def watch(self, stop: Event, wake: Callable[[], None]) -> None:
        """The kernel marks its list of mounts when one comes or goes (proc(5), /proc/pid/mounts)."""
        with _MOUNTS.open("rb") as mounts:
            listener = select.poll()
            listener.register(mounts, select.POLLPRI)
            while not stop.is_set():
                if listener.poll(_LISTEN_MS):
                    wake()

    def _make(self, folder: Path, progress: Progress, goes_on: Callable[[], bool]) -> Params:
        try:
            files = recordings_in(folder)
        except OSError as error:
            raise ActFailed("file_unreadable", file=str(folder)[:120], error=error.strerror or "") from error
        if not files:
            raise ActFailed("no_recordings")

        def told(done: int, of: int) -> None:
            if done == of or done % 10 == 0:
                progress("files_read", done=done, of=of)

        made = manifest.manifest_of(folder, files, self.clock.now(), told, goes_on)
        content = manifest.packed(made)
        kept = folder / manifest.FOLDER
        name = f"{made.made_at:%Y%m%dT%H%M%SZ}.json"
        try:
            kept.mkdir(exist_ok=True)
            (kept / name).write_bytes(content)
        except OSError as error:
            raise ActFailed("file_unreadable", file=name, error=error.strerror or "") from error
        size = sum(entry.size for entry in made.files)
        return {"manifest": name, "files": len(made.files), "bytes": size, "sha256": manifest.digest_of(content)}

    def _verify(self, folder: Path, name: str, goes_on: Callable[[], bool]) -> Params:
        try:
            content = (folder / manifest.FOLDER / name).read_bytes()
        except OSError as error:
            raise ActFailed("file_unreadable", file=name, error=error.strerror or "") from error
        wanted = manifest.unpacked(content)

        def look(entry: manifest.Entry) -> manifest.Entry | None:
            path = (folder / entry.name).resolve()
            inside = path.is_relative_to(folder.resolve())
            return manifest.entry_of(folder.resolve(), path, goes_on) if inside and path.is_file() else None

        found = manifest.differences(wanted, look)
        if any(found.values()):
            first = (found["missing"] + found["changed"])[0]
            raise ActFailed(
                "recordings_differ", missing=len(found["missing"]), changed=len(found["changed"]), first=first[:120]
            )
        return {"files": len(wanted.files), "sha256": manifest.digest_of(content)}

    def _actions(self) -> tuple[ActionSpec, ...]:
        """A far disk cannot be read; there is nothing to verify before the first manifest."""
        if self.settings.folder is None:
            return ()
        make, verify = description_of("storage").actions
        kept = Path(self.settings.folder) / manifest.FOLDER
        names = tuple(sorted((path.name for path in kept.glob("*.json")), reverse=True)[:_MOST_OFFERED])
        if not names:
            return (make,)
        return make, msgspec.structs.replace(verify, params=(msgspec.structs.replace(verify.params[0], values=names),))


DRIVER = Storage
