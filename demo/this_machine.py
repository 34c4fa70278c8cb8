"""This machine as one real room: its own PC, and a real upsd and a camera that is not ours where they can be had."""

import importlib.util
import json
import os
import pwd
import shutil
import sys
from pathlib import Path

from demo.processes import Processes, free_port

SITE = "this-machine"
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


def start(processes: Processes, folder: Path, broker_port: int, server_port: int) -> list[str]:
    """Start the room's agent and what it can watch; the names of what could not be had here."""
    missing = []
    devices = [
        _device("pc-1", "pc", "pc", {
            "processes": ["python", "python3", Path(sys.executable).name],
            "time_url": f"http://127.0.0.1:{server_port}/api/v1/health",
            "disk": str(folder),
        })
    ]  # fmt: skip
    if _UPSD.exists() and _DUMMY.exists():
        devices.append(
            _device("ups-1", "ups", "ups_nut", {"ups": "room", "port": start_upsd(processes, folder / "nut")})
        )
    else:
        missing.append("nut-server")
    if importlib.util.find_spec("ipycam") and shutil.which("ffmpeg"):
        devices.append(_device("camera-1", "camera", "camera_onvif", start_camera(processes, folder / "camera")))
    else:
        missing.append("ipycam + ffmpeg")
    room = folder / "room.toml"
    room.write_text(
        f'site = "{SITE}"\nfolder = "{folder / "agent"}"\n'
        f'[broker]\nhost = "127.0.0.1"\nport = {broker_port}\n' + "".join(devices)
    )
    processes.start("agent", [sys.executable, "-m", "edge_agent.cli", "run", "--config", str(room)])
    return missing


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


def start_camera(processes: Processes, folder: Path) -> dict[str, object]:
    """ipycam, an ONVIF camera in software, kept on the loopback interface; settings for our driver."""
    folder.mkdir(parents=True)
    port, clip = free_port(), folder / "clip.mp4"
    config = {
        "local_ip": "127.0.0.1", "onvif_port": port, "rtsp_port": free_port(), "username": "admin",
        "password": "camera", "main_width": 640, "main_height": 360, "main_fps": 5,
    }  # fmt: skip
    (folder / "camera.json").write_text(json.dumps(config))
    processes.start("camera", [sys.executable, "-m", "demo.loopback_camera", str(folder / "camera.json"), str(clip)])
    return {"host": "127.0.0.1", "port": port, "username": "admin", "password": "camera"}


def _device(name: str, role: str, driver: str, settings: dict[str, object]) -> str:
    lines = [f'[[devices]]\nid = "{name}"\nrole = "{role}"\ndriver = "{driver}"\npoll_s = 5\n[devices.settings]\n']
    lines += [f"{key} = {json.dumps(value)}\n" for key, value in settings.items()]
    return "".join(lines)
