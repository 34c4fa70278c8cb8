"""The room's power tree: what hangs on which outlet, what may be cut, and whether all is back afterwards. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from device_drivers.driver import ALL_OUTLETS
from edge_agent.config import Feed
from edge_agent.room import View


class PowerTree:
    """The feeds of a room.toml, asked by device and outlet."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = feeds

    def cuts_us(self, device: str, outlet: str, gives: bool) -> bool:
        """Whether this agent would go dark, or lose the centre, with nobody left to switch on again.

        `gives`: the act gives the power back by itself, where the device has been proved to.
        """
        downstream = [(device, outlet), *((name, ALL_OUTLETS) for name in self.fed_by(device, outlet))]
        carrying = [feed for at in downstream for feed in self._under(*at) if feed.carries_agent]
        return any(not (gives and feed.off_and_on_proved) for feed in carrying)

    def fed_by(self, device: str, outlet: str) -> frozenset[str]:
        """Every device that an outlet feeds, itself or through another device that switches power."""
        found: set[str] = set()
        todo = [(device, outlet)]
        while todo:
            for feed in self._under(*todo.pop()):
                new = set(feed.feeds) - found
                found |= new
                todo += [(name, ALL_OUTLETS) for name in new]
        return frozenset(found)

    def back_within_s(self, device: str, outlet: str) -> float:
        """How long the slowest of them may take."""
        return max((feed.back_within_s for feed in self._under(device, outlet)), default=0.0)

    def _under(self, device: str, outlet: str) -> Iterable[Feed]:
        for feed in self._feeds:
            if feed.device == device and (outlet in (feed.outlet, ALL_OUTLETS) or feed.outlet == ALL_OUTLETS):
                yield feed


def not_back(fed: Iterable[str], views: Mapping[str, View], since_s: float) -> tuple[str, ...]:
    """Those that have not answered since a moment on the monotonic clock."""
    return tuple(sorted(name for name in fed if not _answered(views[name], since_s)))


def _answered(view: View, since_s: float) -> bool:
    return view.state == "ok" and view.observation is not None and view.observation.seen_s > since_s
