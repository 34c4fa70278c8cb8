"""Evaluations of one site a second on one core: a commune's room with every check, all evidence fresh."""

import time
from collections.abc import Iterator

from bench.figure import Figure
from firmware_profiles.loader import blueprints
from fleet_server.domain.checks import checks
from fleet_server.domain.readiness import Room, Verdict, judge, plan_of
from tests.counterparts.spoken_room import about_of_room, report_of_room
from wire.ids import uuid7

_AIM = 20_000
_ROUNDS = 60_000


def measure() -> Iterator[Figure]:
    """Judge the same room again and again, a millisecond later each time."""
    about = about_of_room()
    plan = plan_of(blueprints()["commune"], about, checks())
    room = Room(True, report_of_room(about, uuid7(), 1), about, 1_000.0)
    assert judge(room, plan, 1_000.0).verdict is Verdict.READY
    began_s = time.perf_counter()
    for number in range(_ROUNDS):
        judge(room, plan, 1_000.0 + number * 1e-6)
    yield Figure("readiness", _ROUNDS / (time.perf_counter() - began_s), "evaluations/s", "aim", _AIM)
