"""Waiting for a condition with a deadline, never for a time."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from demo.processes import wait_listening

T = TypeVar("T")


_LEAST_S = 20.0
"""A deadline is there so that a test ends, not to measure: where many tests share two cores nobody is late before."""


def wait_for(condition: Callable[[], T], within_s: float, what: str = "") -> T:
    """The condition's first true value; fails when there is none in time."""
    within_s = max(within_s, _LEAST_S)
    began_s = time.monotonic()
    until_s = began_s + within_s
    pause = threading.Event()
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > until_s:
            raise AssertionError(f"not within {within_s:g} s: {what or condition}; last seen: {found!r}")
        # Who has waited for long looks less often: looking costs those who are waited for.
        pause.wait(min(0.25, 0.05 + (time.monotonic() - began_s) / 20))


def listening(port: int, within_s: float = 60.0) -> None:
    """Until somebody listens on the port."""
    assert wait_listening(port, within_s), f"nobody listens on {port}"
