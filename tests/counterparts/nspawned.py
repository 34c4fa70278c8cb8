"""A Debian in a folder, booted by systemd-nspawn with systemd inside; a command in it is run by nsenter."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.counterparts.waiting import wait_for


class NspawnedDebian:
    """`boot` starts it, `cut_power` ends it at once, `close` leaves nothing."""

    def __init__(self, root: Path, name: str, *options: str) -> None:
        """`options`: of systemd-nspawn, such as its network."""
        self.root, self.name, self._options = root, name, options
        self._child: subprocess.Popen[bytes] | None = None
        self.leader = 0
        """The process of its init, whose namespaces are the machine's."""

    def boot_until(self, command: str, answers: tuple[str, ...], within_s: float) -> None:
        """Until a command inside says one of these."""
        nspawn = [
            "systemd-nspawn", "-D", str(self.root), "--boot", "--register=no", "--keep-unit",
            "-M", f"{self.name}-{os.getpid()}", *self._options,
        ]  # fmt: skip
        self._child = subprocess.Popen(
            nspawn, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}, start_new_session=True,
        )  # fmt: skip
        children = Path(f"/proc/{self._child.pid}/task/{self._child.pid}/children")
        wait_for(lambda: children.read_text().split(), 30, "nspawn has no child")
        self.leader = int(children.read_text().split()[0])
        try:
            wait_for(lambda: self.run(command, check=False).stdout.strip() in answers, within_s, self.name)
        except AssertionError as error:
            held_up = self.run("systemctl list-jobs; systemctl --failed; journalctl -b -n 30 --no-pager", check=False)
            raise AssertionError(f"{error}\n{held_up.stdout[-6_000:]}") from error

    def run(
        self, line: str, check: bool = True, given: str = "", within_s: float = 120
    ) -> "subprocess.CompletedProcess[str]":
        """A shell command inside, as root."""
        ran = subprocess.run(
            ["nsenter", "-t", str(self.leader), "-a", "/bin/sh", "-c", line], capture_output=True, text=True,
            timeout=within_s, input=given, check=False,
        )  # fmt: skip
        assert not check or ran.returncode == 0, f"{self.name}: {line}: {ran.stdout[-1_500:]} {ran.stderr[-1_500:]}"
        return ran

    def cut_power(self) -> None:
        """Every process of it is gone at once. What they have written stays, on the disk or not; for a disk that loses
        it see tests/install/test_power_cut.py."""
        assert self._child is not None
        os.kill(self.leader, signal.SIGKILL)
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
