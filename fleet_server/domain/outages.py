"""Many rooms that go away together are one outage, of the hub, its line or the broker, and not one incident each."""

from collections.abc import Mapping

from fleet_server.domain.causes import Cause
from fleet_server.domain.findings import Outcome

CAUSE = Cause(("many_offline", ""), Outcome.FAIL, True, "", "many_offline")
TOGETHER_S = 90.0
"""Within this time of each other: rooms report every fifteen seconds, and three reports must be missed."""
_LEAST, _SHARE = 5, 0.1


def most_alone(rooms: int) -> int:
    """From how many rooms on it is an outage."""
    return max(_LEAST, round(rooms * _SHARE))


def members(away_since: Mapping[str, float], rooms: int, held: frozenset[str]) -> frozenset[str]:
    """The rooms of an outage, or none. `away_since`: room -> when it went away; `held`: those of the outage until now.

    It goes on until fewer than half as many as began it are away; who is still away then is an incident of its own.
    """
    least = most_alone(rooms)
    if held:
        still = held & away_since.keys()
        if len(still) * 2 < least:
            return frozenset()
        newest = max((away_since[site] for site in still), default=0.0)
        return still | {site for site, since in away_since.items() if abs(since - newest) <= TOGETHER_S}
    moments = sorted(away_since.values())
    for nr in range(len(moments) - least + 1):
        if moments[nr + least - 1] - moments[nr] <= TOGETHER_S:
            last = moments[nr + least - 1]
            return frozenset(site for site, since in away_since.items() if abs(since - last) <= TOGETHER_S)
    return frozenset()
