"""POST and GET /sites/{site}/duty: who looks after the room today."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from fleet_server.api.access import needs
from fleet_server.api.context import Site, TheServer
from fleet_server.api.problems import problems
from fleet_server.domain.access import Act
from fleet_server.errors import NotFound
from fleet_server.store.confirmations import Duty
from fleet_server.views import moment

router = APIRouter(tags=["duty"])


class DutyIn(BaseModel):
    """Who is on duty."""

    name: Annotated[str, Field(min_length=1, max_length=120, pattern=r"\S", examples=["Lê Thị B"])]
    phone: Annotated[str, Field(max_length=40)] = ""


class DutyOut(BaseModel):
    """Who is on duty, since when and until when."""

    name: str
    phone: str
    at: datetime
    until: datetime


@router.post(
    "/sites/{site}/duty",
    dependencies=[needs(Act.CONFIRM_DUTY)],
    status_code=201,
    summary="Confirm being on duty",
    responses=problems(404, 422),
)
async def confirm(site: Site, wanted: DutyIn, server: TheServer) -> DutyOut:
    """It stands for a working day, and every gate of the site asks for it."""
    return _out(await server.confirmations.confirm_duty(site, wanted.name, wanted.phone))


@router.get("/sites/{site}/duty", dependencies=[needs(Act.SEE)], summary="Who is on duty", responses=problems(404, 422))
async def get(site: Site, server: TheServer) -> DutyOut | None:
    """Null while nobody has confirmed."""
    if site not in server.fleet.entries:
        raise NotFound("sites.not_found", site=site)
    duty = server.confirmations.duty_of(site)
    return _out(duty) if duty is not None else None


def _out(duty: Duty) -> DutyOut:
    return DutyOut(name=duty.name, phone=duty.phone, at=moment(duty.at), until=moment(duty.until))
