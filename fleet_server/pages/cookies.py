"""The cookies of a browser: who is signed in, who is half in, and that it has signed in before."""

from datetime import timedelta
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from fleet_server.api.access import cookie_name, is_secure
from fleet_server.people.sign_ins import SignedIn
from fleet_server.server import Server
from fleet_server.store.people import KeyKind

_BROWSER_S = round(timedelta(days=180).total_seconds())


def half_of(request: Request, server: Server) -> str:
    """The key of a browser that has yet to give its second factor."""
    return request.cookies.get(_half(server), "")[:200]


def browser_of(request: Request, server: Server) -> str:
    """The key that says that this browser has signed in before."""
    return request.cookies.get(_browser(server), "")[:200]


def whole_of(request: Request, server: Server) -> str:
    """The key of a browser that is signed in."""
    return request.cookies.get(cookie_name(server), "")[:200]


def onward(server: Server, signed_in: SignedIn, wanted: str) -> Response:
    """Where a browser goes once it has given its password or its code, and the cookie it takes along."""
    if signed_in.needs_code:
        answer = RedirectResponse(f"/sign-in/code?next={quote(safe(wanted))}", 303)
        _set(answer, server, _half(server), signed_in.key, 600)
        return answer
    answer = RedirectResponse(safe(wanted), 303)
    lives_s = round((signed_in.expires_at - server.clock.now()).total_seconds())
    _set(answer, server, cookie_name(server), signed_in.key, lives_s)
    _set(answer, server, _browser(server), signed_in.browser, _BROWSER_S)
    answer.delete_cookie(_half(server), path="/", secure=is_secure(server), httponly=True, samesite="lax")
    return answer


def renew(answer: Response, request: Request, server: Server) -> None:
    """The browser keeps it for as long as we do: whoever works on stays signed in."""
    key = whole_of(request, server)
    found = server.known.live(key, KeyKind.SIGN_IN)
    if found is not None:
        lives_s = round((found[0].expires_at - server.clock.now()).total_seconds())
        _set(answer, server, cookie_name(server), key, lives_s)


def away(server: Server, address: str, state: str) -> Response:
    """Off to the identity provider; the cookie binds its answer to this browser."""
    answer = RedirectResponse(address, 303)
    _set(answer, server, _state(server), state, 600)
    return answer


def state_of(request: Request, server: Server) -> str:
    """The state that this browser was sent away with."""
    return request.cookies.get(_state(server), "")[:100]


def gone(server: Server) -> Response:
    """Signed out."""
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(cookie_name(server), path="/", secure=is_secure(server), httponly=True, samesite="lax")
    return answer


def safe(wanted: str) -> str:
    """A path of ours to go on to, never another site's."""
    return wanted if wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable() else "/"


def _set(answer: Response, server: Server, name: str, key: str, lives_s: int) -> None:
    answer.set_cookie(
        name, key, max_age=lives_s, path="/", secure=is_secure(server), httponly=True, samesite="lax"
    )  # fmt: skip


def _state(server: Server) -> str:
    return f"{cookie_name(server)}-state"


def _half(server: Server) -> str:
    return f"{cookie_name(server)}-half"


def _browser(server: Server) -> str:
    return f"{cookie_name(server)}-browser"
