"""Rooms that are to report more often for a while: they are in use, or somebody is about to decide on them."""

from collections.abc import Iterable

from fleet_server.state.fleet import Fleet

OFTEN_S = 5.0
_LASTS_S = 60.0


class Attention:
    """Asked for in seconds since the epoch; what was asked ends by itself."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._until: dict[str, float] = {}

    def ask(self, sites: Iterable[str]) -> None:
        """These rooms report at once, and often for the next minute."""
        until = self._fleet.now() + _LASTS_S
        self._until.update(dict.fromkeys(sites, until))

    def is_wanted(self, site: str) -> bool:
        """Whether the room is to report often now."""
        return self._until.get(site, 0.0) > self._fleet.now()
