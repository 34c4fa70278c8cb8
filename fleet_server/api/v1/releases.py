"""Releases: what there is, the campaign that is under way, and the bundle for a room whose turn it is."""

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from fleet_server.api.access import ThePerson, needs, open_to_all
from fleet_server.api.campaigns import ACTS, ActIn, CampaignOut, Canary, Range, Rate, Ticket, campaign_out, file_for
from fleet_server.api.context import TheServer
from fleet_server.api.problems import problems
from fleet_server.domain.access import Act

router = APIRouter(tags=["releases"])


class ReleaseOut(BaseModel):
    """One bundle."""

    version: str
    size: int = Field(description="Bytes")
    sha256: str


class ReleasesOut(BaseModel):
    """All of it."""

    items: list[ReleaseOut]
    running: dict[str, int] = Field(description="Release -> how many rooms run it, as their agents say")
    campaign: CampaignOut | None


class CampaignIn(BaseModel):
    """A release for every room that has an agent."""

    version: Annotated[str, Field(min_length=1, max_length=40)]
    rate_kbit_s: Rate = 2_000
    canary: Canary = ""


@router.get("/releases", dependencies=[needs(Act.SEE)], summary="Releases, and the campaign")
async def releases(server: TheServer, person: ThePerson) -> ReleasesOut:
    """What rooms can be offered, and how far they are."""
    items = [
        ReleaseOut(version=each.version, size=each.size, sha256=each.sha256) for each in server.releases.shelf.all()
    ]
    current, seen = server.releases.current, set(server.fleet.entries)
    running = {version: len(sites) for version, sites in (await server.releases.running(seen)).items()}
    return ReleasesOut(items=items, running=running, campaign=campaign_out(current, seen) if current else None)


@router.post(
    "/releases/campaign", dependencies=[needs(Act.ROLL_OUT)], status_code=201, summary="A release for every room",
    responses=problems(404, 409, 422),
)  # fmt: skip
async def begin(wanted: CampaignIn, server: TheServer, person: ThePerson) -> CampaignOut:
    """One room first, then 5 %, 25 %, all; it stops where a room goes back or is less ready than before."""
    made = await server.releases.begin(wanted.version, wanted.rate_kbit_s, person.name, wanted.canary)
    return campaign_out(made, set(server.fleet.entries))


@router.post(
    "/releases/campaign/act", dependencies=[needs(Act.ROLL_OUT)], summary="Pause it, go on, or end it",
    responses=problems(404, 409, 422),
)  # fmt: skip
async def act(wanted: ActIn, server: TheServer) -> CampaignOut:
    """Rooms that have it keep it."""
    return campaign_out(await server.releases.set_state(ACTS[wanted.act]), set(server.fleet.entries))


@router.get(
    "/release-bundles/{ticket}", dependencies=[open_to_all("the ticket of a room whose turn it is is what counts")],
    summary="The bundle for a room", responses=problems(404, 416, 422), response_class=StreamingResponse,
)  # fmt: skip
async def bundle(ticket: Ticket, server: TheServer, wanted: Range = None) -> StreamingResponse:
    """From where the room left off, no faster than the campaign allows."""
    return file_for(server.releases, ticket, wanted, server.clock)
