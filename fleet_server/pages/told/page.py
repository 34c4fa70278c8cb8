"""GET /told: what a link in a message leads to. Its code stands behind the `#`, so that a messenger that opens links to
show a preview sees an empty form and changes nothing; a person's press does, once."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from fleet_server.alerts.wording import title_of
from fleet_server.api.access import comes_from_our_page, open_to_all, origin_of
from fleet_server.api.context import TheServer
from fleet_server.api.language import Language
from fleet_server.errors import FleetError, Forbidden
from fleet_server.pages.form import form_of, one
from fleet_server.pages.render import render
from fleet_server.texts import error_text, translate

router = APIRouter()

_OPEN = open_to_all("the code that a message was sent with is what counts, for one incident and once")


@router.get("/told", dependencies=[_OPEN])
async def page(request: Request) -> HTMLResponse:
    """A form for the code; the browser puts it in."""
    return render(request, "told/page.html", problem="", row=None, name="", code="", done=False)


@router.post("/told", dependencies=[_OPEN])
async def open_link(request: Request, server: TheServer, lang: Language) -> Response:
    """Look at the incident, or say that one sees to it."""
    if not comes_from_our_page(request):
        raise Forbidden("people.foreign_page")
    form = await form_of(request)
    code, acts = one(form, "code", 100), one(form, "act", 20) == "acknowledge"
    try:
        if acts:
            row, name = await server.links.acknowledge(code)
            await server.audit.record(name, "handle", "done", origin=origin_of(request), site=row.site)
        else:
            row, name = await server.links.look(code)
    except FleetError as error:
        problem = error_text(lang, error)
        return render(
            request, "told/page.html", error.status, problem=problem, row=None, name="", code="", done=False
        )  # fmt: skip
    entry = server.fleet.entries.get(row.site) if row.site is not None else None
    place = entry.site.name if entry is not None else translate(lang, "incidents.fleet")
    return render(
        request, "told/page.html", problem="", row=row, name=name, code=code, done=acts, place=place,
        title=title_of(row, lang),
    )  # fmt: skip
