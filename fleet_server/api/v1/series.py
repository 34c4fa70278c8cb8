"""Sessions that come again: begin a series, list, end."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import Identifier, TheServer
from fleet_server.api.problems import problems
from fleet_server.api.v1.sessions import SiteName
from fleet_server.domain.access import Act
from fleet_server.domain.series import Rhythm
from fleet_server.store.series import SeriesRow
from wire.ids import uuid7

router = APIRouter(tags=["sessions"])


class RhythmIn(BaseModel):
    """Which days."""

    every: Literal["month_day", "month_weekday", "week"]
    day: Annotated[int, Field(ge=-1, le=31, description="Of the month, or which such weekday of it; -1: the last")] = 1
    weekday: Annotated[int, Field(ge=0, le=6, description="0: Monday")] = 0
    on_working_days: bool = Field(True, description="A weekend's day is the Monday after it")


class SeriesIn(BaseModel):
    """A series to be begun."""

    title: Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
    chair: Annotated[str, Field(max_length=120)] = ""
    rhythm: RhythmIn
    begins: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="In the province's time")]
    length_min: Annotated[int, Field(ge=1, le=1_440)]
    first: date
    last: date | None = None
    sites: Annotated[list[SiteName], Field(min_length=1, max_length=5_000)]


class SeriesOut(BaseModel):
    """A series that goes on."""

    id: str
    title: str
    chair: str
    rhythm: RhythmIn
    begins: str
    length_min: int
    first: date
    last: date | None
    sites: list[str]


class AllSeriesOut(BaseModel):
    """Every series that nobody has ended."""

    items: list[SeriesOut]


@router.post(
    "/series", dependencies=[needs(Act.PLAN)], status_code=201, summary="Begin a series", responses=problems(422)
)
async def begin(wanted: SeriesIn, server: TheServer, person: ThePerson) -> SeriesOut:
    """The sessions of the next half year are planned at once, each one that can be moved or cancelled alone."""
    rhythm = Rhythm(
        wanted.rhythm.every, wanted.rhythm.day, wanted.rhythm.weekday, wanted.rhythm.on_working_days
    )  # fmt: skip
    row = SeriesRow(
        uuid7(), wanted.title.strip(), wanted.chair.strip(), rhythm, wanted.begins, wanted.length_min, wanted.first,
        wanted.last, tuple(wanted.sites), person.name,
    )  # fmt: skip
    await server.series.begin(row)
    server.stages.planned()
    return _out(row)


@router.get("/series", dependencies=[needs(Act.SEE)], summary="Series that go on")
async def going_on(server: TheServer) -> AllSeriesOut:
    """With those of their sites that one sees."""
    found = [_out(row) for row in await server.series.going_on()]
    for series in found:
        series.sites = [site for site in series.sites if site in server.fleet.entries]
    return AllSeriesOut(items=[series for series in found if series.sites])


@router.delete(
    "/series/{id}", dependencies=[needs(Act.PLAN)], status_code=204, summary="End a series",
    responses=problems(404, 422),
)  # fmt: skip
async def end(id: Identifier, server: TheServer) -> None:
    """No further session is planned; those that are stay until they are cancelled."""
    await server.series.end(id)


def _out(row: SeriesRow) -> SeriesOut:
    rhythm = RhythmIn(
        every=row.rhythm.every, day=row.rhythm.day, weekday=row.rhythm.weekday,
        on_working_days=row.rhythm.on_working_days,
    )  # fmt: skip
    return SeriesOut(
        id=row.id, title=row.title, chair=row.chair, rhythm=rhythm, begins=row.begins, length_min=row.length_min,
        first=row.first, last=row.last, sites=list(row.sites),
    )  # fmt: skip
