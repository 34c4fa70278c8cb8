"""GET /account: who I am here, my API tokens, another password, signing out."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import TheServer
from fleet_server.api.language import Language
from fleet_server.domain.access import Act, Person
from fleet_server.errors import FleetError, Invalid
from fleet_server.pages.cookies import whole_of
from fleet_server.pages.form import form_of, one
from fleet_server.pages.render import render
from fleet_server.server import Server
from fleet_server.texts import error_text, translate

router = APIRouter()

_MOST_DAYS = 365


@router.get("/account", dependencies=[needs(Act.OWN)])
async def page(request: Request, server: TheServer, person: ThePerson) -> HTMLResponse:
    """The whole page."""
    return _page(request, server, person)


@router.post("/account/tokens", dependencies=[needs(Act.OWN)])
async def new_token(request: Request, server: TheServer, person: ThePerson, lang: Language) -> Response:
    """A token, shown once."""
    form = await form_of(request)
    try:
        days = min(max(int(one(form, "days", 4) or "0"), 1), _MOST_DAYS)
        _, key = await server.people.new_token(person, one(form, "label", 120), days, "acts" not in form)
    except ValueError:
        raise Invalid("form.unreadable") from None
    except FleetError as error:
        return _page(request, server, person, error_text(lang, error), error.status)
    return _page(request, server, person, new=key)


@router.post("/account/tokens/{id}/end", dependencies=[needs(Act.OWN)])
async def end_token(id: str, server: TheServer, person: ThePerson) -> Response:
    """It is worth nothing any more."""
    await server.people.drop_token(person, id[:36])
    return RedirectResponse("/account", 303)


@router.post("/account/password", dependencies=[needs(Act.OWN)])
async def change_password(request: Request, server: TheServer, person: ThePerson, lang: Language) -> Response:
    """Another password; every other browser is signed out."""
    form = await form_of(request)
    old, new, again = (form.get(name, [""])[0][:1_000] for name in ("old", "password", "again"))
    try:
        if new != again:
            raise Invalid("people.passwords_differ")
        await server.sign_ins.change_password(person, old, new, whole_of(request, server))
    except FleetError as error:
        status = 422 if error.status == 401 else error.status
        return _page(request, server, person, error_text(lang, error), status)
    return _page(request, server, person, done=translate(lang, "account.changed"))


def _page(
    request: Request, server: Server, person: Person, problem: str = "", status: int = 200, **more: Any
) -> HTMLResponse:
    return render(
        request, "account/page.html", status, user=server.known.users[person.user], problem=problem,
        tokens=server.people.tokens(person.user), new=more.get("new", ""), done=more.get("done", ""),
    )  # fmt: skip
