"""The recording's disk: of this computer, or of the PC beside it."""

import re
import select
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Annotated

from msgspec import Meta, Struct

from device_drivers.driver import Driver, Identity, Observation, Progress
from device_drivers.errors import ActFailed, DriverError, Misconfigured, NotOffered
from device_drivers.registry import description_of
from device_drivers.storage import manifest
from device_drivers.storage.facts import Disk, FarDisk
from device_drivers.storage.folder import OwnDisk, Recording, recordings_in
from device_drivers.storage.smart import Smart
from wire.description import ActionSpec
from wire.fields import Params, Value
from wire.times import Clock

_MOUNTS = Path("/proc/self/mounts")
_LISTEN_MS = 500
_LOOK_S = 1.0
_LOOK_FAR_S = 2.5
_BREATHE_S = 5.0
_MOST_TOLD = 40
"""Files of one session that are told one by one, each in a step of the command."""
_MANIFEST = re.compile(r"\d{8}T\d{6,9}Z\.json")
_AbsolutePath = Annotated[str, Meta(pattern=r"^/", max_length=255)]


class StorageSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the recording goes."""

    folder: _AbsolutePath | None = None
    """The recordings' folder on this computer."""
    mount: _AbsolutePath | None = None
    """The mount point of an external disk: with nothing mounted there the disk is gone, folder or not."""
    bitrate_mbit_s: Annotated[float, Meta(gt=0, le=1000)] = 4.0
    """Of the recording, picture and sound."""
    pause_s: Annotated[float, Meta(ge=2, le=60)] = 4.0
    """A newest file that has not grown for so long is not being written: longer than the recorder's own rests."""
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
            self._disk = FarDisk(settings.host or "", settings.port, settings.timeout_s)

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
            "recording_grows": self._grows(facts.recording_still),
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
        """Make a manifest of all recordings or of one session's, or read those of a manifest again and compare."""
        spec = next((spec for spec in self._actions() if spec.action == action), None)
        if spec is None or self.settings.folder is None:
            raise NotOffered(action)
        folder = Path(self.settings.folder)
        goes_on = self._goes_on_for(spec.takes_s)
        if action == "verify_manifest":
            return self._verify(folder, str(params["manifest"]), goes_on)
        if action == "make_manifest":
            return self._make(folder, lambda _: True, progress, goes_on)[1]
        from_ns, to_ns = (float(params[name]) * 1e9 for name in ("from_s", "to_s"))  # type: ignore[arg-type]
        made, result = self._make(folder, lambda file: from_ns <= file.changed_ns <= to_ns, progress, goes_on)
        for entry in made.files[:_MOST_TOLD]:
            progress("recording_sealed", file=entry.name[:120], bytes=entry.size, sha256=entry.sha256)
        return result

    def watch(self, stop: Event, wake: Callable[[], None]) -> None:
        """Wake when a disk comes or goes, and when the recording stops or goes on.

        The kernel marks its list of mounts (proc(5), /proc/pid/mounts).
        """
        grew, look_s = None, self.clock.monotonic()
        with _MOUNTS.open("rb") as mounts:
            listener = select.poll()
            listener.register(mounts, select.POLLPRI)
            while not stop.is_set():
                if listener.poll(_LISTEN_MS):
                    wake()
                if self.clock.monotonic() >= look_s:
                    before, grew = grew, self._grows_now()
                    if before is not grew:
                        wake()
                    look_s = self.clock.monotonic() + (_LOOK_S if self.settings.host is None else _LOOK_FAR_S)

    def _grows(self, still_s: float | None) -> bool | None:
        return still_s < self.settings.pause_s if still_s is not None else None

    def _grows_now(self) -> bool | None:
        """None, too, where the disk does not answer: whoever observes it will say so."""
        try:
            return self._grows(self._disk.recording_still())
        except DriverError:
            return None

    def _goes_on_for(self, most_s: float) -> Callable[[], bool]:
        until_s = self.clock.monotonic() + most_s
        breathed_s = self.clock.monotonic()

        def goes_on() -> bool:
            nonlocal breathed_s
            if self.clock.monotonic() >= breathed_s + _BREATHE_S:
                breathed_s = self.clock.monotonic()
                self.breathe()
            return self.clock.monotonic() < until_s

        return goes_on

    def _make(
        self, folder: Path, wanted: Callable[[Recording], bool], progress: Progress, goes_on: Callable[[], bool]
    ) -> tuple[manifest.Manifest, Params]:
        try:
            files = [file for file in recordings_in(folder) if wanted(file)]
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
        name = f"{made.made_at:%Y%m%dT%H%M%S}{made.made_at.microsecond // 1000:03d}Z.json"
        try:
            kept.mkdir(exist_ok=True)
            (kept / name).write_bytes(content)
        except OSError as error:
            raise ActFailed("file_unreadable", file=name, error=error.strerror or "") from error
        size = sum(entry.size for entry in made.files)
        digest = manifest.digest_of(content)
        return made, {"manifest": name, "files": len(made.files), "bytes": size, "sha256": digest}

    def _verify(self, folder: Path, name: str, goes_on: Callable[[], bool]) -> Params:
        if not _MANIFEST.fullmatch(name):
            raise ActFailed("manifest_unreadable", error=f"no manifest has the name {name[:60]!r}")
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
        """A far disk cannot be read."""
        if self.settings.folder is None:
            return ()
        return description_of("storage").actions


DRIVER = Storage
