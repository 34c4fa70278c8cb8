"""From `./dev demo`, installed, to READY: seconds, and then cores, memory and threads of all its processes."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil

from bench.figure import Figure
from device_drivers.loopback import free_port

_SETTLE_S, _WATCH_S = 20.0, 60.0
_LIMITS = {167: (15.0, 0.5, 1_200.0, 600.0), 3321: (90.0, 1.5, 6_000.0, 600.0)}
"""Rooms -> limits of seconds, cores, megabytes and threads."""


def measure() -> Iterator[Figure]:
    """The province and the country, one after the other; DIEMCAU_BENCH_WATCH_S watches for longer than a minute."""
    for rooms, limits in _LIMITS.items():
        yield from _measure(rooms, *limits)


def _measure(rooms: int, ready_s: float, cores: float, megabytes: float, threads: float) -> Iterator[Figure]:
    began_s = time.perf_counter()
    child = subprocess.Popen(
        ["./dev", "demo", "--port", str(free_port()), "--sites", str(rooms)], stdout=subprocess.PIPE, stderr=sys.stderr,
        text=True,
    )  # fmt: skip
    assert child.stdout is not None
    try:
        for line in child.stdout:
            if re.match("READY", line):
                break
        else:
            raise RuntimeError(f"the demo of {rooms} rooms has ended")
        yield Figure(f"demo_start_{rooms}", time.perf_counter() - began_s, "s", "limit", ready_s)
        os.set_blocking(child.stdout.fileno(), False)  # what it prints from now on nobody reads
        time.sleep(_SETTLE_S)
        watch_s = float(os.environ.get("DIEMCAU_BENCH_WATCH_S", _WATCH_S))
        before, at_s = _cpu_s(child.pid), time.perf_counter()
        until_s = at_s + watch_s
        while time.perf_counter() < until_s:
            time.sleep(1.0)
            with suppress(BlockingIOError):
                os.read(child.stdout.fileno(), 1 << 20)
        used = (_cpu_s(child.pid) - before) / (time.perf_counter() - at_s)
        yield Figure(f"demo_cores_{rooms}", used, "cores", "limit", cores)
        family = _family(child.pid)
        yield Figure(f"demo_memory_{rooms}", sum(p.memory_info().rss for p in family) / 1e6, "MB", "limit", megabytes)
        yield Figure(f"demo_threads_{rooms}", sum(p.num_threads() for p in family), "threads", "limit", threads)
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(60)


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def _cpu_s(pid: int) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in _family(pid))
