"""A whole Debian of a test's own, made by debootstrap and booted by systemd-nspawn; nothing of the host is changed."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.counterparts.nspawned import NspawnedDebian

ROOT = Path(__file__).parents[2]
_PACKAGES = "systemd,systemd-sysv,dbus,libpam-systemd,polkitd,python3,iproute2,mosquitto,udev"
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


class BootedDebian(NspawnedDebian):
    """Debian 12 with our code bound into it."""

    def __init__(self, folder: Path) -> None:
        bound = [f"--bind-ro={ROOT}:/opt/diemcau/src", f"--bind-ro={sysconfig.get_paths()['purelib']}:/opt/diemcau/lib"]
        super().__init__(folder / "debian", "dc", "--network-veth", *bound)
        command = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", str(self.root), mirror()]
        subprocess.run(command, check=True, capture_output=True, timeout=1_000)
        self._install()

    def boot(self) -> None:
        """Until systemd says that it runs."""
        self.boot_until("systemctl is-system-running", ("running", "degraded"), 240)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file inside, before or after it has booted."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

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
