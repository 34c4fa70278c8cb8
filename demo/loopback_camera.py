"""ipycam, which would listen on every interface and call out by multicast, held to the loopback interface."""

import runpy
import socket
import subprocess
import sys
from typing import Any


class LoopbackSocket(socket.socket):
    """A socket that binds to 127.0.0.1 wherever it is told to bind, and sends nothing that would leave."""

    def bind(self, address: Any) -> None:
        if isinstance(address, tuple):
            address = ("127.0.0.1", *address[1:])
        super().bind(address)

    def sendto(self, data: Any, *where: Any) -> int:
        if isinstance(where[-1], tuple) and not str(where[-1][0]).startswith("127."):
            return len(data)
        return super().sendto(data, *where)

    def setsockopt(self, *given: Any) -> None:
        if given[:2] != (socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP):
            super().setsockopt(*given)


def main() -> None:
    """Make a clip whose picture moves, then run ipycam with it."""
    config, clip = sys.argv[1:3]
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=size=640x360:rate=5", "-t", "20",
         "-pix_fmt", "yuv420p", clip],
        check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    socket.socket = LoopbackSocket  # type: ignore[misc]
    sys.argv = ["ipycam", "--config", config, "--source", clip, "--width", "640", "--height", "360", "--fps", "5"]
    runpy.run_module("ipycam", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
