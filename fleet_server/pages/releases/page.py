"""GET /releases: which releases there are, and how far the one is that goes through the fleet."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.campaigns import ACTS
from fleet_server.api.context import TheServer
from fleet_server.api.language import Language
from fleet_server.domain.access import Act
from fleet_server.errors import FleetError, Invalid
from fleet_server.pages.campaigns import values_of
from fleet_server.pages.form import form_of, one
from fleet_server.pages.render import render
from fleet_server.server import Server
from fleet_server.texts import Lang, error_text

router = APIRouter()

_RATE_KBIT_S = 2_000
_NAMED = 12
"""So many rooms of a release are named; where it is more, their number says enough."""


@router.get("/releases", dependencies=[needs(Act.SEE)])
async def page(request: Request, server: TheServer, lang: Language) -> HTMLResponse:
    """The whole page."""
    return render(request, "releases/page.html", **await _values(server, lang), problem="")


@router.get("/parts/releases", dependencies=[needs(Act.SEE)])
async def part(request: Request, server: TheServer, lang: Language) -> HTMLResponse:
    """How far it is now."""
    return render(request, "releases/progress.html", **await _values(server, lang))


@router.post("/releases", dependencies=[needs(Act.ROLL_OUT)])
async def change(request: Request, server: TheServer, person: ThePerson, lang: Language) -> Response:
    """Begin, pause, go on, stop."""
    form = await form_of(request)
    act, rate = one(form, "act", 10), one(form, "rate", 6) or str(_RATE_KBIT_S)
    try:
        if act == "begin" and rate.isdigit():
            await server.releases.begin(one(form, "version", 40), int(rate), person.name, one(form, "canary", 64))
        elif act in ACTS:
            await server.releases.set_state(ACTS[act])
        else:
            raise Invalid("form.unreadable")
    except FleetError as error:
        problem = error_text(lang, error)
        return render(request, "releases/page.html", error.status, **await _values(server, lang), problem=problem)
    return RedirectResponse("/releases", 303)


async def _values(server: Server, lang: Lang) -> dict[str, Any]:
    values = values_of(server.releases, server.fleet.entries, "releases", lang)
    running = await server.releases.running(server.fleet.entries)
    return values | {"bundles": server.releases.shelf.all(), "rate": _RATE_KBIT_S, "running": running, "most": _NAMED}
