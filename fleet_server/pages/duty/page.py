"""GET and POST /sites/{site}/duty: what is wrong in my room, and "I am on duty"."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fleet_server.api.access import needs
from fleet_server.api.context import Site, TheServer
from fleet_server.api.language import Language
from fleet_server.domain.access import Act
from fleet_server.domain.findings import Outcome
from fleet_server.domain.readiness import Verdict
from fleet_server.errors import FleetError, NotFound
from fleet_server.pages.form import form_of
from fleet_server.pages.render import render
from fleet_server.server import Server
from fleet_server.texts import error_text
from fleet_server.views import worst_first

router = APIRouter()

_MOST_STEPS = 3


@router.get("/sites/{site}/duty", dependencies=[needs(Act.SEE)])
async def page(site: Site, request: Request, server: TheServer) -> HTMLResponse:
    """The whole page."""
    return render(request, "duty/page.html", **_values(server, site), problem="")


@router.get("/parts/duty/{site}", dependencies=[needs(Act.SEE)])
async def part(site: Site, request: Request, server: TheServer) -> HTMLResponse:
    """The room as it is now."""
    return render(request, "duty/room.html", **_values(server, site))


@router.post("/sites/{site}/duty", dependencies=[needs(Act.CONFIRM_DUTY)])
async def confirm(site: Site, request: Request, server: TheServer, lang: Language) -> Response:
    """Somebody is in the room and looks after it."""
    form = await form_of(request)
    name, phone = (form.get(field, [""])[0][:most] for field, most in (("name", 120), ("phone", 40)))
    try:
        await server.confirmations.confirm_duty(site, name, phone)
    except FleetError as error:
        problem = error_text(lang, error)
        return render(request, "duty/page.html", error.status, **_values(server, site), problem=problem)
    return RedirectResponse(f"/sites/{site}/duty", 303)


def _values(server: Server, site: str) -> dict[str, Any]:
    entry = server.fleet.entries.get(site)
    if entry is None:
        raise NotFound("sites.not_found", site=site)
    blind = entry.verdict is Verdict.OFFLINE or not entry.is_set_up
    troubles = [check for check in worst_first(entry.judgement.checks) if check.outcome is not Outcome.PASS]
    return {
        "entry": entry, "duty": server.confirmations.duty_of(site), "sessions": server.sessions.of_site(site)[:1],
        "troubles": [] if blind else troubles[:_MOST_STEPS],
    }  # fmt: skip
