"""This machine as one real room: its own PC, and a real upsd and a camera that is not ours where they can be had."""

import importlib.util
import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

from demo.processes import Processes
from demo.room_toml import room_toml
from device_drivers.loopback import free_port
from edge_agent.config import DeviceConfig, RoomConfig

SITE = "this-machine"
_POLL_S = 5.0
_UPSD = Path("/lib/nut/upsd")  # /sbin/upsd is Debian's script, which wants /etc/nut
_DUMMY = Path("/lib/nut/dummy-ups")
_UPS_DEV = """\
device.mfr: NUT
device.model: dummy-ups
device.serial: 0000000001
battery.charge: 100
battery.runtime: 10800
input.voltage: 229.0
ups.load: 21
ups.beeper.status: enabled
ups.status: OL CHRG
"""


def prepare(processes: Processes, folder: Path, server_port: int) -> list[str]:
    """Start what the room's agent can watch, and say so in its room.toml; the names of what could not be had here."""
    missing = []
    own = {
        "processes": ["python", "python3", Path(sys.executable).name], "disk": str(folder),
        "time_url": f"http://127.0.0.1:{server_port}/api/v1/health",
    }  # fmt: skip
    recordings = folder / "recordings"
    recordings.mkdir()
    line = {"host": "127.0.0.1", "port": server_port, "url": f"http://127.0.0.1:{server_port}"}
    devices = [
        DeviceConfig("pc-1", "pc", "pc", _POLL_S, settings=own),
        DeviceConfig("line-1", "line", "line", _POLL_S, settings=line),
        DeviceConfig("storage-1", "storage", "storage", _POLL_S, settings={"folder": str(recordings)}),
        DeviceConfig("light-1", "light", "light", _POLL_S, settings={"camera": "camera-1"}),
    ]
    if _UPSD.exists() and _DUMMY.exists():
        ups = {"ups": "room", "port": start_upsd(processes, folder / "nut")}
        devices.append(DeviceConfig("ups-1", "ups", "ups_nut", _POLL_S, settings=ups))
    else:
        missing.append("nut-server")
    if importlib.util.find_spec("ipycam") and shutil.which("ffmpeg"):
        camera = start_camera(processes, folder / "camera")
        devices.append(DeviceConfig("camera-1", "camera", "camera_onvif", _POLL_S, settings=camera))
    else:
        missing.append("ipycam + ffmpeg")
    config = RoomConfig(str(folder / "agent"), tuple(devices))
    _room_file(folder).write_text(room_toml(config))
    return missing


def enrol(folder: Path, server_port: int, code: str) -> "subprocess.Popen[bytes]":
    """Bring the code, as a technician would; the process ends once the machine is accepted."""
    command = [*_agent("enrol", folder), "--server", f"http://127.0.0.1:{server_port}", "--code", code]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def start(processes: Processes, folder: Path) -> None:
    """Start the room's agent."""
    processes.start("agent", _agent("run", folder))


def _agent(command: str, folder: Path) -> list[str]:
    return [sys.executable, "-m", "edge_agent.cli", command, "--config", str(_room_file(folder))]


def _room_file(folder: Path) -> Path:
    return folder / "room.toml"


def start_upsd(processes: Processes, folder: Path) -> int:
    """NUT's own server with its dummy driver; the port that it listens on."""
    conf, state, port = folder / "conf", folder / "state", free_port()
    conf.mkdir(parents=True)
    state.mkdir(mode=0o750)
    (conf / "ups.conf").write_text("[room]\ndriver = dummy-ups\nport = room.dev\nmode = dummy-once\n")
    (conf / "upsd.conf").write_text(f"LISTEN 127.0.0.1 {port}\nMAXAGE 6\n")
    (conf / "upsd.users").write_text("[noc]\npassword = noc\nactions = SET\ninstcmds = ALL\n")
    (conf / "nut.conf").write_text("MODE=standalone\n")
    (conf / "room.dev").write_text(_UPS_DEV)
    (conf / "upsd.users").chmod(0o600)
    user = pwd.getpwuid(os.geteuid()).pw_name
    env = {"NUT_CONFPATH": str(conf), "NUT_STATEPATH": str(state), "NUT_ALTPIDPATH": str(state), "HOME": str(folder)}
    processes.start("ups-driver", [str(_DUMMY), "-a", "room", "-F", "-u", user], env)
    processes.start("upsd", [str(_UPSD), "-F", "-u", user], env)
    return port


def start_camera(processes: Processes, folder: Path, discovery_port: int = 0) -> dict[str, object]:
    """ipycam, an ONVIF camera in software, kept on the loopback interface; settings for our driver.

    `discovery_port`: where it answers WS-Discovery, for whoever will look round.
    """
    folder.mkdir(parents=True)
    port, clip = free_port(), folder / "clip.mp4"
    config = {
        "local_ip": "127.0.0.1", "onvif_port": port, "rtsp_port": free_port(), "username": "admin",
        "password": "camera", "main_width": 640, "main_height": 360, "main_fps": 5,
    }  # fmt: skip
    (folder / "camera.json").write_text(json.dumps(config))
    told = [str(folder / "camera.json"), str(clip), str(discovery_port)]
    processes.start("camera", [sys.executable, "-m", "demo.loopback_camera", *told])
    return {"host": "127.0.0.1", "port": port, "username": "admin", "password": "camera"}
