"""GET and POST /set-up: whoever has a one-time link sets a password. The key stands behind the `#` of the link."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from fleet_server.api.access import open_to_all, origin_of
from fleet_server.api.context import TheServer
from fleet_server.api.language import Language
from fleet_server.errors import FleetError, Invalid
from fleet_server.pages.cookies import onward
from fleet_server.pages.form import form_of, one
from fleet_server.pages.render import render
from fleet_server.texts import error_text

router = APIRouter()

_OPEN = open_to_all("the key of the one-time link is what counts")


@router.get("/set-up", dependencies=[_OPEN])
async def page(request: Request) -> HTMLResponse:
    """A password, twice."""
    return render(request, "set_up/page.html", problem="", key="")


@router.post("/set-up", dependencies=[_OPEN])
async def set_up(request: Request, server: TheServer, lang: Language) -> Response:
    """On to the second factor, or in."""
    form = await form_of(request)
    key, password = one(form, "key", 200), form.get("password", [""])[0][:1_000]
    try:
        if password != form.get("again", [""])[0]:
            raise Invalid("people.passwords_differ")
        found = await server.sign_ins.set_up(key, password, origin_of(request))
    except FleetError as error:
        problem = error_text(lang, error)
        return render(request, "set_up/page.html", error.status, problem=problem, key=key)
    return onward(server, found, "/")
