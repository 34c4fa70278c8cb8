"""Ports of 127.0.0.1 for simulated equipment and for the processes of demo and tests."""

import socket
from random import SystemRandom

_PORTS = range(20_000, 32_000)
"""Below the range from which the kernel gives ports to outgoing connections: a port that is let go for a moment must
not become somebody's connection before it is taken again."""


def free_port() -> int:
    """A port that nobody listens on now, over TCP or UDP; OSError where there is none."""
    for port in SystemRandom().sample(_PORTS, 200):
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(type=kind) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port
    raise OSError("no free port between 20000 and 32000 on 127.0.0.1")
