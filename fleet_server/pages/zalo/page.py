"""GET /zalo: the Official Account: consent, how old its tokens are, and what Zalo says of it when asked."""

import hmac
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fleet_server.api.access import needs, told
from fleet_server.api.context import TheServer
from fleet_server.api.language import Language
from fleet_server.domain.access import Act
from fleet_server.errors import Conflict, FleetError
from fleet_server.pages.cookies import away, state_of
from fleet_server.pages.render import render
from fleet_server.server import Server
from fleet_server.signing.one_time import new_code
from fleet_server.texts import error_text
from fleet_server.zalo.consent import AccountView

router = APIRouter()


@router.get("/zalo", dependencies=[needs(Act.SET_ALERTS)])
async def page(request: Request, server: TheServer) -> HTMLResponse:
    """What we know without asking."""
    return render(request, "zalo/page.html", **await _values(server), problem="")


@router.post("/zalo", dependencies=[needs(Act.SET_ALERTS)])
async def look(request: Request, server: TheServer, lang: Language) -> HTMLResponse:
    """The same, and what Zalo says now."""
    try:
        view = await server.consent.look()
    except FleetError as error:
        problem = error_text(lang, error)
        return render(request, "zalo/page.html", error.status, **await _values(server), problem=problem)
    return render(request, "zalo/page.html", **await _values(server, view), problem="")


@router.get("/zalo/consent/begin", dependencies=[needs(Act.SET_ALERTS)])
async def begin(server: TheServer) -> Response:
    """Off to Zalo, where an administrator of the account gives consent."""
    state = new_code()
    return away(server, server.consent.address(state), state)


@router.get("/zalo/consent", dependencies=[needs(Act.SET_ALERTS)])
async def back(
    request: Request, server: TheServer, lang: Language, state: Annotated[str, Query(max_length=100)] = "",
    code: Annotated[str, Query(max_length=2_000)] = "",
) -> Response:  # fmt: skip
    """Back from there with a code, in the browser that went."""
    sent = state_of(request, server)
    try:
        if not sent or not hmac.compare_digest(sent.encode(), state.encode()):
            raise Conflict("alerts.zalo_no_consent", code="state", name="")
        await server.consent.take(code)
    except FleetError as error:
        problem = error_text(lang, error)
        return render(request, "zalo/page.html", error.status, **await _values(server), problem=problem)
    server.outbox.look_again()
    told(request, zalo="consent")
    return RedirectResponse("/zalo", 303)


async def _values(server: Server, view: AccountView | None = None) -> dict[str, Any]:
    return {
        "consent": server.consent, "tokens": await server.consent.tokens(), "view": view,
        "states": {name: why for name, why in server.outbox.channel_states().items() if name.startswith("zalo")},
    }  # fmt: skip
