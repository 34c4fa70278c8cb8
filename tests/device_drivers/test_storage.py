"""The recording's disk, on real folders and, as root, on a real file system on a loop device."""

import hashlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.errors import ActFailed, Misconfigured, NotAnswering
from device_drivers.storage.driver import Storage
from device_drivers.storage.folder import OwnDisk
from device_drivers.storage.smart import smart_of
from tests.conftest import need
from tests.counterparts.waiting import wait_for
from wire.times import SystemClock


def disk_of(**settings: Any) -> Storage:
    return Storage(msgspec.convert(settings, Storage.Settings), SystemClock())


class Minutes(SystemClock):
    """Goes on by itself, and by what a test adds."""

    later_s = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.later_s)

    def monotonic(self) -> float:
        return super().monotonic() + self.later_s


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "recordings"
    found.mkdir()
    return found


def done(disk: Storage, action: str, **params: Any) -> dict[str, Any]:
    disk.observe()
    return dict(disk.act(action, params, lambda *_, **__: None))


def test_a_folder_tells_hours_of_recording_and_leaves_nothing_in_it(folder: Path) -> None:
    disk = disk_of(folder=str(folder), bitrate_mbit_s=8)
    seen = disk.observe()
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    assert seen.readings["recording_hours"] == pytest.approx(free / 3.6e9, rel=0.02, abs=0.2)
    assert seen.readings["writable"] is True
    assert (seen.readings["recordings"], seen.readings["recording_still"]) == (0, None)
    assert seen.identity.model, "without SMART a disk is known by its file system"
    assert list(folder.iterdir()) == []


def test_a_recording_that_stands_still_is_told_from_one_that_grows(folder: Path) -> None:
    old = folder / "2026-11-24" / "old.mp4"
    old.parent.mkdir()
    old.write_bytes(b"x" * 100)
    hour_ago = datetime.now(UTC).timestamp() - 3_600
    os.utime(old, (hour_ago, hour_ago))
    disk = disk_of(folder=str(folder))
    assert disk.observe().readings["recording_still"] == pytest.approx(3_600, abs=5)
    now = folder / "2026-11-24" / "now.mp4"
    for size in range(3):
        now.write_bytes(b"x" * (size + 1))
        assert disk.observe().readings["recording_still"] == 0
    assert disk.observe().readings["recording_still"] < 5  # type: ignore[operator]
    assert disk.observe().readings["recordings"] == 2


def test_a_file_of_a_clock_that_was_ahead_does_not_hide_the_recording_that_runs(folder: Path) -> None:
    ahead = folder / "ahead.mp4"
    ahead.write_bytes(b"x" * 100)
    in_two_hours = datetime.now(UTC).timestamp() + 7_200
    os.utime(ahead, (in_two_hours, in_two_hours))
    now, clock = folder / "now.mp4", Minutes()
    disk = Storage(msgspec.convert({"folder": str(folder)}, Storage.Settings), clock)
    for size in range(3):
        clock.later_s += 60.0
        now.write_bytes(b"x" * (size + 1))
        at = clock.now().timestamp()
        os.utime(now, (at, at))
        assert disk.observe().readings["recording_still"] == pytest.approx(0, abs=5)


def test_a_recorder_that_renames_its_files_takes_no_disk_away(folder: Path) -> None:
    stop = threading.Event()

    def rename() -> None:
        while not stop.is_set():
            for number in range(50):
                (folder / f"{number}.part").touch()
            for number in range(50):
                (folder / f"{number}.part").rename(folder / "whole.mp4")

    recorder = threading.Thread(target=rename)
    recorder.start()
    try:
        disk = disk_of(folder=str(folder))
        for _ in range(200):
            disk.observe()
    finally:
        stop.set()
        recorder.join()


def test_whoever_watches_a_recording_is_not_blinded_when_it_is_renamed(folder: Path) -> None:
    """It looks at the newest file alone; that one is there no more under its name."""
    clock = Minutes()
    watched = OwnDisk(folder, None, None, clock)
    (folder / "now.part").write_bytes(b"x")
    assert watched.recording_still() is not None
    (folder / "now.part").rename(folder / "whole.mp4")
    clock.later_s += 60.0
    assert watched.recording_still() is not None
    (folder / "whole.mp4").unlink()
    clock.later_s += 60.0
    assert watched.recording_still() is None
    (folder / "next.part").write_bytes(b"x")
    clock.later_s += 60.0
    assert watched.recording_still() is not None


def test_a_folder_that_is_not_there_is_no_disk(folder: Path) -> None:
    disk = disk_of(folder=str(folder))
    disk.observe()
    folder.rmdir()
    with pytest.raises(NotAnswering):
        disk.observe()
    with pytest.raises(NotAnswering, match="mounted"):
        disk_of(folder=str(folder.parent), mount=str(folder.parent)).observe()
    with pytest.raises(Misconfigured):
        disk_of()


def test_a_manifest_proves_that_recordings_are_unchanged_or_says_which_are_not(folder: Path) -> None:
    for name in ("a.mp4", "b.mp4", "Phiên 1.mp4"):
        (folder / name).write_bytes(os.urandom(3_000_000))
    disk = disk_of(folder=str(folder))
    made = done(disk, "make_manifest")
    assert (made["files"], made["bytes"]) == (3, 9_000_000)
    files = [str(path) for path in folder.glob("*.mp4")]
    sums = subprocess.run(["sha256sum", *files], capture_output=True, text=True, check=True)
    kept = json.loads((folder / ".diemcau-manifests" / made["manifest"]).read_text())
    assert {file["sha256"] for file in kept["files"]} == {line.split()[0] for line in sums.stdout.splitlines()}
    verified = done(disk, "verify_manifest", manifest=made["manifest"])
    assert verified == {"files": 3, "sha256": made["sha256"]}
    with (folder / "b.mp4").open("r+b") as tampered:
        tampered.seek(1_500_000)
        tampered.write(b"!")
    (folder / "a.mp4").unlink()
    with pytest.raises(ActFailed) as failed:
        done(disk, "verify_manifest", manifest=made["manifest"])
    assert failed.value.params == {"missing": 1, "changed": 1, "first": "a.mp4"}


def test_it_is_known_within_seconds_that_a_recording_stopped(folder: Path) -> None:
    disk, woken, stop = disk_of(folder=str(folder), pause_s=2), threading.Event(), threading.Event()
    recording = folder / "now.mp4"
    recording.write_bytes(b"x")
    watching = threading.Thread(target=disk_of(folder=str(folder), pause_s=2).watch, args=(stop, woken.set))
    watching.start()
    try:
        until_s = time.monotonic() + 4
        while time.monotonic() < until_s:
            with recording.open("ab") as file:
                file.write(b"x" * 1_000)
            assert disk.observe().readings["recording_grows"] is True
            stop.wait(0.2)
        stopped_s = time.monotonic()
        woken.clear()
        assert woken.wait(10), "nobody was woken"
        assert disk.observe().readings["recording_grows"] is False
        assert 1.5 <= time.monotonic() - stopped_s < 8
        woken.clear()
        (folder / "next.mp4").write_bytes(b"x")
        assert woken.wait(10), "that it goes on is told too"
    finally:
        stop.set()
        watching.join(5)


def test_growth_between_two_looks_is_dated_by_the_file_itself(folder: Path) -> None:
    disk, recording = disk_of(folder=str(folder)), folder / "now.mp4"
    recording.write_bytes(b"x")
    disk.observe()
    recording.write_bytes(b"xx")
    ago = datetime.now(UTC).timestamp() - 30
    os.utime(recording, (ago, ago))
    assert disk.observe().readings["recording_still"] < 5, "never further back than the look before"  # type: ignore[operator]
    recording.unlink()
    assert disk.observe().readings["recording_grows"] is None


def test_the_recordings_of_one_session_are_sealed_and_observed_meanwhile(folder: Path) -> None:
    now = datetime.now(UTC).timestamp()
    for name, age_s in (("before.mp4", 7_200), ("phiên.mp4", 60), ("after.mp4", 0)):
        (folder / name).write_bytes(name.encode())
        os.utime(folder / name, (now - age_s, now - age_s))
    told: list[dict[str, Any]] = []
    disk = disk_of(folder=str(folder))
    disk.observe()
    params = {"from_s": now - 3_600, "to_s": now - 30}
    sealed = dict(disk.act("seal_recordings", params, lambda detail, **said: told.append({"detail": detail, **said})))
    assert sealed["files"] == 1
    known = {"file": "phiên.mp4", "bytes": 10, "sha256": hashlib.sha256("phiên.mp4".encode()).hexdigest()}
    assert told[-1] == {"detail": "recording_sealed", **known}
    (folder / "after.mp4").unlink()
    assert done(disk, "verify_manifest", manifest=sealed["manifest"])["sha256"] == sealed["sha256"]
    (folder / "phiên.mp4").unlink()
    with pytest.raises(ActFailed, match="recordings_differ"):
        done(disk, "verify_manifest", manifest=sealed["manifest"])
    with pytest.raises(ActFailed, match="no_recordings"):
        done(disk, "seal_recordings", from_s=1, to_s=2)


@pytest.mark.parametrize("name", ["../now.json", "20261126T091500000Z.json/../x", "", "20261126T091500000Z.json\n"])
def test_only_a_manifest_is_read_as_one(folder: Path, name: str) -> None:
    (folder / "now.json").write_text("{}")
    with pytest.raises(ActFailed, match="manifest_unreadable"):
        done(disk_of(folder=str(folder)), "verify_manifest", manifest=name)


def test_a_manifest_cannot_make_us_read_outside_the_folder(folder: Path) -> None:
    (folder / "a.mp4").write_bytes(b"a")
    disk = disk_of(folder=str(folder))
    made = done(disk, "make_manifest")
    kept = folder / ".diemcau-manifests" / made["manifest"]
    told = json.loads(kept.read_text())
    told["files"][0]["name"] = "../../../etc/passwd"
    kept.write_text(json.dumps(told))
    with pytest.raises(ActFailed) as failed:
        done(disk, "verify_manifest", manifest=made["manifest"])
    assert failed.value.params["missing"] == 1
    kept.write_text("{}")
    with pytest.raises(ActFailed, match="manifest_unreadable"):
        done(disk, "verify_manifest", manifest=made["manifest"])


def test_without_recordings_there_is_no_manifest(folder: Path) -> None:
    with pytest.raises(ActFailed, match="no_recordings"):
        done(disk_of(folder=str(folder)), "make_manifest")


SMART = {
    "smartctl": {"exit_status": 0}, "model_family": "Western Digital Purple", "model_name": "WDC WD40PURZ-85A",
    "serial_number": "WD-WX12A3456789", "firmware_version": "80.00A80", "smart_status": {"passed": False},
    "temperature": {"current": 41}, "power_on_time": {"hours": 11260},
}  # fmt: skip


@pytest.mark.parametrize(
    ("says", "exits", "healthy"),
    [
        (json.dumps(SMART), 8, False),
        ('{"smartctl": {"messages": [{"string": "Unable to detect device type"}], "exit_status": 1}}', 1, None),
        ("", 127, None),
    ],
)
def test_a_disk_has_an_opinion_of_itself_or_none(
    folder: Path, tmp_path: Path, says: str, exits: int, healthy: bool | None
) -> None:
    program = tmp_path / "smartctl"
    (tmp_path / "said").write_text(says)
    program.write_text(f'#!/bin/sh\n[ "$5" = /dev/sdz ] || exit 99\ncat "{tmp_path}/said"\nexit {exits}\n')
    program.chmod(0o755)
    seen = disk_of(folder=str(folder), device="/dev/sdz", smartctl=str(program)).observe()
    assert seen.readings["smart_healthy"] is healthy
    if healthy is False:
        assert (seen.readings["disk_temperature"], seen.readings["disk_hours"]) == (41, 11260)
        assert seen.identity.serial == "WD-WX12A3456789"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*SMART, "passed", "current"]), inner),
)


@given(JSON.map(json.dumps) | st.text(max_size=30))
def test_whatever_smartctl_says_health_is_never_made_up(said: str) -> None:
    found = smart_of(said.encode())
    if found.healthy is not None:
        assert json.loads(said)["smart_status"]["passed"] is found.healthy
    assert found.temperature is None or -40 <= found.temperature <= 150


@pytest.fixture
def plugged(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """An image with a file system, mounted; the mount point and the image."""
    need(os.geteuid() == 0 or None, "root, to mount a loop device")
    image, mount = tmp_path / "disk.img", tmp_path / "usb"
    image.write_bytes(b"")
    os.truncate(image, 16 << 20)
    mount.mkdir()
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    ran = subprocess.run(["mount", "-o", "loop", str(image), str(mount)], capture_output=True, check=False)
    need(ran.returncode == 0 or None, "a kernel with loop devices")
    yield mount, image
    subprocess.run(["umount", "-l", str(mount)], check=False, capture_output=True)


def test_a_disk_is_full_or_read_only_or_pulled_and_comes_back(plugged: tuple[Path, Path]) -> None:
    mount, image = plugged
    disk = disk_of(folder=str(mount), mount=str(mount))
    woken, stop = threading.Event(), threading.Event()
    watcher = threading.Thread(target=disk_of(folder=str(mount)).watch, args=(stop, woken.set))
    watcher.start()
    try:
        assert disk.observe().readings["writable"] is True
        with pytest.raises(OSError, match="No space"), (mount / "full.mp4").open("wb") as full:
            while True:
                full.write(b"x" * 1_000_000)
                full.flush()
        seen = disk_of(folder=str(mount), mount=str(mount)).observe().readings
        assert seen["recording_hours"] == 0.0
        (mount / "full.mp4").unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(mount)], check=True)
        assert disk_of(folder=str(mount), mount=str(mount)).observe().readings["writable"] is False
        woken.clear()
        subprocess.run(["umount", "-l", str(mount)], check=True)
        assert woken.wait(3), "the kernel says that a mount has gone"
        with pytest.raises(NotAnswering, match="mounted"):
            disk.observe()
        subprocess.run(["mount", "-o", "loop", str(image), str(mount)], check=True)
        wait_for(lambda: disk.observe().readings["writable"], 5)
    finally:
        stop.set()
        watcher.join(3)
