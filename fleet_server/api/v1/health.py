"""GET /health."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from fleet_server.api.context import TheServer

router = APIRouter(tags=["health"])


class HealthOut(BaseModel):
    """How the server is."""

    status: Literal["ok", "degraded"]
    broker: bool = Field(description="Connected to the broker")
    learning: bool = Field(description="Just started: what is missing may only not have come yet")
    database: bool = Field(description="What rooms say can be committed")
    sites: int
    not_taken: dict[str, int] = Field(description="Messages that could not be taken, by reason")


@router.get("/health", summary="How the server is")
@router.head("/health", include_in_schema=False)
async def health(server: TheServer) -> HealthOut:
    """`ok`, or `degraded` with what is missing. Rooms take its Date as the measure of their clocks."""
    well = server.link.is_connected and not server.ingest.is_failing
    return HealthOut(
        status="ok" if well else "degraded",
        broker=server.link.is_connected,
        learning=server.fleet.is_learning,
        database=not server.ingest.is_failing,
        sites=len(server.fleet.entries),
        not_taken=dict(server.ingest.counted),
    )
