"""Debian machines of a test's own on a network of their own: booted by systemd-nspawn, reached by SSH, with no way out.

What they are made of is made once in a test run; nothing of the host is changed but for one bridge, which goes again.
"""

import os
import shutil
import socket
import subprocess
from pathlib import Path

from tests.counterparts.booted import mirror
from tests.counterparts.nspawned import NspawnedDebian
from tests.counterparts.waiting import wait_for

_PACKAGES = (
    "systemd,systemd-sysv,dbus,udev,python3,python3-apt,openssl,iproute2,openssh-server,mosquitto,postgresql,"
    "postgresql-client"
)


class Network:
    """A bridge, and the machines on it."""

    def __init__(self, folder: Path, more_packages: str = "") -> None:
        """`more_packages`: of Debian, on every machine, with commas between."""
        self.folder, self.base = folder, folder / "base"
        self.key = folder / "id"
        self.machines: list[Machine] = []
        part = os.getpid() % 250
        self.bridge, self.prefix = f"dcbr{os.getpid() % 100_000}", f"10.213.{part}"
        if not self.base.exists():
            packages = ",".join(filter(None, (_PACKAGES, more_packages)))
            _run("debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", str(self.base), mirror())
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key))
        self._prepare()
        _run("ip", "link", "add", self.bridge, "type", "bridge")
        _run("ip", "address", "add", f"{self.prefix}.1/24", "dev", self.bridge)
        _run("ip", "link", "set", self.bridge, "up")

    def machine(self, name: str, address: str = "") -> "Machine":
        """A new one, booted; `address`: that of one that is gone."""
        made = Machine(self, name, address or f"{self.prefix}.{10 + len(self.machines)}")
        self.machines.append(made)
        made.boot()
        return made

    def close(self) -> None:
        """All gone."""
        for machine in self.machines:
            machine.close()
        subprocess.run(["ip", "link", "delete", self.bridge], check=False, capture_output=True)
        shutil.rmtree(self.base, ignore_errors=True)

    def _prepare(self) -> None:
        ssh = self.base / "root/.ssh"
        ssh.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(self.key.with_suffix(".pub"), ssh / "authorized_keys")
        for unit in ("mosquitto", "postgresql"):  # a role starts them
            _run("chroot", str(self.base), "systemctl", "disable", unit)


class Machine(NspawnedDebian):
    """One Debian, reached by SSH."""

    def __init__(self, network: Network, name: str, address: str) -> None:
        super().__init__(network.folder / name, name, f"--network-bridge={network.bridge}")
        self.network, self.address = network, address
        _run("cp", "-a", "--reflink=auto", str(network.base), str(self.root))
        (self.root / "etc/hostname").write_text(f"{name}\n")
        (self.root / "etc/machine-id").write_text("")
        unit = self.root / "etc/systemd/network/10-host0.network"
        unit.write_text(f"[Match]\nName=host0\n[Network]\nAddress={address}/24\nLinkLocalAddressing=no\n")
        (self.root / "etc/systemd/system/multi-user.target.wants").mkdir(parents=True, exist_ok=True)
        _run("chroot", str(self.root), "systemctl", "enable", "systemd-networkd")

    def boot(self) -> None:
        """Until SSH answers us: who had its address before may stand in our neighbours' table for a while."""
        self.boot_until("systemctl is-active ssh", ("active",), 120)
        wait_for(self._is_reached, 120, f"{self.name} is not reached")

    def _is_reached(self) -> bool:
        try:
            socket.create_connection((self.address, 22), 2).close()
        except OSError:
            return False
        return True


def _run(*command: str) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, f"{' '.join(command)}: {ran.stderr[-800:]}"
