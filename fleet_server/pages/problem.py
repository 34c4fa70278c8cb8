"""What a person sees when something cannot be had: what happened and what to do; or first of all, where to sign in."""

from http import HTTPStatus
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from fleet_server.pages.render import render


def problem_page(request: Request, status: int, detail: str) -> Response:
    """The page of an error."""
    coming_in = request.url.path.startswith("/sign-in/provider")
    if status == HTTPStatus.UNAUTHORIZED and request.method == "GET" and not coming_in:
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?next={quote(wanted)}", HTTPStatus.SEE_OTHER)
    return render(request, "problem.html", status, detail=detail)
