"""GET /people: users, their roles and sites; new ones by one-time link."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fleet_server.api.access import needs, told
from fleet_server.api.context import Identifier, TheServer
from fleet_server.api.language import Language
from fleet_server.domain.access import Act, Role
from fleet_server.errors import FleetError, Invalid
from fleet_server.pages.form import Form, form_of, one
from fleet_server.pages.render import render
from fleet_server.people.users import link_of
from fleet_server.server import Server
from fleet_server.texts import error_text

router = APIRouter()


@router.get("/people", dependencies=[needs(Act.MANAGE_PEOPLE)])
async def page(request: Request, server: TheServer) -> HTMLResponse:
    """The whole page."""
    return _page(request, server)


@router.post("/people", dependencies=[needs(Act.MANAGE_PEOPLE)])
async def invite(request: Request, server: TheServer, lang: Language) -> Response:
    """A new user; the link is shown once."""
    form = await form_of(request)
    login = one(form, "login", 64)
    told(request, login=login, role=one(form, "role", 16))
    try:
        role, sites = _scope(server, form)
        key = await server.people.invite(login, one(form, "name", 120), role, sites)
    except FleetError as error:
        return _page(request, server, error_text(lang, error), error.status)
    return _page(request, server, link=link_of(server.settings.public_url, key))


@router.post("/people/{id}", dependencies=[needs(Act.MANAGE_PEOPLE)])
async def change(id: Identifier, request: Request, server: TheServer, lang: Language) -> Response:
    """Another role, other sites, in or out; or a new link."""
    form = await form_of(request)
    told(request, role=one(form, "role", 16), out="out" in form, link="link" in form)
    try:
        if "link" in form:
            return _page(
                request, server, link=link_of(server.settings.public_url, await server.people.invite_again(id))
            )
        role, sites = _scope(server, form)
        await server.people.change(id, role, sites, "out" in form)
    except FleetError as error:
        return _page(request, server, error_text(lang, error), error.status)
    return RedirectResponse("/people", 303)


def _scope(server: Server, form: Form) -> tuple[Role, frozenset[str]]:
    try:
        role = Role(one(form, "role", 16))
    except ValueError:
        raise Invalid("form.unreadable") from None
    sites = frozenset(one(form, "sites", 20_000).replace(",", " ").split())
    if unknown := sorted(sites - server.fleet.entries.keys()):
        raise Invalid("sessions.unknown_sites", sites=", ".join(unknown[:10]))
    return role, sites


def _page(request: Request, server: Server, problem: str = "", status: int = 200, link: str = "") -> HTMLResponse:
    users = sorted(server.known.users.values(), key=lambda user: (user.disabled_at is not None, user.login))
    return render(request, "people/page.html", status, users=users, roles=list(Role), problem=problem, link=link)
