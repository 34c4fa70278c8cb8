"""Every route says which act it is; this finds out who asks, and lets in or refuses. A route that says nothing is none.

A browser shows its cookie, a program its API token. Whoever has named sites only is given a server that has no others.
"""

import base64
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.params import Depends as Dependency
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from fleet_server.domain.access import Act, Person, may
from fleet_server.errors import Forbidden, NotFound, NotSignedIn
from fleet_server.server import Server

COOKIE, SECURE_COOKIE = "diemcau", "__Host-diemcau"
CALENDAR = ".ics"
"""What calendar programs fetch, which know no header but a name and a password: the password is an API token."""
_SAFE = {"GET", "HEAD", "OPTIONS"}


class Needs:
    """What a route demands of whoever calls it."""

    def __init__(self, act: Act) -> None:
        self.act = act

    async def __call__(self, request: Request) -> None:
        """Raises NotSignedIn, Forbidden, and NotFound for a site that is none of this person's."""
        person = await person_of(request)
        request.state.act = self.act
        if person is None:
            raise NotSignedIn("people.sign_in")
        request.state.person = person
        if not person.by_token and request.method not in _SAFE and not comes_from_our_page(request):
            raise Forbidden("people.foreign_page")
        if not may(person, self.act):
            raise Forbidden("people.may_not", role=person.role)
        site = request.path_params.get("site")
        if site is not None and not may(person, self.act, site):
            raise NotFound("sites.not_found", site=site)


class Open:
    """A route for everybody, and why it harms nobody."""

    def __init__(self, why: str) -> None:
        self.why = why

    async def __call__(self, request: Request) -> None:
        """Nothing is asked."""
        request.state.person = None


def needs(act: Act) -> Dependency:
    """For the `dependencies` of a route."""
    found: Dependency = Depends(Needs(act))
    return found


def open_to_all(why: str) -> Dependency:
    """For the `dependencies` of a route that asks nobody who they are."""
    found: Dependency = Depends(Open(why))
    return found


def demand_of(route: BaseRoute) -> Needs | Open:
    """What a route demands. Raises TypeError where it does not say, so that no application can be made of it."""
    if not isinstance(route, APIRoute):
        raise TypeError(f"{route!r} is no route of ours")
    found = [each.dependency for each in route.dependencies if isinstance(each.dependency, Needs | Open)]
    if len(found) != 1:
        raise TypeError(
            f"{sorted(route.methods or ())} {route.path}: says {len(found)} times who may call it, not once"
        )
    return found[0]


async def person_of(request: Request) -> Person | None:
    """Who asks; None for nobody that we know."""
    server: Server = request.app.state.server
    origin = origin_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return await server.known.by_token(token[:200], origin)
    if scheme.lower() == "basic" and request.url.path.endswith(CALENDAR):
        return await server.known.by_token(_token_in(token), origin)
    key = request.cookies.get(cookie_name(server), "")[:200]
    return await server.known.by_cookie(key, origin) if key else None


def origin_of(request: Request) -> str:
    """The address that a request came from."""
    return request.client.host if request.client else ""


def cookie_name(server: Server) -> str:
    """Where everything goes by HTTPS the browser itself holds the cookie to it (RFC 6265bis, `__Host-`)."""
    return SECURE_COOKIE if is_secure(server) else COOKIE


def is_secure(server: Server) -> bool:
    """Whether people reach us by HTTPS."""
    return server.settings.web_tls or (server.settings.public_url or "").startswith("https://")


def _token_in(account: str) -> str:
    """The password of RFC 7617's pair; empty where it is none."""
    try:
        _, _, password = base64.b64decode(account[:400], validate=True).decode().partition(":")
    except ValueError:
        return ""
    return password[:200]


def comes_from_our_page(request: Request) -> bool:
    """A browser says from where a form or a script asks; no foreign page can lie about it (Fetch Metadata, Origin)."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return request.headers.get("origin") is not None  # that it is ours the guard has seen


def the_person(request: Request) -> Person:
    """Who asks, on a route that needs somebody."""
    found: Person | None = getattr(request.state, "person", None)
    if found is None:
        raise NotSignedIn("people.sign_in")
    return found


def told(request: Request, **details: Any) -> None:
    """What the audit should say of this request beside act, site and outcome. No secret, and short."""
    request.state.told = {name: str(value)[:200] for name, value in details.items()}


ThePerson = Annotated[Person, Depends(the_person)]
