"""GET /sessions/{id}: the countdown, every site, go or no-go and why, and the decision."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from msgspec.structs import replace

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import Identifier, TheServer
from fleet_server.api.language import Language
from fleet_server.api.v1.sessions import visible_session
from fleet_server.domain.access import Act
from fleet_server.domain.gate import Waiver
from fleet_server.domain.sessions import is_live
from fleet_server.errors import FleetError, Invalid
from fleet_server.pages.form import form_of
from fleet_server.pages.render import render
from fleet_server.server import Server
from fleet_server.texts import translate

router = APIRouter()


@router.get("/sessions/{id}", dependencies=[needs(Act.SEE)])
async def page(id: Identifier, request: Request, server: TheServer) -> HTMLResponse:
    """The whole page."""
    return render(request, "session/page.html", **await _values(server, id), problem=None)


@router.get("/parts/sessions/{id}/gate", dependencies=[needs(Act.SEE)])
async def part(id: Identifier, request: Request, server: TheServer) -> HTMLResponse:
    """The gate as it is now."""
    return render(request, "session/gate.html", **await _values(server, id))


@router.post("/sessions/{id}", dependencies=[needs(Act.DECIDE)])
async def decide(id: Identifier, request: Request, server: TheServer, person: ThePerson, lang: Language) -> Response:
    """Decide by name; a waiver for each ticked check, with the same reason."""
    form = await form_of(request)
    by, reason = person.name, form.get("reason", [""])[0].strip()[:500]
    decision = "go" if form.get("decision") == ["go"] else "no_go"
    session = await server.sessions.find(id)
    try:
        granted = [_waiver(ticked, reason, by, session.ends_at) for ticked in form.get("waive", [])[:1_000]]
        await server.sessions.decide(session, decision, by, reason, granted)
    except FleetError as error:
        problem = translate(lang, f"errors.{error.key}", **error.params)
        return render(request, "session/page.html", error.status, **await _values(server, id), problem=problem)
    return RedirectResponse(f"/sessions/{id}", 303)


def _waiver(ticked: str, reason: str, by: str, until: Any) -> Waiver:
    site, _, check = ticked.partition(" ")
    if not reason or not check:
        raise Invalid("form.unreadable")
    return Waiver(site, check, reason, by, until)


async def _values(server: Server, session_id: str) -> dict[str, Any]:
    session = await visible_session(server, session_id)
    gate, decision, waivers = await server.sessions.gate(session)
    gate = replace(gate, sites=tuple(entry for entry in gate.sites if entry.site in server.fleet.entries))
    waivers = [waiver for waiver in waivers if waiver.site in server.fleet.entries]
    return {
        "session": session, "gate": gate, "decision": decision, "waivers": waivers,
        "blocked": [entry for entry in gate.sites if not entry.admitted],
        "entries": server.fleet.entries, "live": is_live(session, server.clock.now()),
    }  # fmt: skip
