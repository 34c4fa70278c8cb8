"""Child processes that end with us, however we end."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
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


class PartEnded(Exception):
    """A part of the demo has ended by itself: which, what it printed last, and what to do."""


_LAST_LINES = 15


class Processes:
    """Starts children in order, ends them in the other order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[tuple[str, Child]] = []
        self._once: list[Child] = []

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

    def start_once(self, name: str, command: Sequence[str], env: dict[str, str]) -> Callable[[], bool]:
        """A child that does its work and ends. Calling the result tells whether it has, or raises PartEnded."""
        child = self.begun(command, {**os.environ, **env}, self._folder / f"{name}.log", talk=False)
        self._once.append(child)

        def is_done() -> bool:
            if child.poll():
                raise self._part_ended(name, child.returncode)
            return child.poll() == 0

        return is_done

    def check(self) -> None:
        """Raises PartEnded where a child has ended by itself."""
        if (name := self.ended()) is not None:
            child = next(child for known, child in self._running if known == name)
            raise self._part_ended(name, child.returncode)

    def _part_ended(self, name: str, status: int | None) -> PartEnded:
        output = self._folder / f"{name}.log"
        text = output.read_text(encoding="utf-8", errors="replace") if output.is_file() else ""
        last = "\n".join(f"  {line[:300]}" for line in text.splitlines()[-_LAST_LINES:]) or "  (nothing)"
        return PartEnded(
            f"Phần '{name}' của bản trình diễn đã dừng (mã {status}). Hãy chạy lại ./dev demo; nếu vẫn vậy, "
            "hãy gửi các dòng dưới đây cho nhóm phát triển.\n"
            f"The part '{name}' of the demo has ended (status {status}). Run ./dev demo again; if it happens "
            f"once more, report these lines, which are the last that it printed:\n{last}"
        )

    def ended(self) -> str | None:
        """The name of a child that has ended by itself, if there is one."""
        return next((name for name, child in self._running if child.poll() is not None), None)

    def forget(self, child: Child) -> None:
        """Do not watch or end this child any more."""
        self._running = [(name, known) for name, known in self._running if known is not child]

    def end(self) -> None:
        """SIGTERM to all, the last started first; SIGKILL to who is still there after its time."""
        for child in self._once:
            if child.poll() is None:
                child.kill()
                child.wait()
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


def is_listening(port: int) -> bool:
    """Whether somebody listens on this port of the loopback interface."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_listening(port: int, within_s: float) -> bool:
    """Whether somebody listens on the port before the time is over."""
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s:
        if is_listening(port):
            return True
        time.sleep(0.05)
    return False


def end_with_parent() -> None:
    """In the child: SIGTERM when the parent dies, and no SIGINT of the terminal's, which the parent handles."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
