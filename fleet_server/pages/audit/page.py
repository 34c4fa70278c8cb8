"""GET /audit: who did what, the newest first; GET /audit/audit.jsonl: all of it, to keep elsewhere."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, StreamingResponse

from fleet_server.api.access import needs
from fleet_server.api.context import TheServer
from fleet_server.domain.access import Act
from fleet_server.pages.render import render
from fleet_server.people.audit import lines_of
from fleet_server.server import Server

router = APIRouter()

_SHOWN = 100
_AT_ONCE = 1_000


@router.get("/audit", dependencies=[needs(Act.AUDIT)])
async def page(request: Request, server: TheServer, before: Annotated[int | None, Query(ge=1)] = None) -> HTMLResponse:
    """The whole page."""
    return render(request, "audit/page.html", rows=await server.audit.newest(_SHOWN, before), shown=_SHOWN)


@router.get("/audit/audit.jsonl", dependencies=[needs(Act.AUDIT)])
async def export(server: TheServer) -> StreamingResponse:
    """Every row as JSON, one a line."""
    headers = {"Content-Disposition": 'attachment; filename="diemcau-audit.jsonl"', "Cache-Control": "no-store"}
    return StreamingResponse(_lines(server), media_type="application/jsonl", headers=headers)


async def _lines(server: Server) -> AsyncIterator[str]:
    n = 0
    while rows := await server.audit.after(n, _AT_ONCE):
        for line in lines_of(rows):
            yield line
        n = rows[-1].n
