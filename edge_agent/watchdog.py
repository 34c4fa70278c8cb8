"""Tells systemd that the agent works: only after something was written to the disk and the broker has answered."""

import logging
import sqlite3
from collections.abc import Callable
from threading import Event

from edge_agent.link import RoomLink
from edge_agent.store import Store
from wire.service_manager import ServiceManager

log = logging.getLogger("diemcau.watchdog")

_OFTEN = 4
"""So often within the time that the service manager gives us."""


class Watchdog:
    """Without a line there is no answer: then it counts that the link goes on trying."""

    def __init__(self, store: Store, link: RoomLink, manager: ServiceManager) -> None:
        self._store, self._link, self._manager = store, link, manager

    def run(self, stop: Event, beat: Callable[[], None]) -> None:
        """Until `stop`; at once where nobody watches."""
        within_s, failing = self._manager.watchdog_s, ""
        if within_s is None:
            return
        while not stop.is_set():
            beat()
            why = self._trouble(within_s)
            if not why:
                self._manager.alive()
            elif why != failing:
                log.error("watchdog_not_fed why=%s", why)
            failing = why
            stop.wait(within_s / _OFTEN)

    def _trouble(self, within_s: float) -> str:
        try:
            self._store.beat()
        except sqlite3.Error as error:
            return f"the store: {error}"
        return "" if self._link.is_at_work(within_s) else "the broker does not answer"
