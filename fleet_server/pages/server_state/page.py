"""GET /parts/server: the part of every page that says when the server is blind or learning."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from fleet_server.api.access import needs
from fleet_server.domain.access import Act
from fleet_server.pages.render import render

router = APIRouter()


@router.get("/parts/server", dependencies=[needs(Act.SEE)])
async def part(request: Request) -> HTMLResponse:
    """The banners."""
    return render(request, "components/server_banners.html")
