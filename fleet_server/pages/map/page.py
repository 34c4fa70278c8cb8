"""GET /: the readiness map, and beside it the list of what is wrong."""

import json
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from fleet_server.api.access import needs
from fleet_server.api.context import TheServer
from fleet_server.api.language import Language
from fleet_server.api.v1.sessions import seen
from fleet_server.domain.access import Act
from fleet_server.domain.sessions import Session
from fleet_server.pages.render import render
from fleet_server.server import Server
from fleet_server.state.fleet import SiteEntry
from fleet_server.views import most_urgent_first, sentence

router = APIRouter()

Query100 = Annotated[str, Query(max_length=100)]
Wanted = Annotated[str, Query(pattern=r"^(ready|at_risk|not_ready|offline|being_set_up)?$")]
_SHOWN = 400


def name_of_state(entry: SiteEntry) -> str:
    """The verdict, or that there is none yet."""
    return str(entry.verdict) if entry.is_set_up else "being_set_up"


def listing(server: Server, q: str, state: str) -> dict[str, Any]:
    """What the list shows: of all sites when asked for, else those with trouble."""
    entries = server.fleet.entries.values()
    wanted = q.casefold().strip()
    upcoming = _upcoming(server)
    at_stake = {site for session in upcoming[:1] for site in session.sites}
    fits = [
        entry
        for entry in most_urgent_first(entries)
        if wanted in f"{entry.site.name} {entry.site.id} {entry.site.code}".casefold()
        and (not state or name_of_state(entry) == state)
        and (wanted or state or name_of_state(entry) not in ("ready", "being_set_up"))
    ]
    fits.sort(key=lambda entry: entry.site.id not in at_stake)
    return {
        "entries": fits[:_SHOWN], "more": max(0, len(fits) - _SHOWN), "q": q, "state": state, "at_stake": at_stake,
        "counts": Counter(name_of_state(entry) for entry in entries),
        "next_session": next(iter(upcoming), None),
    }  # fmt: skip


def _upcoming(server: Server) -> list[Session]:
    found = (seen(server, session) for session in server.sessions.upcoming())
    return [session for session in found if session.sites]


@router.get("/", dependencies=[needs(Act.SEE)])
async def page(request: Request, server: TheServer, q: Query100 = "", state: Wanted = "") -> HTMLResponse:
    """The whole page."""
    return render(request, "map/page.html", schematic=is_schematic(server), **listing(server, q, state))


@router.get("/parts/map/list", dependencies=[needs(Act.SEE)])
async def part(request: Request, server: TheServer, q: Query100 = "", state: Wanted = "") -> HTMLResponse:
    """The counts and the list."""
    return render(request, "map/list.html", **listing(server, q, state))


@router.get("/map/sites.json", dependencies=[needs(Act.SEE)])
async def sites(server: TheServer, lang: Language) -> JSONResponse:
    """Every site where it is, with its verdict and its sentence."""
    next_session = next(iter(_upcoming(server)), None)
    in_session = set(next_session.sites) if next_session else set()
    rows = [
        {
            "id": entry.site.id, "code": entry.site.code, "name": entry.site.name, "kind": entry.site.kind,
            "lat": entry.site.lat, "lon": entry.site.lon, "state": name_of_state(entry),
            "sentence": sentence(lang, entry), "in_session": entry.site.id in in_session,
        }
        for entry in server.fleet.entries.values()
    ]  # fmt: skip
    return JSONResponse(rows, headers={"Cache-Control": "no-store"})


@router.get("/map/boundaries.json", dependencies=[needs(Act.SEE)])
async def boundaries(server: TheServer) -> Response:
    """The boundaries that this province has put in, or none: then only points are drawn."""
    file = server.settings.map_file
    body = _bytes_of(file, file.stat().st_mtime_ns) if file.is_file() else b'{"type":"FeatureCollection","features":[]}'
    return Response(body, media_type="application/geo+json", headers={"Cache-Control": "no-cache"})


@lru_cache(maxsize=2)
def _bytes_of(file: Path, _changed_ns: int) -> bytes:
    return file.read_bytes()


def is_schematic(server: Server) -> bool:
    """Whether what is drawn are no boundaries."""
    file = server.settings.map_file
    if not file.is_file():
        return True
    first = json.loads(_bytes_of(file, file.stat().st_mtime_ns))["features"][0]
    return bool(first["properties"].get("schematic"))
