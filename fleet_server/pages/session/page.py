"""GET /sessions/{id}: the countdown, every site, go or no-go and why, and the decision."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from msgspec.structs import replace

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import Identifier, TheServer
from fleet_server.api.language import Language
from fleet_server.api.v1.sessions import seen, visible_session
from fleet_server.domain.access import Act
from fleet_server.domain.gate import Waiver, steps_of
from fleet_server.domain.sessions import Session, is_live, is_near
from fleet_server.domain.vitals import vitals_of
from fleet_server.errors import FleetError, Invalid
from fleet_server.pages.form import form_of, one
from fleet_server.pages.render import render
from fleet_server.server import Server
from fleet_server.texts import error_text

router = APIRouter()

_MOST_STEPS = 7


@router.get("/sessions/{id}", dependencies=[needs(Act.SEE)])
async def page(id: Identifier, request: Request, server: TheServer) -> HTMLResponse:
    """The whole page."""
    return await _page(request, server, id)


@router.get("/parts/sessions/{id}/head", dependencies=[needs(Act.SEE)])
async def head(id: Identifier, request: Request, server: TheServer) -> HTMLResponse:
    """Title, times, and whether it was cancelled."""
    session = await visible_session(server, id)
    return render(
        request, "session/head.html", session=seen(server, session), live=is_live(session, server.clock.now())
    )


@router.get("/parts/sessions/{id}/gate", dependencies=[needs(Act.SEE)])
async def part(id: Identifier, request: Request, server: TheServer) -> HTMLResponse:
    """The gate as it is now."""
    return render(request, "session/gate.html", **await _values(server, id), waive=())


@router.post("/sessions/{id}", dependencies=[needs(Act.DECIDE)])
async def decide(id: Identifier, request: Request, server: TheServer, person: ThePerson, lang: Language) -> Response:
    """Decide by name; a waiver for each ticked check, with the same reason."""
    form = await form_of(request)
    by, reason = person.name, one(form, "reason", 500)
    decision = "go" if form.get("decision") == ["go"] else "no_go"
    session, waive = await server.sessions.find(id), form.get("waive", [])[:1_000]
    try:
        granted = [_waiver(ticked, reason, by, session.ends_at) for ticked in waive]
        await server.gates.decide(session, decision, by, reason, granted)
    except FleetError as error:
        return await _page(request, server, id, error_text(lang, error), error.status, waive)
    return RedirectResponse(f"/sessions/{id}", 303)


@router.post("/sessions/{id}/checks", dependencies=[needs(Act.CHECK)])
async def check_now(id: Identifier, request: Request, server: TheServer, lang: Language) -> Response:
    """Devices act, then the rooms are judged; the line of stages shows it."""
    await form_of(request)
    try:
        await server.stages.check_now(id)
    except FleetError as error:
        return await _page(request, server, id, error_text(lang, error), error.status)
    return RedirectResponse(f"/sessions/{id}", 303)


async def _page(
    request: Request, server: Server, id: str, problem: str | None = None, status: int = 200, waive: Sequence[str] = ()
) -> HTMLResponse:
    """The whole page; after an error with what was ticked."""
    return render(request, "session/page.html", status, **await _values(server, id), problem=problem, waive=waive)


def _at_hand(server: Server, session: Session) -> dict[str, Any]:
    """While a session is near: what is shown of each room, and who is to be called there."""
    now, entries = server.clock.now(), server.fleet.entries
    if not is_near(session, now):
        return {"vitals": {}, "duties": {}}
    there = [entries[site] for site in session.sites if site in entries]
    return {
        "vitals": {
            entry.site.id: vitals_of(entry.room, {fit.about.id: fit.about.role for fit in entry.fits}, now.timestamp())
            for entry in there
        },
        "duties": {entry.site.id: server.confirmations.duty_of(entry.site.id) for entry in there},
    }  # fmt: skip


def _waiver(ticked: str, reason: str, by: str, until: Any) -> Waiver:
    site, _, check = ticked.partition(" ")
    if not check:
        raise Invalid("form.unreadable")
    if not reason:
        raise Invalid("sessions.no_reason")
    return Waiver(site, check, reason, by, until)


async def _values(server: Server, session_id: str) -> dict[str, Any]:
    session = await visible_session(server, session_id)
    entries = server.fleet.entries
    gate, decision, waivers = await server.gates.gate(session)
    gate = replace(gate, sites=tuple(entry for entry in gate.sites if entry.site in entries))
    setbacks = [row for row in await server.watch.of_session(session.id) if row.site in entries]
    return {
        "session": seen(server, session), "gate": gate, "decision": decision,
        "waivers": [waiver for waiver in waivers if waiver.site in entries],
        "blocked": [entry for entry in gate.sites if not entry.admitted],
        "entries": entries, "live": is_live(session, server.clock.now()),
        "steps": steps_of(gate, server.recorder.mend_min)[:_MOST_STEPS],
        "stages": await server.stages.line(session), "setbacks": setbacks,
        "spares": [site for site in server.gates.ready_spares(session) if site in entries],
        "compared": await server.rehearsals.compared(session),
        "rehearsals": await server.sessions.rehearsals_of(session.id), **_at_hand(server, session),
        "oldest_at": min((entry.report_at for entry in gate.sites if entry.report_at is not None), default=None),
    }  # fmt: skip
