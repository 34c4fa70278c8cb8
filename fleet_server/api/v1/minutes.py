"""Minutes of sessions: make one, list, fetch as PDF or Excel."""

from datetime import datetime

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import Identifier, TheServer
from fleet_server.api.language import Language
from fleet_server.api.problems import problems
from fleet_server.api.v1.sessions import visible_session
from fleet_server.domain.access import Act
from fleet_server.errors import NotFound
from fleet_server.server import Server
from fleet_server.store.minutes import MinuteRow
from fleet_server.tables import EXCEL

router = APIRouter(tags=["sessions"])

PDF = "application/pdf"


class MinuteOut(BaseModel):
    """A minute that was made."""

    id: str
    session: str
    number: int
    year: int
    at: datetime
    by: str
    sha256: str = Field(description="Of the PDF without its seal")


class MinutesOut(BaseModel):
    """Those of a session, the last one first."""

    items: list[MinuteOut]


@router.post(
    "/sessions/{id}/minutes", dependencies=[needs(Act.DECIDE)], status_code=201, summary="Make the minute",
    responses=problems(404, 409, 422, 503),
)  # fmt: skip
async def make(id: Identifier, server: TheServer, person: ThePerson) -> MinuteOut:
    """Once the session is over, or cancelled. A second one is another minute with another number."""
    session = await server.sessions.find(id)
    return _out(await server.minutes.make(session, person.name))


@router.get(
    "/sessions/{id}/minutes", dependencies=[needs(Act.RECORD)], summary="Its minutes", responses=problems(404, 422)
)
async def of_session(id: Identifier, server: TheServer) -> MinutesOut:
    """All that were made."""
    session = await visible_session(server, id)
    return MinutesOut(items=[_out(row) for row in await server.minutes.of_session(session.id)])


@router.get(
    "/minutes/{id}/minute.pdf", dependencies=[needs(Act.RECORD)], summary="The minute as PDF",
    response_class=Response, responses={200: {"content": {PDF: {}}}, **problems(404, 422)},
)  # fmt: skip
async def pdf(id: Identifier, server: TheServer) -> Response:
    """As it was sealed; `diemcau-server minute verify FILE` verifies it."""
    row, file = await visible_minute(server, id)
    return Response(file, media_type=PDF, headers=_as_file(f"bien-ban-{row.number}-{row.year}.pdf"))


@router.get(
    "/sessions/{id}/minute.xlsx", dependencies=[needs(Act.RECORD)], summary="The same as Excel",
    response_class=Response, responses={200: {"content": {EXCEL: {}}}, **problems(404, 422)},
)  # fmt: skip
async def workbook(id: Identifier, server: TheServer, lang: Language) -> Response:
    """From the record as it stands now."""
    session = await visible_session(server, id)
    return Response(await server.minutes.workbook(session, lang), media_type=EXCEL, headers=_as_file("bien-ban.xlsx"))


async def visible_minute(server: Server, id: str) -> tuple[MinuteRow, bytes]:
    """A minute with its file. Raises NotFound."""
    row, file = await server.minutes.find(id)
    session = await server.sessions.find(row.session)
    if server.fleet.entries.keys().isdisjoint(session.sites):
        raise NotFound("minutes.not_found", minute=id)
    return row, file


def _as_file(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}


def _out(row: MinuteRow) -> MinuteOut:
    return MinuteOut(
        id=row.id, session=row.session, number=row.number, year=row.year, at=row.at, by=row.by, sha256=row.sha256
    )  # fmt: skip
