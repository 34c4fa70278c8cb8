"""A room of which only what it fetches for the centre is at work, and what it logs of that."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from edge_agent.log import RoomLog
from edge_agent.store import Store
from tests.counterparts.waiting import wait_for
from wire.messages import EventEntry
from wire.times import SystemClock


class Fetcher(Protocol):
    """What runs in a thread of its own."""

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None: ...


F = TypeVar("F", bound=Fetcher)


class FetchingRoom(Generic[F]):
    """`fetcher` is at work until `close`."""

    def __init__(self, folder: Path, make: Callable[[RoomLog], F]) -> None:
        self._store = Store(folder)
        self._log = RoomLog(self._store, SystemClock())
        self.fetcher = make(self._log)
        self._stop, self._beats = threading.Event(), 0
        self._thread = threading.Thread(target=self.fetcher.run, args=(self._stop, self._beat))
        self._thread.start()

    def looks_again(self, times: int = 5) -> None:
        """Return when it has looked so many times more."""
        until = self._beats + times
        wait_for(lambda: self._beats >= until, 20, "it does not look any more")

    def events(self) -> list[tuple[str, dict[str, object]]]:
        """Each with its parameters."""
        batch = self._log.batch()
        entries = [each for each in batch.entries if isinstance(each, EventEntry)] if batch else []
        return [(each.event, dict(each.params)) for each in entries]

    def close(self) -> None:
        """Its thread has ended."""
        self._stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()
        self._store.close()

    def _beat(self) -> None:
        self._beats += 1
