"""ipycam, which would listen on every interface and call out by multicast, held to the loopback interface."""

import runpy
import socket
import subprocess
import sys
from typing import Any

_WS_DISCOVERY = 3702


class LoopbackSocket(socket.socket):
    """A socket that binds to 127.0.0.1 wherever it is told to bind, and sends nothing that would leave."""

    discovery_port = 0
    """Instead of the one port of WS-Discovery, which every camera on this machine would answer at; 0: any port."""

    def bind(self, address: Any) -> None:
        if isinstance(address, tuple):
            port = self.discovery_port if address[1] == _WS_DISCOVERY else address[1]
            address = ("127.0.0.1", port, *address[2:])
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
    config, clip, discovery_port = sys.argv[1:4]
    LoopbackSocket.discovery_port = int(discovery_port)
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
