"""`./dev demo`: start a province on this machine, print where to look, play the story until Ctrl-C or SIGTERM."""

import argparse
import errno
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from demo.preflight import CannotStart, check_port, check_space
from demo.processes import PartEnded, Processes
from demo.run import Demo


class _Stopped(Exception):
    """SIGTERM or Ctrl-C."""


def main() -> int:
    """Run the demo; the exit status is 0 when it was stopped, 1 when a part of it ended or it could not start."""
    parser = argparse.ArgumentParser(prog="./dev demo")
    parser.add_argument("--port", type=int, default=8080, help="of the pages (default: 8080)")
    parser.add_argument(
        "--sites", type=int, default=167, help="how many rooms (default: 167, Thanh Hóa; up to 3321: the country)"
    )
    parser.add_argument(
        "--whole", type=int, default=12,
        help="how many of them are whole: agents with simulated equipment on sockets, the hub and the session's rooms "
        "first (default: 12); the others are light",
    )  # fmt: skip
    parser.add_argument("--broker", choices=("auto", "embedded"), default="auto")
    parser.add_argument("--no-faults", action="store_true", help="leave every room well")
    given = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    folder: Path | None = None
    processes: Processes | None = None
    try:
        check_port(given.port)
        check_space(given.sites)
        folder = Path(tempfile.mkdtemp(prefix="diemcau-demo-"))
        processes = Processes(folder)
        Demo(given, folder, processes).run()
    except _Stopped:
        print("Đang dừng … / Stopping …", flush=True)
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1
    except PartEnded as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"Ổ đĩa đã đầy / the disk is full: {error}. Make space and start again.", file=sys.stderr)
        return 1
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        if processes is not None:
            processes.end()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def _stop(*_: Any) -> None:
    raise _Stopped


if __name__ == "__main__":
    sys.exit(main())
