"""GET /incidents: what is wrong, what matters most first."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from fleet_server.alerts.wording import title_of
from fleet_server.api.access import needs
from fleet_server.api.context import TheServer
from fleet_server.api.language import Language
from fleet_server.api.v1.incidents import sees, silenced_by
from fleet_server.domain.access import Act
from fleet_server.pages.render import render
from fleet_server.server import Server
from fleet_server.store.incidents import IncidentRow
from fleet_server.texts import Lang

router = APIRouter()

Shown = Annotated[Literal["open", "all"], Query()]


@router.get("/incidents", dependencies=[needs(Act.SEE)])
async def page(request: Request, server: TheServer, lang: Language, state: Shown = "open") -> HTMLResponse:
    """The whole page."""
    return render(request, "incidents/page.html", **await _values(server, lang, state))


@router.get("/parts/incidents", dependencies=[needs(Act.SEE)])
async def part(request: Request, server: TheServer, lang: Language, state: Shown = "open") -> HTMLResponse:
    """The list as it is now."""
    return render(request, "incidents/list.html", **await _values(server, lang, state))


async def _values(server: Server, lang: Lang, state: str) -> dict[str, Any]:
    rows = server.incidents.open_ones() if state == "open" else await server.incidents.newest()
    return {"rows": [shown(server, row, lang) for row in rows if sees(server, row)], "state": state}


def shown(server: Server, row: IncidentRow, lang: Lang) -> dict[str, Any]:
    """One incident as a template takes it."""
    entry = server.fleet.entries.get(row.site) if row.site is not None else None
    return {
        "row": row, "title": title_of(row, lang), "place": entry.site.name if entry is not None else None,
        "session": server.sessions.upcoming_one(row.session), "silences": silenced_by(server, row),
        "level": row.priority.name.lower(),
    }  # fmt: skip
