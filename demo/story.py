"""What befalls the rooms, and when: a few faults at a time, each put right after minutes, for ever. Pure."""

from collections.abc import Iterator, Sequence
from random import Random

from msgspec import Struct

_FIRST_S, _EVERY_S = 12.0, 25.0
_SHORTEST_S, _LONGEST_S = 60.0, 200.0


class Turn(Struct, frozen=True):
    """At `at_s` after the start a fault begins, or ends."""

    at_s: float
    site: str
    fault: str
    on: bool


def story_of(sites: Sequence[str], faults: Sequence[str], seed: int = 1) -> Iterator[Turn]:
    """Turns in the order of their time, without end; no site has two faults at once."""
    chance = Random(seed)
    ends: list[Turn] = []
    at_s, number = _FIRST_S, 0
    while sites:
        ends.sort(key=lambda turn: turn.at_s)
        while ends and ends[0].at_s <= at_s:
            yield ends.pop(0)
        healthy = [site for site in sites if site not in {turn.site for turn in ends}]
        if healthy:
            site, fault = chance.choice(healthy), faults[number % len(faults)]
            number += 1
            yield Turn(at_s, site, fault, True)
            ends.append(Turn(at_s + chance.uniform(_SHORTEST_S, _LONGEST_S), site, fault, False))
        at_s += 2.0 if number < 4 else _EVERY_S
