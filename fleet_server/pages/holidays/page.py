"""GET /holidays: the days on which nobody works, as the province has them; messages and working hours go by them."""

from datetime import date

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import TheServer
from fleet_server.api.language import Language
from fleet_server.domain.access import Act
from fleet_server.errors import FleetError, Invalid
from fleet_server.pages.form import Form, form_of, one
from fleet_server.pages.render import render
from fleet_server.texts import error_text

router = APIRouter()


@router.get("/holidays", dependencies=[needs(Act.SET_ALERTS)])
async def page(request: Request, server: TheServer) -> HTMLResponse:
    """The whole page."""
    return render(request, "holidays/page.html", holidays=server.directory.book.holidays, problem="")


@router.post("/holidays", dependencies=[needs(Act.SET_ALERTS)])
async def change(request: Request, server: TheServer, person: ThePerson, lang: Language) -> Response:
    """Add days, or take one away."""
    form = await form_of(request)
    try:
        if one(form, "act", 10) == "remove":
            await server.directory.remove_holiday(_day(form, "day"))
        else:
            first = _day(form, "first")
            last = _day(form, "last") if one(form, "last", 10) else first
            await server.directory.add_holidays(first, last, one(form, "name", 120), person.name)
    except FleetError as error:
        problem = error_text(lang, error)
        known = server.directory.book.holidays
        return render(request, "holidays/page.html", error.status, holidays=known, problem=problem)
    return RedirectResponse("/holidays", 303)


def _day(form: Form, name: str) -> date:
    try:
        return date.fromisoformat(one(form, name, 10))
    except ValueError as error:
        raise Invalid("form.unreadable") from error
