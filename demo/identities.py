"""Rooms get their identity as real ones do: a code, a key of their own, and somebody who says yes."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from demo.room import SimulatedRoom
from edge_agent.enrolment import Centre, enrol
from edge_agent.identity import FOLDER

_AT_ONCE = 32
Ask = Callable[..., Any]


def codes_for(ask: Ask, sites: Sequence[str]) -> dict[str, str]:
    """Site -> a code for its machine."""
    return {site: ask(f"/sites/{site}/enrolments", {})["code"] for site in sites}


def enrol_all(rooms: Sequence[SimulatedRoom], server: str, codes: Mapping[str, str]) -> None:
    """Each room brings its code and waits for the answer."""

    def one(room: SimulatedRoom) -> None:
        enrol(room.folder / FOLDER, Centre(server, None), codes[room.site], lambda *_: None)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(one, rooms))


def admit(ask: Ask) -> int:
    """Say yes to every machine that waits; how many that were. The demo's operator compares no fingerprints."""
    waiting = [enrolment for enrolment in ask("/enrolments") if enrolment["state"] == "claimed"]
    for enrolment in waiting:
        ask(f"/enrolments/{enrolment['id']}/decision", {"accept": True})
    return len(waiting)
