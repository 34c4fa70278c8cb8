"""GET and POST /sign-in, /sign-in/code and /sign-in/second-factor; POST /sign-out."""

from typing import Annotated
from urllib.parse import quote

import segno
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fleet_server.api.access import needs, open_to_all, origin_of
from fleet_server.api.context import TheServer
from fleet_server.api.language import Language
from fleet_server.domain.access import Act
from fleet_server.errors import FleetError, NotFound
from fleet_server.pages.cookies import away, browser_of, gone, half_of, onward, safe, state_of, whole_of
from fleet_server.pages.form import form_of, one
from fleet_server.pages.render import render
from fleet_server.people.proofs import totp_address
from fleet_server.people.provider import Provider
from fleet_server.server import Server
from fleet_server.texts import error_text

router = APIRouter()

Wanted = Annotated[str, Query(alias="next", max_length=500)]
_OPEN = open_to_all("somebody who is not signed in has to be able to sign in")


@router.get("/sign-in", dependencies=[_OPEN])
async def page(request: Request, wanted: Wanted = "/") -> HTMLResponse:
    """Login and password."""
    return render(request, "sign_in/page.html", wanted=safe(wanted), problem="", login="")


@router.post("/sign-in", dependencies=[_OPEN])
async def sign_in(request: Request, server: TheServer, lang: Language) -> Response:
    """On to the page that was wanted, or to the second factor."""
    form = await form_of(request)
    login, wanted = one(form, "login", 64), safe(one(form, "next", 500))
    try:
        found = await server.sign_ins.sign_in(
            login, form.get("password", [""])[0][:1_000], browser_of(request, server), origin_of(request)
        )
    except FleetError as error:
        problem = error_text(lang, error)
        return render(request, "sign_in/page.html", error.status, wanted=wanted, problem=problem, login=login)
    return onward(server, found, wanted)


@router.get("/sign-in/code", dependencies=[_OPEN])
async def code_page(request: Request, server: TheServer, wanted: Wanted = "/") -> Response:
    """The second factor; whoever has none yet sets it up first."""
    try:
        server.sign_ins.begin_totp(half_of(request, server))
    except FleetError:
        return render(request, "sign_in/code.html", wanted=safe(wanted), problem="")
    return RedirectResponse(f"/sign-in/second-factor?next={quote(safe(wanted))}", 303)


@router.post("/sign-in/code", dependencies=[_OPEN])
async def give_code(request: Request, server: TheServer, lang: Language) -> Response:
    """On to the page that was wanted."""
    form = await form_of(request)
    wanted = safe(one(form, "next", 500))
    try:
        found = await server.sign_ins.give_code(half_of(request, server), one(form, "code", 12), origin_of(request))
    except FleetError as error:
        problem = error_text(lang, error)
        return render(request, "sign_in/code.html", error.status, wanted=wanted, problem=problem)
    return onward(server, found, wanted)


@router.get("/sign-in/second-factor", dependencies=[_OPEN])
async def second_factor_page(request: Request, server: TheServer, wanted: Wanted = "/") -> Response:
    """A secret for an authenticator app, as a QR code."""
    user, secret = server.sign_ins.begin_totp(half_of(request, server))
    return _second_factor(request, user.login, secret, safe(wanted), "", 200)


@router.post("/sign-in/second-factor", dependencies=[_OPEN])
async def set_second_factor(request: Request, server: TheServer, lang: Language) -> Response:
    """The first code proves that the app has the secret."""
    form = await form_of(request)
    secret, wanted, half = one(form, "secret", 64), safe(one(form, "next", 500)), half_of(request, server)
    try:
        found = await server.sign_ins.set_totp(half, secret, one(form, "code", 12), origin_of(request))
    except FleetError as error:
        user, secret = server.sign_ins.begin_totp(half)
        problem = error_text(lang, error)
        return _second_factor(request, user.login, secret, wanted, problem, error.status)
    return onward(server, found, wanted)


@router.get("/sign-in/provider", dependencies=[_OPEN])
async def to_provider(server: TheServer, wanted: Wanted = "/") -> Response:
    """Off to the province's identity provider."""
    address, state = await _provider(server).begin(safe(wanted))
    return away(server, address, state)


@router.get("/sign-in/provider/answer", dependencies=[_OPEN])
async def from_provider(
    request: Request, server: TheServer, state: Annotated[str, Query(max_length=100)] = "",
    code: Annotated[str, Query(max_length=2_000)] = "",
) -> Response:  # fmt: skip
    """Back from there, with a code or without."""
    try:
        vouched = await _provider(server).end(state, state_of(request, server), code)
        signed_in = await server.sign_ins.by_provider(vouched, origin_of(request))
    except FleetError as error:
        await server.audit.record("?", "sign_in", "refused", origin=origin_of(request), why=error.key)
        raise
    return onward(server, signed_in, vouched.wanted)


@router.post("/sign-out", dependencies=[needs(Act.OWN)])
async def sign_out(request: Request, server: TheServer) -> Response:
    """The cookie is worth nothing any more."""
    await server.known.drop_key(whole_of(request, server))
    return gone(server)


def _second_factor(request: Request, login: str, secret: str, wanted: str, problem: str, status: int) -> HTMLResponse:
    code = segno.make(totp_address(secret, login), error="m").svg_data_uri(scale=5)
    return render(
        request, "sign_in/second_factor.html", status, secret=secret, code=code, wanted=wanted, problem=problem
    )  # fmt: skip


def _provider(server: Server) -> Provider:
    if server.provider is None:
        raise NotFound("people.no_provider")
    return server.provider
