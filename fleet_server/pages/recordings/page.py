"""GET /sessions/{id}/recordings: what each room recorded, and whether it is still there, unchanged."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fleet_server.api.access import ThePerson, needs, origin_of
from fleet_server.api.context import Identifier, TheServer
from fleet_server.api.language import Language
from fleet_server.api.v1.recordings import visible_recordings
from fleet_server.api.v1.sessions import seen, visible_session
from fleet_server.domain.access import Act
from fleet_server.domain.recordings import is_recorded
from fleet_server.errors import FleetError
from fleet_server.pages.form import form_of
from fleet_server.pages.render import render
from fleet_server.server import Server
from fleet_server.texts import error_text

router = APIRouter()


@router.get("/sessions/{id}/recordings", dependencies=[needs(Act.RECORD)])
async def page(id: Identifier, request: Request, server: TheServer) -> HTMLResponse:
    """The whole page."""
    return render(request, "recordings/page.html", **await _values(server, id), problem="")


@router.get("/parts/sessions/{id}/recordings", dependencies=[needs(Act.RECORD)])
async def part(id: Identifier, request: Request, server: TheServer) -> HTMLResponse:
    """The rooms as they answered until now."""
    return render(request, "recordings/rooms.html", **await _values(server, id))


@router.post("/sessions/{id}/recordings", dependencies=[needs(Act.CHECK)])
async def verify(id: Identifier, request: Request, server: TheServer, person: ThePerson, lang: Language) -> Response:
    """Ask every room that is there."""
    await form_of(request)
    try:
        session = await visible_session(server, id)
        await server.recordings.verify(session, person.name, person.user, origin_of(request))
    except FleetError as error:
        problem = error_text(lang, error)
        return render(request, "recordings/page.html", error.status, **await _values(server, id), problem=problem)
    return RedirectResponse(f"/sessions/{id}/recordings", 303)


async def _values(server: Server, id: str) -> dict[str, Any]:
    session = seen(server, await visible_session(server, id))
    rooms = await visible_recordings(server, id)
    told = {room.site for room in rooms}
    return {
        "session": session, "rooms": rooms, "names": {site: e.site.name for site, e in server.fleet.entries.items()},
        "silent": [site for site in session.sites if site not in told],
        "over": session.ends_at <= server.clock.now(), "recorded": is_recorded(session),
        "sealed": any(room.state == "sealed" for room in rooms),
    }  # fmt: skip
