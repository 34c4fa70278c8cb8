"""Ten thousand incidents routed, and a country whose every room fails in the same minute, on one core.

Each is put beside its limit: 1 s for the routing, 1 s for one round of the watch, which comes once a second.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from bench.figure import Figure
from fleet_server.alerts.planner import Circumstances, owed, told_of
from fleet_server.domain.causes import Cause
from fleet_server.domain.findings import Outcome
from fleet_server.domain.priorities import Priority
from fleet_server.domain.routing import Match, Route, Silence, Step, Subject
from fleet_server.store.incidents import IncidentRow
from fleet_server.store.recipients import Book, Contact, Recipient, Shift
from tests.counterparts.centre_without_wires import HOURS, START, CentreWithoutWires
from wire.ids import uuid7

_INCIDENTS, _ROUTES, _PEOPLE, _SILENCES, _SITES = 10_000, 40, 60, 20, 3_321


def measure() -> Iterator[Figure]:
    """Milliseconds, and their part of the limit."""
    yield Figure("alerts.routing_of_10000", _routing_ms(), "ms", "limit", 1_000.0)
    with tempfile.TemporaryDirectory() as folder:
        yield Figure("alerts.round_in_a_storm_of_3321", asyncio.run(_storm_ms(Path(folder))), "ms", "limit", 1_000.0)


def _routing_ms() -> float:
    around = Circumstances(_book(), HOURS, START)
    row = IncidentRow(
        1, "s1", Cause(("answers", "c"), Outcome.FAIL, True, "camera", "x"), Priority.INCIDENT, None, START
    )
    subjects = [
        Subject(f"s{nr % _SITES}", "commune", "answers", "camera", "hikvision", Priority.INCIDENT)
        for nr in range(_INCIDENTS)
    ]
    began_s = time.perf_counter()
    for subject in subjects:
        if (what := owed(row, subject, around)) is not None:
            told_of(row, what, subject, around)
    return (time.perf_counter() - began_s) * 1_000


def _book() -> Book:
    people = {}
    for _ in range(_PEOPLE):
        id = uuid7()
        people[id] = Recipient(id, id, None, "vi", START, (Contact(uuid7(), id, 1, "email", "", "", START, "bench"),))
    ids, later = list(people), START + timedelta(days=1)
    shifts = tuple(Shift(uuid7(), f"rota{nr}", ids[nr], START, later, "bench") for nr in range(10))
    routes = tuple(
        Route(uuid7(), str(nr), Match(sites=frozenset(f"s{site}" for site in range(nr, _SITES, _ROUTES))),
              (Step(0, f"rota:rota{nr % 10}"), Step(15, ids[nr])))
        for nr in range(_ROUTES)
    )  # fmt: skip
    silences = tuple(
        Silence(uuid7(), Match(checks=frozenset({"no_such_check"})), START, later, "bench", "bench")
        for _ in range(_SILENCES)
    )
    return Book(people, shifts, routes, silences)


async def _storm_ms(folder: Path) -> float:
    """The round in which they all are seen, written down and routed."""
    sites = {f"r{nr:04}": "commune" for nr in range(_SITES)}
    centre = CentreWithoutWires(folder, sites)
    await centre.start()
    noc = await centre.directory.add_recipient("NOC", "vi")
    await centre.directory.add_contact(noc.id, "email", "noc@example.vn", "bench")
    for site in sites:
        await centre.report(site)
        await centre.set_up(site)
    centre.clock.pass_by(20)
    rounds = []
    for _ in range(12):
        for site in sites:
            await centre.report(site, power_source="battery", battery_runtime=600.0)
            centre.alerts._due[site] = 0.0
        centre.clock.pass_by(15)
        began_s = time.perf_counter()
        await centre.alerts.look()
        rounds.append((time.perf_counter() - began_s) * 1_000)
    assert len(centre.alerts.open_ones()) >= _SITES
    centre.close()
    return max(rounds)
