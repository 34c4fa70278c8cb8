"""`diemcau-server` as a process of its own, without the second that loading its code takes each time.

A process that has loaded the code forks it off (multiprocessing's fork server). What runs is the program's own `main`
from its beginning, in surroundings of its own: it can be killed, and the next one knows nothing of it.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from demo.processes import Child, Processes, end_with_parent

SERVER = (sys.executable, "-m", "fleet_server.cli")
"""The program as a command: what stands behind `diemcau-server`."""

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__, "tests.counterparts.loaded"])


class Forked:
    """A server's process, as `subprocess.Popen` is to whoever holds it."""

    stdin = None

    def __init__(self, words: Sequence[str], env: Mapping[str, str], output: Path, errors: Path) -> None:
        told = (list(words), dict(env), Path.cwd(), output, errors)
        self._process = _FORKS.Process(target=_run, args=told)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """What it ended with, less than 0 where that was a signal; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """What it ends with. Raises subprocess.TimeoutExpired where it has not within so many seconds."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(SERVER, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """To it, while it runs."""
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class ForkingProcesses(Processes):
    """Child processes, of which servers are forked off."""

    def begun(self, command: Sequence[str], env: Mapping[str, str], output: Path, talk: bool) -> Child:
        """The server forked, anything else as everywhere."""
        if tuple(command[: len(SERVER)]) != SERVER:
            return super().begun(command, env, output, talk)
        return Forked(command[len(SERVER) :], env, output, output)


def run_to_end(
    *words: str, env: Mapping[str, str] | None = None, within_s: float = 60.0
) -> "subprocess.CompletedProcess[str]":
    """`diemcau-server …` to its end, and what it said; the surroundings are ours where none are given.

    Raises subprocess.TimeoutExpired; then it has been killed.
    """
    with TemporaryDirectory() as folder:
        output, errors = Path(folder) / "output", Path(folder) / "errors"
        child = Forked(words, os.environ if env is None else env, output, errors)
        try:
            code = child.wait(within_s)
        finally:
            child.kill()
        return subprocess.CompletedProcess(
            list(words), code, output.read_text(encoding="utf-8"), errors.read_text(encoding="utf-8")
        )


def _run(words: list[str], env: dict[str, str], folder: Path, output: Path, errors: Path) -> None:
    from fleet_server.cli import main

    end_with_parent()
    for stream, file in ((sys.stdout, output), (sys.stderr, errors)):
        with file.open("ab") as opened:
            os.dup2(opened.fileno(), stream.fileno())
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    sys.argv = ["diemcau-server", *words]
    sys.exit(main(words))
