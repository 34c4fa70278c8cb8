"""GET /sessions/{id}/plan: change a session, or make another out of it; POST: do it, or cancel it."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fleet_server.api.access import ThePerson, needs, told
from fleet_server.api.context import Identifier, TheServer
from fleet_server.api.language import Language
from fleet_server.domain.access import Act
from fleet_server.domain.sessions import Clash, Session, revision
from fleet_server.errors import FleetError, Outdated
from fleet_server.pages.form import form_of, one
from fleet_server.pages.render import local_field, render
from fleet_server.pages.sessions.page import sites_of
from fleet_server.pages.sessions.wish import fields_in, fields_of, wish_in
from fleet_server.server import Server
from fleet_server.texts import Lang, error_text, translate
from wire.ids import uuid7

router = APIRouter()

Make = Annotated[Literal["change", "copy", "rehearsal"], Query(alias="as")]


@router.get("/sessions/{id}/plan", dependencies=[needs(Act.PLAN)])
async def page(id: Identifier, request: Request, server: TheServer, make: Make = "change") -> HTMLResponse:
    """The form, filled in with what is planned."""
    return _page(request, server, await server.sessions.find(id), make)


@router.post("/sessions/{id}/plan", dependencies=[needs(Act.PLAN)])
async def plan(
    id: Identifier, request: Request, server: TheServer, person: ThePerson, lang: Language, make: Make = "change"
) -> Response:
    """Change it, or plan the copy; what clashes is shown first."""
    form = await form_of(request)
    session, fields = await server.sessions.find(id), fields_in(form)
    try:
        wish = wish_in(server, fields, translate(lang, "sessions.untitled"))
        drafted = server.sessions.drafted(wish, person.name, id if make == "change" else fields["id"] or None)
        found = server.sessions.clashes(drafted)
        if found and one(form, "all_the_same", 1) != "1":
            return _page(request, server, session, make, fields=fields, clashes=found)
        made = (
            await server.sessions.change(id, wish, person.name, seen=fields["seen"] or None) if make == "change"
            else await server.sessions.plan(wish, person.name, id=fields["id"] or None)
        )  # fmt: skip
    except Outdated as error:  # who saves again has been told
        session = await server.sessions.find(id)
        fields["seen"] = revision(session)
        return _page(request, server, session, make, _says(lang, error), error.status, fields)
    except FleetError as error:
        return _page(request, server, session, make, _says(lang, error), error.status, fields)
    server.stages.planned()
    return RedirectResponse(f"/sessions/{made.id}", 303)


@router.post("/sessions/{id}/cancel", dependencies=[needs(Act.PLAN)])
async def cancel(id: Identifier, request: Request, server: TheServer, lang: Language) -> Response:
    """It does not take place, and stays in the record."""
    reason = one(await form_of(request), "reason", 500)
    told(request, reason=reason)
    session = await server.sessions.find(id)
    try:
        server.news.cancelled(await server.sessions.cancel(id, reason))
    except FleetError as error:
        return _page(request, server, session, "change", _says(lang, error), error.status)
    server.stages.planned()
    return RedirectResponse(f"/sessions/{id}", 303)


def _page(
    request: Request, server: Server, session: Session, make: str, problem: str | None = None, status: int = 200,
    fields: dict[str, Any] | None = None, clashes: list[Clash] = [],  # noqa: B006
) -> HTMLResponse:  # fmt: skip
    return render(
        request, "session_plan/page.html", status, session=session, make=make, problem=problem, clashes=clashes,
        fields=fields or _fields(server, session, make), sites=sites_of(server),
    )  # fmt: skip


def _fields(server: Server, session: Session, make: str) -> dict[str, Any]:
    """A copy and a rehearsal are at another time; a rehearsal is of this very session."""
    found = fields_of(server, session)
    if make == "change":
        return found
    new = {"id": uuid7(), "seen": ""}
    times = {"starts_at": local_field(server, 60), "ends_at": local_field(server, 60 + session.planned_s / 60)}
    own = {"is_rehearsal": "1", "rehearses": session.id} if make == "rehearsal" else {"rehearses": ""}
    return found | new | times | own


def _says(lang: Lang, error: FleetError) -> str:
    return error_text(lang, error)
