"""GET /progress: the road of every site to service; surveys in and out as Excel."""

import asyncio
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, File, Query, Request, UploadFile
from fastapi.responses import HTMLResponse, Response

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import TheServer
from fleet_server.api.language import Language
from fleet_server.domain.access import Act
from fleet_server.domain.rollout import STAGES
from fleet_server.errors import FleetError
from fleet_server.pages.render import render
from fleet_server.rollout.desk import SiteProgress, stage_counts
from fleet_server.server import Server
from fleet_server.tables import EXCEL
from fleet_server.texts import error_text, translate

router = APIRouter()

_SHOWN = 4_000
Wanted = Annotated[str, Query(pattern=r"^[a-z_]{0,20}$")]


@router.get("/progress", dependencies=[needs(Act.SEE)])
async def page(request: Request, server: TheServer, stage: Wanted = "") -> HTMLResponse:
    """The whole page."""
    return _page(request, server, stage)


@router.get("/progress/progress.xlsx", dependencies=[needs(Act.SEE)])
async def book(server: TheServer, lang: Language) -> Response:
    """The progress of the province as one Excel file."""
    sites, now = visible_progress(server), server.clock.now().astimezone(ZoneInfo(server.settings.timezone))
    from fleet_server.rollout import spreadsheet  # openpyxl takes a quarter of a second to load

    made = await asyncio.to_thread(spreadsheet.progress_book, sites, lang, now)
    return _excel(made, "diemcau-progress.xlsx")


@router.get("/progress/surveys.xlsx", dependencies=[needs(Act.SEE)])
async def template(server: TheServer, lang: Language) -> Response:
    """The template of a survey, with what is known filled in."""
    from fleet_server.rollout import spreadsheet

    made = await asyncio.to_thread(spreadsheet.template, visible_progress(server), lang)
    return _excel(made, "diemcau-surveys.xlsx")


@router.post("/progress", dependencies=[needs(Act.ROLL_OUT)])
async def upload(
    request: Request, server: TheServer, person: ThePerson, lang: Language, file: Annotated[UploadFile, File()]
) -> HTMLResponse:
    """Take surveys from an Excel file, all of them or none."""
    from fleet_server.rollout import spreadsheet

    try:
        data = await file.read(spreadsheet.MOST_BYTES + 1)
        known = {site: entry.site.name for site, entry in server.fleet.entries.items()}
        found = await asyncio.to_thread(spreadsheet.surveys_in, data, known)
        await server.rollout.save_surveys(found, person.name)
    except FleetError as error:
        problem = error_text(lang, error)
        return _page(request, server, "", problem=problem, status=error.status)
    return _page(request, server, "", done=translate(lang, "progress.taken", count=len(found)))


def _page(
    request: Request, server: Server, stage: str, problem: str = "", done: str = "", status: int = 200
) -> HTMLResponse:
    sites = visible_progress(server)
    shown = [site for site in sites if not stage or site.stage == stage]
    return render(
        request, "progress/page.html", status, sites=shown[:_SHOWN], total=len(sites), stage=stage, stages=STAGES,
        counts=stage_counts(sites), problem=problem, done=done,
    )  # fmt: skip


def visible_progress(server: Server) -> list[SiteProgress]:
    """Of the sites that one sees."""
    return [site for site in server.rollout.all_progress() if site.entry.site.id in server.fleet.entries]


def _excel(data: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(data, media_type=EXCEL, headers=headers)
