"""Hears of devices that come and go, from the kernel: a machine without a udev daemon has no other events, one with it
has these first."""

from collections.abc import Callable, Iterable
from threading import Event
from typing import Any

_DEAF_S = 0.5


def hear(udev: Any, subsystems: Iterable[str], stop: Event, wake: Callable[[], None]) -> None:
    """Call `wake` at every event of these subsystems until `stop`. `udev`: a pyudev context."""
    from pyudev import Monitor  # whoever has a context has the library

    monitor = Monitor.from_netlink(udev, source="kernel")
    for subsystem in subsystems:
        monitor.filter_by(subsystem)
    monitor.start()
    while not stop.is_set():
        if monitor.poll(timeout=_DEAF_S) is not None:
            wake()
