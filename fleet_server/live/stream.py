"""Changes as numbered events that a reader can take up again where it left off."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import islice
from typing import Any

from msgspec import Struct

_KEPT = 5_000
_RESTART = "reset"


class Change(Struct, frozen=True):
    """One change: `kind` names what a page may wait for in `data-on`. `site` is None for what concerns all."""

    n: int
    kind: str
    site: str | None
    data: dict[str, Any]


class Stream:
    """Keeps the last changes; any number of readers, none of which can slow another."""

    def __init__(self, epoch: str) -> None:
        self._epoch = epoch
        self._kept: deque[Change] = deque(maxlen=_KEPT)
        self._n = 0
        self._more = asyncio.Event()
        self.readers = 0

    def publish(self, kind: str, site: str | None = None, **data: Any) -> None:
        """Tell every reader."""
        self._n += 1
        self._kept.append(Change(self._n, kind, site, data))
        self._more.set()
        self._more = asyncio.Event()

    @property
    def last_id(self) -> str:
        """The number of the newest change: who begins behind it misses nothing."""
        return f"{self._epoch}.{self._n}"

    def id_of(self, change: Change) -> str:
        """The number that a reader may come back with; it names this life of the server too."""
        return f"{self._epoch}.{change.n}"

    async def read(self, last_id: str | None = None, pause_s: float = 15.0) -> AsyncIterator[Change | None]:
        """Every change after `last_id`, and None each `pause_s` whatever happens: a reader may leave all of it out.

        A reader that comes back too late, or from before a restart, first gets a `reset`: it must fetch all anew.
        """
        self.readers += 1
        try:
            n = self._n
            if last_id is not None:
                epoch, _, number = last_id.rpartition(".")
                first = self._kept[0].n if self._kept else self._n + 1
                if epoch == self._epoch and number.isdigit() and first - 1 <= int(number) <= self._n:
                    n = int(number)
                else:
                    yield Change(self._n, _RESTART, None, {})
            clock = asyncio.get_running_loop().time
            pause_at = clock() + pause_s
            while True:
                more = self._more
                for change in [*islice(reversed(self._kept), self._n - n)][::-1]:
                    n = change.n
                    yield change
                if n == self._n:
                    with suppress(TimeoutError):
                        async with asyncio.timeout_at(pause_at):
                            await more.wait()
                if clock() >= pause_at:
                    yield None
                    pause_at = clock() + pause_s
        finally:
            self.readers -= 1
