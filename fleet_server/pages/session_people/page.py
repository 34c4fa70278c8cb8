"""GET /sessions/{id}/people: who is on duty where, what they have seen to, and a link for each of them."""

from typing import Any

import segno
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import Identifier, Site, TheServer
from fleet_server.api.language import Language
from fleet_server.api.v1.sessions import seen, visible_session
from fleet_server.domain.access import Act
from fleet_server.domain.checks.room_prepared import ITEMS
from fleet_server.errors import FleetError
from fleet_server.pages.form import form_of, one
from fleet_server.pages.render import render
from fleet_server.server import Server
from fleet_server.sessions.confirmations import room_link
from fleet_server.texts import error_text

router = APIRouter()


@router.get("/sessions/{id}/people", dependencies=[needs(Act.INVITE)])
async def page(id: Identifier, request: Request, server: TheServer) -> HTMLResponse:
    """The whole page."""
    return render(request, "session_people/page.html", **await _values(server, id), problem="", made=None)


@router.get("/parts/sessions/{id}/people", dependencies=[needs(Act.INVITE)])
async def part(id: Identifier, request: Request, server: TheServer) -> HTMLResponse:
    """The rooms as they are now."""
    return render(request, "session_people/rooms.html", **await _values(server, id))


@router.post("/sessions/{id}/people/{site}", dependencies=[needs(Act.INVITE)])
async def invite(
    id: Identifier, site: Site, request: Request, server: TheServer, person: ThePerson, lang: Language
) -> Response:
    """A link for somebody; it is shown once, to be sent by whatever messenger the person reads."""
    form = await form_of(request)
    name, phone = one(form, "name", 120), one(form, "phone", 40)
    try:
        await visible_session(server, id)
        session = await server.sessions.open_one(id)
        code = await server.confirmations.invite(session, site, name, phone, person.name)
    except FleetError as error:
        problem = error_text(lang, error)
        values = await _values(server, id)
        return render(request, "session_people/page.html", error.status, **values, problem=problem, made=None)
    link = room_link(server.settings.own_url, code)
    made = {"link": link, "name": name, "picture": segno.make(link, error="m").svg_data_uri(scale=5)}
    return render(request, "session_people/page.html", **await _values(server, id), problem="", made=made)


async def _values(server: Server, id: str) -> dict[str, Any]:
    session = seen(server, await visible_session(server, id))
    invited = await server.confirmations.invited(id)
    rooms = [server.fleet.entries[site] for site in (*session.sites, *session.spares)]
    return {
        "session": session, "rooms": sorted(rooms, key=lambda entry: entry.site.name), "items": ITEMS,
        "links": {entry.site.id: [row for row in invited if row.site == entry.site.id] for entry in rooms},
        "ticked": {entry.site.id: server.confirmations.ticked(id, entry.site.id) for entry in rooms},
        "duties": {entry.site.id: server.confirmations.duty_of(entry.site.id) for entry in rooms},
    }  # fmt: skip
