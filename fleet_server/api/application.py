"""The web application: every resource of api/v1 and every page, found by being there, behind the same guards."""

from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from importlib import import_module
from importlib.metadata import version
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.middleware.gzip import GZipMiddleware

from fleet_server.api import problems
from fleet_server.api.access import CALENDAR, demand_of, person_of
from fleet_server.discovery import modules_in
from fleet_server.domain.access import Person
from fleet_server.server import Server

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_MOST_BODY_BYTES = 262_144
_LARGER_BODIES = {"/progress": 4_500_000}
"""A spreadsheet of a whole province."""
_STREAMS = "/api/v1/line-probes/"
"""Bodies without a length are taken here alone, where they are bounded in time and not kept."""
_SAFE = {"GET", "HEAD", "OPTIONS"}
_OUR_NAMES = {"127.0.0.1", "localhost", "::1"}


def application(server: Server) -> FastAPI:
    """The application of one server."""
    app = FastAPI(
        title="DiemCau", version=version("diemcau"), docs_url=None, redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        description="Readiness of the rooms of online reception sessions. Times are RFC 3339 in UTC; "
        "errors are problem documents (RFC 9457); messages come in Vietnamese or, with `Accept-Language: en`, English.",
    )  # fmt: skip
    app.state.server = server
    problems.install(app, import_module("fleet_server.pages.problem").problem_page)
    for router in routers("fleet_server.api.v1"):
        app.include_router(router, prefix="/api/v1", responses=problems.problems(401, 403))
    for router in routers("fleet_server.pages", "page"):
        app.include_router(router, include_in_schema=False)
    app.middleware("http")(_guard)
    app.add_middleware(GZipMiddleware, minimum_size=1_000)
    return app


def routers(package: str, part: str = "") -> Iterator[APIRouter]:
    """The router of every module there. Raises TypeError for a route that does not say who may call it."""
    for module in modules_in(package, part):
        for route in module.router.routes:
            demand_of(route)
        yield module.router


async def _guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Only our own pages may change things, only by our own name, and with bodies of a sane size."""
    server: Server = request.app.state.server
    request.state.heard = server.stream.last_id  # a page begun now shows all up to here
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
        origin = request.headers.get("origin")
        is_ours = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    except ValueError:
        return JSONResponse({"title": "Bad Request", "status": 400}, 400)
    if host not in {*_OUR_NAMES, *server.settings.names, urlsplit(server.settings.public_url or "").hostname}:
        return JSONResponse({"title": "Misdirected Request", "status": 421}, 421)
    if request.method not in _SAFE and not is_ours:
        request.state.person, request.state.act = await person_of(request), "foreign_page"
        await _record(request, HTTPStatus.FORBIDDEN)
        return JSONResponse({"title": "Forbidden", "status": 403, "detail": "foreign origin"}, 403)
    unmeasured = "transfer-encoding" in request.headers and not request.url.path.startswith(_STREAMS)
    most = _LARGER_BODIES.get(request.url.path, _MOST_BODY_BYTES)
    if unmeasured or int(request.headers.get("content-length") or 0) > most:
        return JSONResponse({"title": "Content Too Large", "status": 413}, 413)
    try:
        response = await call_next(request)
    except Exception:  # it is answered and logged further out
        await _record(request, HTTPStatus.INTERNAL_SERVER_ERROR)
        raise
    await _record(request, response.status_code)
    if response.status_code == HTTPStatus.UNAUTHORIZED and request.url.path.endswith(CALENDAR):
        response.headers["WWW-Authenticate"] = 'Basic realm="DiemCau"'
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


async def _record(request: Request, status: int) -> None:
    """Every change that somebody asked for, and every refusal, goes into the audit: which act, where, what came of it.

    Whoever is not signed in cannot fill it: sign-ins and claims are recorded by those who judge them.
    """
    person: Person | None = getattr(request.state, "person", None)
    refused = status == HTTPStatus.FORBIDDEN
    if person is None or (request.method in _SAFE and not refused):
        return
    server: Server = request.app.state.server
    params = {name: str(value)[:120] for name, value in request.path_params.items() if name != "site"}
    site = request.path_params.get("site")
    await server.audit.record(
        person.name, str(request.state.act), "refused" if status >= HTTPStatus.BAD_REQUEST else "done",
        origin=person.origin, site=str(site)[:64] if site is not None else None, method=request.method,
        route=getattr(request.scope.get("route"), "path", ""), status=status, by_token=person.by_token,
        **params, **getattr(request.state, "told", {}),
    )  # fmt: skip
