"""GET /sessions: the sessions, and a form for a new one."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fleet_server.api.access import needs
from fleet_server.api.context import TheServer
from fleet_server.api.language import Language
from fleet_server.api.v1.sessions import visible_sessions
from fleet_server.domain.access import Act
from fleet_server.errors import FleetError, Invalid
from fleet_server.pages.form import form_of
from fleet_server.pages.render import local_field, local_moment, render
from fleet_server.server import Server
from fleet_server.texts import translate

router = APIRouter()


@router.get("/sessions", dependencies=[needs(Act.SEE)])
async def page(request: Request, server: TheServer) -> HTMLResponse:
    """The whole page."""
    return await _page(request, server, None)


@router.post("/sessions", dependencies=[needs(Act.PLAN)])
async def plan(request: Request, server: TheServer, lang: Language) -> Response:
    """Plan a session; then to its page."""
    form = await form_of(request)

    def one(name: str, most: int) -> str:
        return form.get(name, [""])[0].strip()[:most]

    try:
        try:
            starts_at, ends_at = local_moment(server, one("starts_at", 40)), local_moment(server, one("ends_at", 40))
        except ValueError:
            raise Invalid("form.unreadable") from None
        title = one("title", 200) or translate(lang, "sessions.untitled")
        kind = "urgent" if one("kind", 20) == "urgent" else "periodic"
        session = await server.sessions.plan(
            title, kind, one("chair", 120), starts_at, ends_at, form.get("site", [])[:5_000]
        )
    except FleetError as error:
        return await _page(request, server, translate(lang, f"errors.{error.key}", **error.params), error.status)
    return RedirectResponse(f"/sessions/{session.id}", 303)


async def _page(request: Request, server: Server, problem: str | None, status: int = 200) -> HTMLResponse:
    sites = sorted(server.fleet.entries.values(), key=lambda entry: (entry.site.kind != "hub", entry.site.name))
    return render(
        request, "sessions/page.html", status, sessions=await visible_sessions(server), sites=sites, problem=problem,
        starts=local_field(server, 60), ends=local_field(server, 180),
    )  # fmt: skip
