"""GET /stop: what a letter's last line leads to. Its code stands behind the `#`, where no preview sees it."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from fleet_server.api.access import comes_from_our_page, open_to_all, origin_of
from fleet_server.api.context import TheServer
from fleet_server.api.language import Language
from fleet_server.errors import FleetError, Forbidden
from fleet_server.pages.form import form_of, one
from fleet_server.pages.render import render
from fleet_server.texts import error_text

router = APIRouter()

_OPEN = open_to_all("the code that a letter was sent with is what counts, and all it does is end such letters")
_MOST_CODE = 300


@router.get("/stop", dependencies=[_OPEN])
async def page(request: Request) -> HTMLResponse:
    """A form for the code; the browser puts it in."""
    return render(request, "stop/page.html", problem="", who=None, contact=None, code="", done=False)


@router.post("/stop", dependencies=[_OPEN])
async def stop(request: Request, server: TheServer, lang: Language) -> Response:
    """Show whose messages would end, or end them."""
    if not comes_from_our_page(request):
        raise Forbidden("people.foreign_page")
    form = await form_of(request)
    code, acts = one(form, "code", _MOST_CODE), one(form, "act", 20) == "stop"
    try:
        who, contact = await server.links.stop(code) if acts else server.links.stopping(code)
    except FleetError as error:
        problem = error_text(lang, error)
        return render(
            request, "stop/page.html", error.status, problem=problem, who=None, contact=None, code="", done=False
        )  # fmt: skip
    if acts:
        await server.audit.record(who.name, "withdraw", "done", origin=origin_of(request))
    return render(request, "stop/page.html", problem="", who=who, contact=contact, code=code, done=acts)
