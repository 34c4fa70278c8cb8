"""The days on which nobody works."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import TheServer
from fleet_server.api.problems import problems
from fleet_server.domain.access import Act
from fleet_server.server import Server

router = APIRouter(tags=["alerts"])

Day = Annotated[date, Path(examples=["2027-02-06"])]


class HolidaysIn(BaseModel):
    """Some days on end."""

    first: date
    last: date
    name: Annotated[str, Field(min_length=1, max_length=120, pattern=r"\S")]


class HolidayOut(BaseModel):
    """One day."""

    day: date
    name: str


class HolidaysOut(BaseModel):
    """All that are known, the earliest first."""

    items: list[HolidayOut]


@router.get("/alerts/holidays", dependencies=[needs(Act.SET_ALERTS)], summary="Days on which nobody works")
async def holidays(server: TheServer) -> HolidaysOut:
    """As the province has entered them."""
    return _all(server)


@router.post(
    "/alerts/holidays", dependencies=[needs(Act.SET_ALERTS)], status_code=201, summary="More days",
    responses=problems(422),
)  # fmt: skip
async def add(wanted: HolidaysIn, server: TheServer, person: ThePerson) -> HolidaysOut:
    """Some days on end; one that is known gets the new name."""
    await server.directory.add_holidays(wanted.first, wanted.last, wanted.name, person.name)
    return _all(server)


@router.delete(
    "/alerts/holidays/{day}", dependencies=[needs(Act.SET_ALERTS)], status_code=204, summary="A day like others",
    response_class=Response, responses=problems(404, 422),
)  # fmt: skip
async def remove(day: Day, server: TheServer) -> Response:
    """People work on it again."""
    await server.directory.remove_holiday(day)
    return Response(status_code=204)


def _all(server: Server) -> HolidaysOut:
    return HolidaysOut(items=[HolidayOut(day=day, name=name) for day, name in server.directory.book.holidays.items()])
