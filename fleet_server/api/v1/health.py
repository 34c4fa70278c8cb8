"""GET /health for everybody, GET /intake for who is signed in."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from fleet_server.api.access import ThePerson, needs, open_to_all
from fleet_server.api.context import TheServer
from fleet_server.broker.mosquitto import SERVER_NAME
from fleet_server.broker.refusals import STRANGER
from fleet_server.domain.access import Act

router = APIRouter(tags=["health"])


class HealthOut(BaseModel):
    """How the server is."""

    status: Literal["ok", "degraded"]
    broker: bool = Field(description="Connected to the broker")
    learning: bool = Field(description="Just started: what is missing may only not have come yet")
    database: bool = Field(description="What rooms say can be committed")


@router.get(
    "/health",
    dependencies=[open_to_all("says only whether the server is well; rooms take its Date")],
    summary="How the server is",
)
@router.head(
    "/health",
    dependencies=[open_to_all("says only whether the server is well; rooms take its Date")],
    include_in_schema=False,
)
async def health(server: TheServer) -> HealthOut:
    """`ok`, or `degraded` with what is missing. Rooms take its Date as the measure of their clocks."""
    well = server.link.is_connected and not server.ingest.failing
    return HealthOut(
        status="ok" if well else "degraded",
        broker=server.link.is_connected,
        learning=server.fleet.is_learning,
        database=not server.ingest.failing,
    )


class IntakeOut(BaseModel):
    """What the server takes in."""

    sites: int
    not_taken: dict[str, int] = Field(description="Messages that could not be taken, by reason")
    refused_by_broker: dict[str, int] = Field(
        description="What the broker refused, by client; `?`: whoever came without a certificate that counts"
    )


@router.get("/intake", dependencies=[needs(Act.SEE)], summary="What could not be taken")
async def intake(server: TheServer, person: ThePerson) -> IntakeOut:
    """Counted since the server was started."""
    everywhere = {STRANGER, SERVER_NAME} if person.is_everywhere else set()
    seen = server.fleet.entries.keys() | everywhere
    return IntakeOut(
        sites=len(server.fleet.entries),
        not_taken=dict(server.ingest.counted),
        refused_by_broker={who: count for who, count in server.refusals.counted.items() if who in seen},
    )
