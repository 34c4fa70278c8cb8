"""USB cameras: described to udev by umockdev, and pictures from files, which ffmpeg reads as it would a camera's."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.camera_usb.driver import CameraUsb
from device_drivers.camera_usb.formats import Formats, formats_in
from device_drivers.camera_usb.machine import holders_of
from device_drivers.errors import ActFailed, BadAnswer, NotOffered
from tests.conftest import need
from tests.counterparts.described import UMOCKDEV, program, told_with
from tests.counterparts.waiting import wait_for
from wire.times import SystemClock

FFMPEG = Path("/usr/bin/ffmpeg")
NOBODY = ((False, ""), (None, None))
"""Where some process may not be looked into, as here, nobody can say that none of them holds the camera."""

# As `udevadm info --export` names the properties, with the USB parent that a real camera has.
USB = """\
P: /devices/pci0000:00/0000:00:14.0/usb1/1-4
N: bus/usb/001/004
E: DEVTYPE=usb_device
E: SUBSYSTEM=usb
A: idVendor=046d\\n
A: idProduct=082d\\n
A: serial=5F2A31DF\\n

"""
NODE = """\
P: /devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4:1.{number}/video4linux/video{number}
N: video{number}
E: DEVNAME=/dev/video{number}
E: SUBSYSTEM=video4linux
E: ID_BUS=usb
E: ID_VENDOR=Logitech_Inc
E: ID_VENDOR_ID=046d
E: ID_MODEL=HD_Pro_Webcam_C920
E: ID_MODEL_ID=082d
E: ID_REVISION=0011
E: ID_SERIAL_SHORT=5F2A31DF
{more}A: name=HD Pro Webcam C920\\n
A: index={index}\\n

"""
FROM_DATABASE = "E: ID_VENDOR_FROM_DATABASE=Logitech, Inc.\n"
CAMERA = NODE.format(number=0, index=0, more=f"E: ID_V4L_CAPABILITIES=:capture:\n{FROM_DATABASE}")
METADATA = NODE.format(number=1, index=1, more=f"E: ID_V4L_CAPABILITIES=:\n{FROM_DATABASE}")
OTHER = """\
P: /devices/pci0000:00/0000:00:15.0/usb2/2-1/2-1:1.0/video4linux/video2
N: video2
E: DEVNAME=/dev/video2
E: SUBSYSTEM=video4linux
E: ID_VENDOR=Rapoo
E: ID_VENDOR_ID=24ae
E: ID_MODEL_ID=1870
E: ID_V4L_CAPABILITIES=:capture:
A: name=Rapoo Camera\\n
A: index=0\\n

"""
LOOK = """
import json, msgspec
from device_drivers.camera_usb.machine import OwnCamera
print(json.dumps(msgspec.to_builtins(OwnCamera({wanted!r}, {node!r}, 5).facts())))
"""
FIND = """
import json, msgspec
from device_drivers.area import Area
from device_drivers.camera_usb.discover import discover
print(json.dumps([msgspec.to_builtins(found) for found in discover(Area())]))
"""


def camera_at(node: Path) -> CameraUsb:
    return CameraUsb(msgspec.convert({"node": str(node)}, CameraUsb.Settings), SystemClock())


def measured(camera: CameraUsb) -> dict[str, Any]:
    return dict(camera.act("measure_frame", {}, lambda *_, **__: None))


# Found by udev


@pytest.fixture
def described(tmp_path: Path) -> Path:
    need(UMOCKDEV, "umockdev")
    return tmp_path


def look(folder: Path, devices: str, wanted: str | None = None, node: str | None = None, **more: str) -> Any:
    return told_with(devices, folder, LOOK.format(wanted=wanted, node=node), **more)


def test_a_camera_tells_who_it_is_when_udev_knows_it(described: Path) -> None:
    found = look(described, USB + CAMERA)
    assert found["present"] is True
    assert found["make"] == "Logitech, Inc."
    assert found["model"] == "HD Pro Webcam C920 [046d:082d]"
    assert (found["serial"], found["firmware"]) == ("5F2A31DF", "0011")
    assert (found["in_use"], found["held_by"]) in NOBODY


def test_the_vendor_is_the_cameras_own_word_when_the_database_has_none(described: Path) -> None:
    assert look(described, USB + CAMERA.replace(FROM_DATABASE, ""))["make"] == "Logitech Inc"


def test_a_node_for_metadata_is_no_camera(described: Path) -> None:
    assert look(described, USB + METADATA)["present"] is False
    assert look(described, USB + METADATA + CAMERA, node="/dev/video1")["present"] is False
    assert look(described, USB + METADATA + CAMERA)["present"] is True


def test_the_index_tells_the_nodes_apart_when_no_udev_daemon_has_looked(described: Path) -> None:
    unprobed = "E: ID_V4L_CAPABILITIES=:capture:\n"
    first = CAMERA.replace(unprobed, "")
    second = METADATA.replace("E: ID_V4L_CAPABILITIES=:\n", "")
    found = told_with(USB + first + second, described, FIND)
    assert [device["address"] for device in found] == ["/dev/video0"]


@pytest.mark.parametrize(
    ("wanted", "model"),
    [("c920", "C920"), ("046d:082d", "C920"), ("24ae:1870", "Rapoo"), ("RAPOO", "Rapoo"), ("PTZ Pro", None)],
)
def test_the_wanted_camera_is_taken_when_there_are_two(described: Path, wanted: str, model: str | None) -> None:
    found = look(described, USB + CAMERA + METADATA + OTHER, wanted)
    assert found["present"] is (model is not None)
    assert model is None or model in found["model"]


def test_none_is_present_when_none_is_plugged_in(described: Path) -> None:
    found = look(described, USB)
    assert found["present"] is False
    assert (found.get("in_use"), found.get("formats"), found["model"]) == (None, None, "")


def test_discovery_names_each_by_its_usb_id(described: Path) -> None:
    found = told_with(USB + CAMERA + METADATA + OTHER, described, FIND)
    assert [(device["address"], device["settings"]) for device in found] == [
        ("/dev/video0", {"name": "046d:082d"}), ("/dev/video2", {"name": "24ae:1870"}),
    ]  # fmt: skip
    assert (found[0]["make"], found[0]["serial"]) == ("Logitech, Inc.", "5F2A31DF")
    assert {device["driver"] for device in found} == {"camera_usb"}


def test_formats_are_asked_of_the_node_that_was_found(described: Path) -> None:
    (described / "said").write_text(C920)
    script = f'#!/bin/sh\n[ "$*" = "--list-formats-ext -d /dev/video0" ] && cat "{described}/said"\n'
    path = program(described / "bin", "v4l2-ctl", script)
    found = look(described, USB + CAMERA, PATH=path)
    assert (found["formats"], found["width"], found["height"]) == ("YUYV, MJPG", 1920, 1080)


# What v4l2-ctl prints: print_video_formats_ext, print_frmsize and fcc2s of v4l-utils (utils/v4l2-ctl/
# v4l2-ctl-vidcap.cpp), whose words are also those in the binary of Debian's 1.22.

C920 = """\
ioctl: VIDIOC_ENUM_FMT
\tType: Video Capture

\t[0]: 'YUYV' (YUYV 4:2:2)
\t\tSize: Discrete 640x480
\t\t\tInterval: Discrete 0.033s (30.000 fps)
\t\tSize: Discrete 1600x896
\t\t\tInterval: Discrete 0.500s (2.000 fps)
\t[1]: 'MJPG' (Motion-JPEG, compressed)
\t\tSize: Discrete 640x480
\t\t\tInterval: Discrete 0.033s (30.000 fps)
\t\tSize: Discrete 1920x1080
\t\t\tInterval: Discrete 0.033s (30.000 fps)
"""


def test_formats_and_the_largest_picture_are_read_as_they_are_listed() -> None:
    assert formats_in(C920) == Formats(("YUYV", "MJPG"), 1920, 1080)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("\t\tSize: Stepwise 16x16 - 4096x2160 with step 16/16\n", (4096, 2160)),
        ("\t\tSize: Continuous 1x1 - 3840x2160\n", (3840, 2160)),
        ("\t\tSize: Unknown \n", (None, None)),
        ("", (None, None)),
    ],
)
def test_a_size_is_read_in_each_of_its_forms(said: str, found: tuple[int | None, int | None]) -> None:
    formats = formats_in(f"\t[0]: 'Y16 -BE' (16-bit Greyscale BE)\n{said}\t[1]: 'Y8  ' (8-bit Greyscale)\n")
    assert (formats.width, formats.height) == found
    assert formats.names == ("Y16 -BE", "Y8")


def test_nothing_is_listed_when_the_program_only_complains() -> None:
    assert formats_in("Cannot open device /dev/video0, exiting.\n") == Formats()
    assert formats_in("") == Formats()


@given(st.integers(0, len(C920)))
def test_what_is_cut_short_says_less_and_never_more(at: int) -> None:
    found = formats_in(C920[:at])
    assert found.names in ((), ("YUYV",), ("YUYV", "MJPG"))
    assert found.width is None or found.width <= 1920


@given(
    st.text() | st.lists(st.sampled_from([*C920.splitlines(True), "\t[9]: '", "Size: Stepwise ", "\0"])).map("".join)
)
def test_noise_never_raises(said: str) -> None:
    found = formats_in(said)
    assert len(found.names) <= 8
    assert (found.width is None) == (found.height is None)
    assert found.width is None or found.width <= 99_999


# Pictures


def picture(folder: Path, source: str, name: str = "camera.png") -> Path:
    need(FFMPEG if FFMPEG.exists() else None, "ffmpeg")
    file = folder / name
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", source, "-frames:v", "1", str(file)]
    subprocess.run(command, check=True, timeout=30)
    return file


@pytest.mark.parametrize(("colour", "brightness"), [("black", 0), ("0x404040", 25), ("0x808080", 50), ("white", 100)])
def test_brightness_is_that_of_the_picture(tmp_path: Path, colour: str, brightness: int) -> None:
    found = measured(camera_at(picture(tmp_path, f"color=c={colour}:size=320x240")))
    assert found["brightness"] == pytest.approx(brightness, abs=2)
    assert found["contrast"] == pytest.approx(0, abs=1)


def test_the_numbers_keep_their_age_and_go_when_the_camera_goes(tmp_path: Path) -> None:
    file = picture(tmp_path, "testsrc=size=640x480", "camera.mp4")
    camera = camera_at(file)
    before = camera.observe()
    assert [spec.action for spec in before.actions] == ["measure_frame"]
    assert (before.readings["brightness"], before.older) == (None, {})
    found = measured(camera)
    assert found["contrast"] > 20
    seen = camera.observe()
    assert {key: seen.readings[key] for key in found} == found
    assert set(seen.older) == {"brightness", "contrast"}
    assert all(seen_s < seen.seen_s for seen_s in seen.older.values())
    file.unlink()
    gone = camera.observe()
    assert (gone.readings["present"], gone.readings["brightness"], gone.actions) == (False, None, ())
    with pytest.raises(ActFailed, match="not_there"):
        measured(camera)


@pytest.mark.parametrize("content", [b"", b"not a picture", bytes(50_000), b"\xff\xd8\xff\xe0" + bytes(500)])
def test_a_file_that_is_no_picture_is_a_bad_answer(tmp_path: Path, content: bytes) -> None:
    need(FFMPEG if FFMPEG.exists() else None, "ffmpeg")
    file = tmp_path / "camera.jpg"
    file.write_bytes(content)
    camera = camera_at(file)
    with pytest.raises(BadAnswer):
        measured(camera)
    assert camera.observe().readings["brightness"] is None


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Path, "subprocess.Popen[bytes]"]]:
    """A node that another program has open."""
    file = picture(tmp_path, "testsrc=size=320x240")
    with file.open("rb") as node:
        holder = subprocess.Popen(["sleep", "60"], stdin=node)
    yield file, holder
    holder.kill()
    holder.wait()


def test_a_camera_that_a_program_holds_is_left_to_it(held: tuple[Path, "subprocess.Popen[bytes]"]) -> None:
    node, holder = held
    wait_for(lambda: holders_of(str(node)) == ("sleep",), 5)
    camera = camera_at(node)
    seen = camera.observe().readings
    assert (seen["present"], seen["in_use"], seen["held_by"]) == (True, True, "sleep")
    with pytest.raises(ActFailed) as failed:
        measured(camera)
    assert (failed.value.reason, failed.value.params) == ("camera_held", {"by": "sleep"})
    holder.kill()
    holder.wait()
    assert holders_of(str(node)) in ((), None)
    assert measured(camera)["contrast"] > 20
    seen = camera.observe().readings
    assert (seen["in_use"], seen["held_by"]) in NOBODY


def test_a_far_camera_cannot_be_measured() -> None:
    camera = CameraUsb(msgspec.convert({"host": "127.0.0.1"}, CameraUsb.Settings), SystemClock())
    with pytest.raises(NotOffered):
        measured(camera)
