"""Ports of 127.0.0.1 for simulated equipment and for the processes of demo and tests."""

import socket
from random import SystemRandom

OF_EQUIPMENT, OF_PROCESSES = range(10_000, 20_000), range(20_000, 32_000)
"""Both below the range from which the kernel gives ports to outgoing connections: a port that is let go for a moment
must not become somebody's connection before it is taken again."""

_here = {"equipment": OF_EQUIPMENT, "processes": OF_PROCESSES}
_given: set[int] = set()


def keep_to(part: int, parts: int) -> None:
    """Give out one part of the ports only: others on this machine, who begin at the same time, have the other parts."""
    for name, ports in (("equipment", OF_EQUIPMENT), ("processes", OF_PROCESSES)):
        size = len(ports) // parts
        _here[name] = ports[part * size : (part + 1) * size]


def free_port() -> int:
    """A port for a process that will listen on it seconds later; OSError where there is none.

    Equipment never takes one of these: a thousand simulated devices come up while the process is still starting.
    """
    return _free(_here["processes"])


def equipment_port() -> int:
    """A port for simulated equipment, which listens on it at once; OSError where there is none."""
    return _free(_here["equipment"])


def _free(ports: range) -> int:
    """One of these that nobody listens on now, over TCP or UDP, and that was not given out lately."""
    if len(_given) > len(ports) // 2:
        _given.clear()
    for port in SystemRandom().sample(ports, 200):
        if port in _given:
            continue
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(type=kind) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        _given.add(port)
        return port
    raise OSError(f"no free port between {ports.start} and {ports.stop} on 127.0.0.1")
