"""A broker for one machine: Mosquitto where it is installed, as a province would run it; else rumqttd on loopback."""

import os
import shutil
import sys
from pathlib import Path

from demo.processes import Child, Processes

_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 5
autosave_on_changes false
max_inflight_messages 4000
max_queued_messages 100000
max_packet_size 70000
log_type error
log_type warning
"""
_EMBEDDED = """\
id = 0
[router]
id = 0
max_connections = 10000
max_outgoing_packet_count = 4000
max_segment_size = 104857600
max_segment_count = 10
[v5.1]
name = "v5-1"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 70000
max_inflight_count = 4000
dynamic_filters = true
"""


def mosquitto() -> str | None:
    """The program, which Debian keeps out of a user's PATH."""
    return shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")


def start_any(processes: Processes, folder: Path, port: int) -> bool:
    """Mosquitto where this machine has it, else the embedded broker; whether it is Mosquitto."""
    program = mosquitto()
    if program is None:
        start_embedded(processes, folder, port)
        return False
    start_mosquitto(processes, program, folder, port)
    return True


def start_as_configured(processes: Processes, program: str, config: Path) -> None:
    """Mosquitto with the files that `diemcau-server broker config` has written."""
    processes.start("broker", [program, "-c", str(config)])


def start_mosquitto(processes: Processes, program: str, folder: Path, port: int) -> Child:
    """Mosquitto on the loopback interface."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = folder / "mosquitto.conf"
    config.write_text(_MOSQUITTO.format(port=port, folder=folder) + _user())
    return processes.start("broker", [program, "-c", str(config)])


def start_embedded(processes: Processes, folder: Path, port: int) -> Child:
    """rumqttd on the loopback interface, as a process of its own."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = folder / "rumqttd.toml"
    config.write_text(_EMBEDDED.format(port=port))
    return processes.start("broker", [sys.executable, "-m", "demo.embedded_broker", str(config)])


def _user() -> str:
    """As root Mosquitto would change to a user who may not write into our folder."""
    return "user root\n" if os.geteuid() == 0 else ""
