"""Child processes that end with us, however we end."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

_PR_SET_PDEATHSIG = 1


class Child(Protocol):
    """What we need of a child process; `subprocess.Popen` is one."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    @property
    def stdin(self) -> IO[bytes] | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: int, /) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Processes:
    """Starts children in order, ends them in the other order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[tuple[str, Child]] = []

    def start(self, name: str, command: Sequence[str], env: dict[str, str] | None = None, talk: bool = False) -> Child:
        """A child whose output goes to a file of its name; with `talk` its standard input is ours."""
        child = self.begun(command, {**os.environ, **(env or {})}, self._folder / f"{name}.log", talk)
        self._running.append((name, child))
        return child

    def begun(self, command: Sequence[str], env: Mapping[str, str], output: Path, talk: bool) -> Child:
        """A child, not yet among those that we watch and end."""
        with output.open("ab") as file:
            return subprocess.Popen(
                list(command), stdin=subprocess.PIPE if talk else subprocess.DEVNULL, stdout=file,
                stderr=subprocess.STDOUT, env=env, preexec_fn=end_with_parent,
            )  # fmt: skip

    def ended(self) -> str | None:
        """The name of a child that has ended by itself, if there is one."""
        return next((name for name, child in self._running if child.poll() is not None), None)

    def forget(self, child: Child) -> None:
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


def end_with_parent() -> None:
    """In the child: SIGTERM when the parent dies, and no SIGINT of the terminal's, which the parent handles."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
