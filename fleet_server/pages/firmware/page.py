"""GET /firmware: which firmware there is for rooms' cameras, and how far a campaign is."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.campaigns import ACTS
from fleet_server.api.context import TheServer
from fleet_server.api.language import Language
from fleet_server.domain.access import Act
from fleet_server.errors import FleetError, Invalid
from fleet_server.pages.campaigns import values_of
from fleet_server.pages.form import Form, form_of, one
from fleet_server.pages.render import render
from fleet_server.server import Server
from fleet_server.texts import Lang, error_text

router = APIRouter()

_RATE_KBIT_S = 1_000
_HOURS = "20:00-05:00"
"""At night nobody sits in these rooms."""


@router.get("/firmware", dependencies=[needs(Act.SEE)])
async def page(request: Request, server: TheServer, lang: Language) -> HTMLResponse:
    """The whole page."""
    return render(request, "firmware/page.html", **_values(server, lang), problem="")


@router.get("/parts/firmware", dependencies=[needs(Act.SEE)])
async def part(request: Request, server: TheServer, lang: Language) -> HTMLResponse:
    """How far it is now."""
    values = values_of(server.firmware, server.fleet.entries, "firmware", lang)
    return render(request, "firmware/progress.html", **values)


@router.post("/firmware", dependencies=[needs(Act.ROLL_OUT)])
async def change(request: Request, server: TheServer, person: ThePerson, lang: Language) -> Response:
    """Begin, pause, go on, stop."""
    form = await form_of(request)
    act = one(form, "act", 10)
    try:
        if act == "begin":
            await _begin(server, form, person.name)
        elif act in ACTS:
            await server.firmware.set_state(ACTS[act])
        else:
            raise Invalid("form.unreadable")
    except FleetError as error:
        problem = error_text(lang, error)
        return render(request, "firmware/page.html", error.status, **_values(server, lang), problem=problem)
    return RedirectResponse("/firmware", 303)


async def _begin(server: Server, form: Form, by: str) -> None:
    rate, hours = one(form, "rate", 6) or str(_RATE_KBIT_S), one(form, "hours", 20).strip()
    if not rate.isdigit():
        raise Invalid("form.unreadable")
    await server.firmware.begin(one(form, "image", 64), int(rate), by, one(form, "canary", 64), hours)


def _values(server: Server, lang: Lang) -> dict[str, Any]:
    seen = server.fleet.entries
    images = [
        (image, [unit for unit in server.firmware.targets(image) if unit[0] in seen])
        for image in server.firmware.images.all()
    ]
    values = values_of(server.firmware, seen, "firmware", lang)
    return values | {"images": images, "rate": _RATE_KBIT_S, "hours": _HOURS}
