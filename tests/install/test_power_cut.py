"""A power cut as a disk sees it: what was not brought to the disk is gone, whatever the installer believes.

The disk is a file with a file system on it that brings nothing out by itself for minutes; what the file holds when all
processes are gone is what a machine would find at its next start.
"""

import filecmp
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.counterparts.releases import Box, Maker
from tests.counterparts.waiting import wait_for

CUTS = int(os.environ.get("DIEMCAU_DISK_CUTS", "4"))
"""`DIEMCAU_DISK_CUTS=40` is what the installer was released with."""
_MB = 1 << 20


def _run(*command: str) -> bytes:
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout


@contextmanager
def mounted(image: Path) -> Iterator[Path]:
    """The disk, as a folder. Nothing of it is brought out but on demand.

    Whoever begins with mounts of their own meanwhile (a Debian that another test boots, for minutes) has this one too,
    and until they are through it is neither brought out nor left alone. So it lies in a folder whose mounts are
    shared: what goes here goes there (mount_namespaces(7)). It is over when nobody has the disk any more.
    """
    shared = image.with_suffix(".shared")
    folder = shared / "disk"
    shared.mkdir(exist_ok=True)
    _run("mount", "--bind", str(shared), str(shared))
    try:
        _run("mount", "--make-shared", str(shared))
        folder.mkdir(exist_ok=True)
        _run("mount", "-o", "loop,commit=300", str(image), str(folder))
        try:
            yield folder
        finally:
            _run("umount", str(folder))
        wait_for(lambda: not _run("losetup", "--associated", str(image)), 60, f"{image} is still somebody's disk")
    finally:
        _run("umount", str(shared))


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A new one; skipped where this machine lets nobody mount a file."""
    image = tmp_path / "new.img"
    with image.open("wb") as file:
        file.truncate(256 * _MB)
    try:
        _run("mkfs.ext4", "-q", str(image))
        with mounted(image):
            pass
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a file cannot be mounted here: {error}")
    return image


def cut_off(used: Path, cut: Path) -> None:
    """Leaves in `cut` what the disk `used` holds at one moment, without anything being brought out for it.

    A killed process ends only when the kernel has done what it asked for last, and whoever asks for a `sync` of all
    disks means this one too: a disk that is copied while it is written is of no moment at all. What two readings in a
    row found alike was there between the two.
    """
    deadline_s = time.monotonic() + 30
    shutil.copyfile(used, cut)
    while not filecmp.cmp(used, cut, shallow=False):
        assert time.monotonic() < deadline_s, "the disk is still written, though all its processes were killed"
        shutil.copyfile(used, cut)


def is_whole(home: Path, version: str) -> bool:
    """Whether its program runs and says its version."""
    said = "import diemcau_said; print(diemcau_said.VERSION)"
    ran = subprocess.run([str(home / version / "bin/python"), "-c", said], capture_output=True, text=True, check=False)
    return ran.stdout.strip() == version


@pytest.mark.timeout(120 + 20 * CUTS)
def test_whatever_the_disk_has_lost_a_whole_release_is_in_use(tmp_path: Path, disk: Path) -> None:
    maker, chance, found = Maker(tmp_path), random.Random(5), set()
    old, new = maker.bundle("0.1.0"), maker.bundle("0.2.0")
    with mounted(disk) as folder:
        box = Box(maker, folder)
        assert box.install(old).returncode == 0 and box.run("switch", "0.1.0").returncode == 0
        began_s = time.monotonic()
        assert box.install(new).returncode == 0
        takes_s = time.monotonic() - began_s
        shutil.rmtree(box.home / "0.2.0")
    command = (
        f"$0 $1 install {new} --part room --key {maker.public} && "
        f"$0 $1 switch 0.2.0 --proof {{folder}}/reported --within 1; sleep 60"
    )
    for number in range(CUTS):
        used, cut = tmp_path / "used.img", tmp_path / "cut.img"
        shutil.copyfile(disk, used)
        with mounted(used) as folder:
            box = Box(maker, folder)
            if number % 2:  # one whose release reports; it is the new one that has to be whole then
                box.proof.write_text("0.2.0")
            child = subprocess.Popen(
                ["/bin/sh", "-c", command.format(folder=folder), "python3", str(maker.tool)], env=box.environment,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            time.sleep(chance.uniform(0.5, takes_s + 2.5))  # the moment of the cut; nothing is waited for
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            cut_off(used, cut)
        with mounted(cut) as folder:
            box = Box(maker, folder)
            assert is_whole(box.home, (box.home / "current").readlink().name)
            for whole in box.home.glob("*/WHOLE"):
                if whole.parent.name != "current":
                    assert is_whole(box.home, whole.parent.name), f"{whole.parent.name} calls itself whole"
                    found.add(whole.parent.name)
            box.run("settle", "--within", "0")
            assert box.install(new).returncode == 0 and is_whole(box.home, "0.2.0"), "the next try succeeds"
    assert "0.1.0" in found
