"""Child processes that end with us, however we end."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1


class Processes:
    """Starts children in order, ends them in the other order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(
        self, name: str, command: Sequence[str], env: dict[str, str] | None = None, talk: bool = False
    ) -> "subprocess.Popen[bytes]":
        """A child whose output goes to a file of its name; with `talk` its standard input is ours."""
        with (self._folder / f"{name}.log").open("ab") as output:
            child = subprocess.Popen(
                list(command), stdin=subprocess.PIPE if talk else subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}, preexec_fn=_end_with_parent,
            )  # fmt: skip
        self._running.append((name, child))
        return child

    def ended(self) -> str | None:
        """The name of a child that has ended by itself, if there is one."""
        return next((name for name, child in self._running if child.poll() is not None), None)

    def forget(self, child: "subprocess.Popen[bytes]") -> None:
        """Do not watch or end this child any more."""
        self._running = [(name, known) for name, known in self._running if known is not child]

    def end(self) -> None:
        """SIGTERM to all, the last started first; SIGKILL to who is still there after its time."""
        for _, child in reversed(self._running):
            if child.poll() is None:
                child.terminate()
        for _, child in reversed(self._running):
            try:
                child.wait(timeout=15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdin is not None:
                child.stdin.close()
        self._running.clear()


def wait_listening(port: int, within_s: float) -> bool:
    """Whether somebody listens on the port before the time is over."""
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.05)
    return False


def _end_with_parent() -> None:
    """In the child: SIGTERM when the parent dies, and no SIGINT of the terminal's, which the parent handles."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
