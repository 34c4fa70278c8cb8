"""A rehearsal beside the session that it tried out: what is wrong again, what was mended, what is new."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from fleet_server.domain.gate import blocks
from fleet_server.domain.readiness import CheckResult, Verdict
from fleet_server.domain.setbacks import OFFLINE


class Point(Struct, frozen=True, order=True):
    """One check of one room that stood against a go."""

    check: str
    site: str


class Comparison(Struct, frozen=True):
    """Of the rooms that were in both."""

    again: tuple[Point, ...]
    new: tuple[Point, ...]
    mended: tuple[Point, ...]


def wrong_in(site: str, verdict: Verdict, checks: Iterable[CheckResult]) -> set[Point]:
    """What stood against a go in a room; of one that is away nothing else is known."""
    if verdict is Verdict.OFFLINE:
        return {Point(OFFLINE, site)}
    return {Point(check.check, site) for check in checks if blocks(check)}


def compare(rehearsed: Mapping[str, set[Point]], real: Mapping[str, set[Point]]) -> Comparison:
    """Site -> what is wrong there, of either."""
    both = rehearsed.keys() & real.keys()
    before, now = (set().union(*(found[site] for site in both)) for found in (rehearsed, real))
    return Comparison(tuple(sorted(before & now)), tuple(sorted(now - before)), tuple(sorted(before - now)))
