"""GET /wall: for a screen on a wall, read from four metres. Nothing to click."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from fleet_server.api.access import needs
from fleet_server.api.context import TheServer
from fleet_server.domain.access import Act
from fleet_server.pages.map.page import is_schematic, listing
from fleet_server.pages.render import render

router = APIRouter()


@router.get("/wall", dependencies=[needs(Act.SEE)])
async def page(request: Request, server: TheServer) -> HTMLResponse:
    """The whole screen."""
    return render(request, "wall/page.html", schematic=is_schematic(server), **listing(server, "", ""))


@router.get("/parts/wall/list", dependencies=[needs(Act.SEE)])
async def part(request: Request, server: TheServer) -> HTMLResponse:
    """The counts and at most seven lines of what is wrong."""
    return render(request, "wall/list.html", **listing(server, "", ""))
