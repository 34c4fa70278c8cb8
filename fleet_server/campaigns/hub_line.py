"""What all rooms that fetch something may take of the hub's line together: sessions come first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SHARE = 0.2
"""Of the hub's line, while no session is live."""
_WHILE_LIVE_KBIT_S = 64.0
"""Enough that no connection breaks."""


class HubLine:
    """Shared by all campaigns. `mbit_s`: the line now; `is_any_live`: whether a session runs anywhere."""

    def __init__(self, mbit_s: Callable[[], float], is_any_live: Callable[[], bool]) -> None:
        self._mbit_s, self._is_any_live, self._streams = mbit_s, is_any_live, 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Somebody fetches until the block ends."""
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    def rate_kbit_s(self, most_kbit_s: float) -> float:
        """What each of those who fetch has now, and this one at most."""
        whole = _WHILE_LIVE_KBIT_S if self._is_any_live() else _SHARE * self._mbit_s() * 1_000
        return min(most_kbit_s, whole / max(1, self._streams))
