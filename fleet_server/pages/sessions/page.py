"""GET /sessions: the sessions, series, and a form for a new one that shows first what it clashes with."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import Identifier, TheServer
from fleet_server.api.language import Language
from fleet_server.api.v1.sessions import SHOWN, coming_sessions, former_sessions
from fleet_server.domain.access import Act
from fleet_server.domain.sessions import Clash
from fleet_server.errors import FleetError
from fleet_server.pages.form import form_of, one
from fleet_server.pages.render import render
from fleet_server.pages.sessions.series_form import new_series, series_fields_in, series_in
from fleet_server.pages.sessions.wish import fields_in, new_fields, wish_in
from fleet_server.server import Server
from fleet_server.texts import Lang, error_text, translate
from wire.ids import UUID

router = APIRouter()


@router.get("/sessions", dependencies=[needs(Act.SEE)])
async def page(
    request: Request, server: TheServer, before: Annotated[str | None, Query(pattern=UUID)] = None
) -> HTMLResponse:
    """The whole page; with `before` it shows older ones among those that are over."""
    return await _page(request, server, before=before)


@router.post("/sessions", dependencies=[needs(Act.PLAN)])
async def plan(request: Request, server: TheServer, person: ThePerson, lang: Language) -> Response:
    """Plan a session; then to its page. Where it clashes, that is shown, and it is planned by a second press."""
    form = await form_of(request)
    fields = fields_in(form)
    try:
        wish = wish_in(server, fields, translate(lang, "sessions.untitled"))
        found = server.sessions.clashes(server.sessions.drafted(wish, person.name, fields["id"] or None))
        if found and one(form, "all_the_same", 1) != "1":
            return await _page(request, server, fields=fields, clashes=found)
        session = await server.sessions.plan(wish, person.name, id=fields["id"] or None)
    except FleetError as error:
        return await _page(request, server, _says(lang, error), error.status, fields)
    server.stages.planned()
    return RedirectResponse(f"/sessions/{session.id}", 303)


@router.post("/series", dependencies=[needs(Act.PLAN)])
async def begin_series(request: Request, server: TheServer, person: ThePerson, lang: Language) -> Response:
    """Begin a series; its sessions are then in the list."""
    fields = series_fields_in(await form_of(request))
    try:
        await server.series.begin(series_in(server, fields, translate(lang, "sessions.untitled"), person.name))
    except FleetError as error:
        return await _page(request, server, _says(lang, error), error.status, series_fields=fields)
    server.stages.planned()
    return RedirectResponse("/sessions", 303)


@router.post("/series/{id}/end", dependencies=[needs(Act.PLAN)])
async def end_series(id: Identifier, request: Request, server: TheServer, lang: Language) -> Response:
    """No further session of it is planned."""
    await form_of(request)
    try:
        await server.series.end(id)
    except FleetError as error:
        return await _page(request, server, _says(lang, error), error.status)
    return RedirectResponse("/sessions", 303)


async def _page(
    request: Request, server: Server, problem: str | None = None, status: int = 200,
    fields: dict[str, Any] | None = None, clashes: list[Clash] = [],  # noqa: B006
    before: str | None = None, series_fields: dict[str, Any] | None = None,
) -> HTMLResponse:  # fmt: skip
    series = [row for row in await server.series.going_on() if not server.fleet.entries.keys().isdisjoint(row.sites)]
    gone = {row.id: sorted(set(row.sites) - set(server.sessions.there(row.sites))) for row in series}
    return render(
        request, "sessions/page.html", status, gone=gone, coming=coming_sessions(server), before=before, shown=SHOWN,
        former=await former_sessions(server, before), sites=sites_of(server),
        problem=problem, fields=fields or new_fields(server), clashes=clashes, series=series,
        series_fields=series_fields or new_series(server), is_series_wrong=series_fields is not None,
    )  # fmt: skip


def sites_of(server: Server) -> list[Any]:
    """All sites for a list to choose from, the hub first."""
    return sorted(server.fleet.entries.values(), key=lambda entry: (entry.site.kind != "hub", entry.site.name))


def _says(lang: Lang, error: FleetError) -> str:
    return error_text(lang, error)
