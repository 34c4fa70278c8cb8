"""A session beside its rehearsal."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from fleet_server.api.access import needs
from fleet_server.api.context import Identifier, TheServer
from fleet_server.api.problems import problems
from fleet_server.api.v1.sessions import visible_session
from fleet_server.domain.access import Act
from fleet_server.domain.rehearsals import Point

router = APIRouter(tags=["sessions"])


class PointOut(BaseModel):
    """One check of one room that stood against a go."""

    check: str
    site: str


class ComparedOut(BaseModel):
    """Of the rooms that were in both; all empty where nobody has rehearsed it."""

    rehearsal: str | None
    at: datetime | None
    again: list[PointOut]
    new: list[PointOut]
    mended: list[PointOut]


@router.get(
    "/sessions/{id}/rehearsal", dependencies=[needs(Act.SEE)], summary="Beside its newest rehearsal",
    responses=problems(404, 422),
)  # fmt: skip
async def compared(id: Identifier, server: TheServer) -> ComparedOut:
    """What is wrong again, new, or mended since; once the session is over, as it was at the decision."""
    found = await server.rehearsals.compared(await visible_session(server, id))
    if found is None:
        return ComparedOut(rehearsal=None, at=None, again=[], new=[], mended=[])

    def seen(points: tuple[Point, ...]) -> list[PointOut]:
        return [PointOut(check=each.check, site=each.site) for each in points if each.site in server.fleet.entries]

    what = found.what
    return ComparedOut(
        rehearsal=found.rehearsal.id, at=found.at, again=seen(what.again), new=seen(what.new), mended=seen(what.mended)
    )
