"""GET /sessions/{id}/minutes: the minutes of a session, and a new one; GET /minutes/{id}: what its QR code leads to."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import Identifier, TheServer
from fleet_server.api.language import Language
from fleet_server.api.v1.minutes import visible_minute
from fleet_server.api.v1.sessions import visible_session
from fleet_server.domain.access import Act
from fleet_server.errors import FleetError
from fleet_server.pages.form import form_of
from fleet_server.pages.render import render
from fleet_server.server import Server
from fleet_server.texts import error_text

router = APIRouter()


@router.get("/sessions/{id}/minutes", dependencies=[needs(Act.RECORD)])
async def page(id: Identifier, request: Request, server: TheServer) -> HTMLResponse:
    """The whole page."""
    return render(request, "minute/page.html", **await _values(server, id), problem="", found=None)


@router.post("/sessions/{id}/minutes", dependencies=[needs(Act.DECIDE)])
async def make(id: Identifier, request: Request, server: TheServer, person: ThePerson, lang: Language) -> Response:
    """A new one."""
    await form_of(request)
    session = await server.sessions.find(id)
    try:
        await server.minutes.make(session, person.name)
    except FleetError as error:
        problem = error_text(lang, error)
        values = await _values(server, id)
        return render(request, "minute/page.html", error.status, **values, problem=problem, found=None)
    return RedirectResponse(f"/sessions/{id}/minutes", 303)


@router.get("/minutes/{id}", dependencies=[needs(Act.RECORD)])
async def one(id: Identifier, request: Request, server: TheServer) -> HTMLResponse:
    """The minute that a QR code names, to be compared with the paper."""
    row, _ = await visible_minute(server, id)
    return render(request, "minute/page.html", **await _values(server, row.session), problem="", found=row)


async def _values(server: Server, id: str) -> dict[str, Any]:
    session = await visible_session(server, id)
    over = session.cancelled_at is not None or session.ends_at <= server.clock.now()
    return {"session": session, "minutes": await server.minutes.of_session(id), "over": over}
