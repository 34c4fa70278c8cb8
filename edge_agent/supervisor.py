"""The only place that starts threads: each has a name, a stop and a beat, and is started again when it fails."""

import logging
import threading
from collections.abc import Callable

from wire.times import Clock

log = logging.getLogger("diemcau.supervisor")

Work = Callable[[threading.Event, Callable[[], None]], None]
_PAUSE_S = 1.0


class Supervisor:
    """Threads that share one stop."""

    def __init__(self, clock: Clock) -> None:
        self.stop = threading.Event()
        self._clock = clock
        self._threads: list[threading.Thread] = []
        self._beats: dict[str, float] = {}
        self.failures: dict[str, int] = {}

    def start(self, name: str, work: Work) -> None:
        """Run `work(stop, beat)` in a thread of this name until it returns after `stop`."""
        thread = threading.Thread(target=self._keep_alive, args=(name, work), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def silent_for_s(self, name: str) -> float:
        """Seconds since the thread's last beat."""
        return self._clock.monotonic() - self._beats.get(name, float("-inf"))

    def end(self, within_s: float = 10.0) -> list[str]:
        """Stop all threads; the names of those that did not end in time."""
        self.stop.set()
        until_s = self._clock.monotonic() + within_s
        for thread in self._threads:
            thread.join(timeout=max(0.05, until_s - self._clock.monotonic()))
        return [thread.name for thread in self._threads if thread.is_alive()]

    def _keep_alive(self, name: str, work: Work) -> None:
        def beat() -> None:
            self._beats[name] = self._clock.monotonic()

        while not self.stop.is_set():
            beat()
            try:
                work(self.stop, beat)
            except Exception:
                self.failures[name] = self.failures.get(name, 0) + 1
                if self.failures[name] == 1:
                    log.exception("thread_failed name=%s", name)
                self.stop.wait(_PAUSE_S)
            else:
                if self.failures.get(name):
                    log.info("thread_ended name=%s failures=%d", name, self.failures[name])
                return
