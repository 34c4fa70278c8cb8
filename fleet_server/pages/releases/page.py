"""GET /releases: which releases there are, and how far the one is that goes through the fleet."""

from collections import Counter
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import TheServer
from fleet_server.api.language import Language
from fleet_server.domain.access import Act
from fleet_server.domain.waves import State, Step
from fleet_server.errors import FleetError, Invalid
from fleet_server.pages.form import form_of, one
from fleet_server.pages.render import render
from fleet_server.server import Server
from fleet_server.texts import translate

router = APIRouter()

_ACTS = {"pause": State.PAUSED, "go_on": State.RUNNING, "stop": State.STOPPED}
_RATE_KBIT_S = 2_000


@router.get("/releases", dependencies=[needs(Act.SEE)])
async def page(request: Request, server: TheServer) -> HTMLResponse:
    """The whole page."""
    return render(request, "releases/page.html", **_values(server), problem="")


@router.get("/parts/releases", dependencies=[needs(Act.SEE)])
async def part(request: Request, server: TheServer) -> HTMLResponse:
    """How far it is now."""
    return render(request, "releases/progress.html", **_values(server))


@router.post("/releases", dependencies=[needs(Act.ROLL_OUT)])
async def change(request: Request, server: TheServer, person: ThePerson, lang: Language) -> Response:
    """Begin, pause, go on, stop."""
    form = await form_of(request)
    act, rate = one(form, "act", 10), one(form, "rate", 6) or str(_RATE_KBIT_S)
    try:
        if act == "begin" and rate.isdigit():
            await server.campaigns.begin(one(form, "version", 40), int(rate), person.name, one(form, "canary", 64))
        elif act in _ACTS:
            await server.campaigns.set_state(_ACTS[act])
        else:
            raise Invalid("form.unreadable")
    except FleetError as error:
        problem = translate(lang, f"errors.{error.key}", **error.params)
        return render(request, "releases/page.html", error.status, **_values(server), problem=problem)
    return RedirectResponse("/releases", 303)


def _values(server: Server) -> dict[str, Any]:
    current, seen = server.campaigns.current, server.fleet.entries
    rooms = [room for room in current.rooms if room.site in seen] if current else []
    steps = Counter(room.step for room in rooms)
    return {
        "bundles": server.campaigns.shelf.all(), "campaign": current, "rooms": rooms, "entries": seen,
        "steps": [(step, steps[step]) for step in Step if steps[step]], "rate": _RATE_KBIT_S,
    }  # fmt: skip
