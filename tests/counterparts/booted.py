"""A whole Debian of a test's own, made by debootstrap and booted by systemd-nspawn; nothing of the host is changed."""

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.counterparts.waiting import wait_for

ROOT = Path(__file__).parents[2]
_PACKAGES = "systemd,systemd-sysv,dbus,python3,iproute2,mosquitto,udev"
_RUN = '#!/bin/sh\nPYTHONPATH=/opt/diemcau/src:/opt/diemcau/lib exec /usr/bin/python3 -m {module} "$@"\n'


def missing() -> str:
    """What keeps us from it; empty when nothing does."""
    if os.geteuid() != 0:
        return "root"
    for program in ("debootstrap", "systemd-nspawn", "nsenter"):
        if shutil.which(program) is None:
            return program
    return "" if sys.version_info[:2] == (3, 11) and mirror() else "Python 3.11 as Debian 12 has it, and its mirror"


def mirror() -> str:
    """Where this machine gets Debian's packages from."""
    files = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    text = "\n".join(file.read_text(errors="replace") for file in files if file.is_file())
    found = re.search(r"^(?:URIs:|deb(?: \[[^]]*\])?)\s+(\S+/debian/?)(?:\s|$)", text, re.M)
    return found[1] if found else ""


class BootedDebian:
    """Debian 12 with our code bound into it; `run` is a command inside."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "debian"
        command = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", str(self.root), mirror()]
        subprocess.run(command, check=True, capture_output=True, timeout=400)
        self._install()
        self._child: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def boot(self) -> None:
        """Until systemd says that it runs."""
        bound = [f"--bind-ro={ROOT}:/opt/diemcau/src", f"--bind-ro={sysconfig.get_paths()['purelib']}:/opt/diemcau/lib"]
        command = [
            "systemd-nspawn", "-D", str(self.root), "--boot", "--register=no", "--keep-unit", "--network-veth",
            "-M", f"dc-{os.getpid()}", *bound,
        ]  # fmt: skip
        self._child = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}, start_new_session=True,
        )  # fmt: skip
        children = Path(f"/proc/{self._child.pid}/task/{self._child.pid}/children")
        wait_for(lambda: children.read_text().split(), 30, "nspawn has no child")
        self._leader = int(children.read_text().split()[0])
        wait_for(
            lambda: self.run("systemctl is-system-running", check=False).stdout.strip() in ("running", "degraded"),
            150, "it does not boot",
        )  # fmt: skip

    def run(self, line: str, check: bool = True, given: str = "") -> "subprocess.CompletedProcess[str]":
        """A shell command inside, as root."""
        ran = subprocess.run(
            ["nsenter", "-t", str(self._leader), "-a", "/bin/sh", "-c", line], capture_output=True, text=True,
            timeout=120, input=given, check=False,
        )  # fmt: skip
        assert not check or ran.returncode == 0, f"{line}: {ran.stdout[-1_500:]} {ran.stderr[-1_500:]}"
        return ran

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file inside, before or after it has booted."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def close(self) -> None:
        """Power off, and leave nothing."""
        if self._child is not None:
            self.run("systemctl poweroff --no-block", check=False)
            try:
                self._child.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._child.pid, signal.SIGKILL)
                self._child.wait(10)
        shutil.rmtree(self.root, ignore_errors=True)

    def _install(self) -> None:
        for name, module in (("diemcau-agent", "edge_agent.cli"), ("diemcau-server", "fleet_server.cli")):
            self.write(f"/opt/diemcau/current/bin/{name}", _RUN.format(module=module), 0o755)
        for unit in (*ROOT.glob("edge_agent/systemd/*"), *ROOT.glob("fleet_server/systemd/*")):
            self.write(f"/etc/systemd/system/{unit.name}", unit.read_text())
        for name in ("src", "lib"):
            (self.root / "opt/diemcau" / name).mkdir()
        for user in ("diemcau-server", "diemcau-signer", "diemcau-agent"):
            subprocess.run(
                ["chroot", str(self.root), "useradd", "--system", "--user-group", "--no-create-home", user],
                check=True, capture_output=True, timeout=30,
            )  # fmt: skip
