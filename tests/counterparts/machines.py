"""Debian machines of a test's own on a network of their own: booted by systemd-nspawn, reached by SSH, with no way out.

What they are made of is made once in a test run; nothing of the host is changed but for one bridge, which goes again.
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.counterparts.booted import mirror
from tests.counterparts.waiting import wait_for

_PACKAGES = (
    "systemd,systemd-sysv,dbus,udev,python3,python3-apt,openssl,iproute2,openssh-server,mosquitto,postgresql,"
    "postgresql-client"
)


class Network:
    """A bridge, and the machines on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.base = folder, folder / "base"
        self.key = folder / "id"
        self.machines: list[Machine] = []
        part = os.getpid() % 250
        self.bridge, self.prefix = f"dcbr{os.getpid() % 100_000}", f"10.213.{part}"
        if not self.base.exists():
            _run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", str(self.base), mirror())
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


class Machine:
    """One Debian; `run` is a command inside, `cut_power` ends it at once, `boot` starts it again."""

    def __init__(self, network: Network, name: str, address: str) -> None:
        self.network, self.name, self.address = network, name, address
        self.root = network.folder / name
        _run("cp", "-a", "--reflink=auto", str(network.base), str(self.root))
        (self.root / "etc/hostname").write_text(f"{name}\n")
        (self.root / "etc/machine-id").write_text("")
        unit = self.root / "etc/systemd/network/10-host0.network"
        unit.write_text(f"[Match]\nName=host0\n[Network]\nAddress={address}/24\nLinkLocalAddressing=no\n")
        (self.root / "etc/systemd/system/multi-user.target.wants").mkdir(parents=True, exist_ok=True)
        _run("chroot", str(self.root), "systemctl", "enable", "systemd-networkd")
        self._child: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def boot(self) -> None:
        """Until SSH answers."""
        command = [
            "systemd-nspawn", "-D", str(self.root), "--boot", "--register=no", "--keep-unit",
            f"--network-bridge={self.network.bridge}", "-M", f"{self.name}-{os.getpid()}",
        ]  # fmt: skip
        self._child = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}, start_new_session=True,
        )  # fmt: skip
        children = Path(f"/proc/{self._child.pid}/task/{self._child.pid}/children")
        wait_for(lambda: children.read_text().split(), 30, "nspawn has no child")
        self._leader = int(children.read_text().split()[0])
        wait_for(lambda: self.run("systemctl is-active ssh", check=False).stdout.strip() == "active", 120, self.name)

    def run(self, line: str, check: bool = True, within_s: float = 120) -> "subprocess.CompletedProcess[str]":
        """A shell command inside, as root."""
        ran = subprocess.run(
            ["nsenter", "-t", str(self._leader), "-a", "/bin/sh", "-c", line], capture_output=True, text=True,
            timeout=within_s, check=False,
        )  # fmt: skip
        assert not check or ran.returncode == 0, f"{self.name}: {line}: {ran.stdout[-1_500:]} {ran.stderr[-1_500:]}"
        return ran

    def cut_power(self) -> None:
        """Every process of it is gone at once; what was not on the disk is lost with them."""
        assert self._child is not None
        os.kill(self._leader, signal.SIGKILL)
        self._child.wait(30)

    def close(self) -> None:
        """Power off, and leave nothing."""
        if self._child is not None and self._child.poll() is None:
            self.run("systemctl poweroff --no-block", check=False)
            try:
                self._child.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._child.pid, signal.SIGKILL)
                self._child.wait(10)
        shutil.rmtree(self.root, ignore_errors=True)


def _run(*command: str) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, f"{' '.join(command)}: {ran.stderr[-800:]}"
