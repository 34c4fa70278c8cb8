"""Releases: what there is, the campaign that is under way, and the bundle for a room whose turn it is."""

import re
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from fleet_server.api.access import ThePerson, needs, open_to_all
from fleet_server.api.context import TheServer
from fleet_server.api.problems import problems
from fleet_server.domain.access import Act
from fleet_server.domain.waves import State
from fleet_server.releases.campaigns import LEAST_KBIT_S, MOST_KBIT_S, paced
from fleet_server.store.campaigns import Campaign
from wire.ids import SLUG

router = APIRouter(tags=["releases"])

Ticket = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="What the room was given with its configuration")]
_RANGE = re.compile(r"bytes=(\d{1,12})-")
_STATES = {"pause": State.PAUSED, "go_on": State.RUNNING, "stop": State.STOPPED}


class ReleaseOut(BaseModel):
    """One bundle."""

    version: str
    size: int = Field(description="Bytes")
    sha256: str


class RoomOut(BaseModel):
    """One room of the campaign."""

    site: str
    wave: int
    step: str
    since: datetime | None
    detail: str


class CampaignOut(BaseModel):
    """One release on its way."""

    id: str
    version: str
    state: str
    why: str = Field(description="The site that stopped it")
    by: str
    made_at: datetime
    rooms: list[RoomOut]


class ReleasesOut(BaseModel):
    """All of it."""

    items: list[ReleaseOut]
    campaign: CampaignOut | None


class CampaignIn(BaseModel):
    """A release for every room that has an agent."""

    version: Annotated[str, Field(min_length=1, max_length=40)]
    rate_kbit_s: Annotated[int, Field(ge=LEAST_KBIT_S, le=MOST_KBIT_S, description="Of each room's line")] = 2_000
    canary: Annotated[str, Field(pattern=rf"^$|{SLUG}", description="The room that goes first")] = ""


class ActIn(BaseModel):
    """What is to become of it."""

    act: Literal["pause", "go_on", "stop"]


@router.get("/releases", dependencies=[needs(Act.SEE)], summary="Releases, and the campaign")
async def releases(server: TheServer, person: ThePerson) -> ReleasesOut:
    """What rooms can be offered, and how far they are."""
    items = [
        ReleaseOut(version=each.version, size=each.size, sha256=each.sha256) for each in server.campaigns.shelf.all()
    ]
    current = server.campaigns.current
    return ReleasesOut(items=items, campaign=_out(current, set(server.fleet.entries)) if current else None)


@router.post(
    "/releases/campaign", dependencies=[needs(Act.ROLL_OUT)], status_code=201, summary="A release for every room",
    responses=problems(404, 409, 422),
)  # fmt: skip
async def begin(wanted: CampaignIn, server: TheServer, person: ThePerson) -> CampaignOut:
    """One room first, then 5 %, 25 %, all; it stops where a room goes back or is less ready than before."""
    made = await server.campaigns.begin(wanted.version, wanted.rate_kbit_s, person.name, wanted.canary)
    return _out(made, set(server.fleet.entries))


@router.post(
    "/releases/campaign/act", dependencies=[needs(Act.ROLL_OUT)], summary="Pause it, go on, or end it",
    responses=problems(404, 409, 422),
)  # fmt: skip
async def act(wanted: ActIn, server: TheServer) -> CampaignOut:
    """Rooms that have it keep it."""
    return _out(await server.campaigns.set_state(_STATES[wanted.act]), set(server.fleet.entries))


@router.get(
    "/release-bundles/{ticket}", dependencies=[open_to_all("the ticket of a room whose turn it is is what counts")],
    summary="The bundle for a room", responses=problems(404, 416, 422), response_class=StreamingResponse,
)  # fmt: skip
async def bundle(
    ticket: Ticket, server: TheServer, wanted: Annotated[str | None, Header(alias="Range", max_length=40)] = None
) -> StreamingResponse:
    """From where the room left off (RFC 9110, 14.2: one open range), no faster than the campaign allows."""
    found, rate = server.campaigns.bundle_for(ticket)
    asked = _RANGE.fullmatch(wanted) if wanted else None
    start = int(asked[1]) if asked else 0
    headers = {"Content-Length": str(found.size - start), "Cache-Control": "no-store", "Accept-Ranges": "bytes",
               "Content-Encoding": "identity"}  # fmt: skip
    if start >= found.size:
        start, asked = 0, None
        headers["Content-Length"] = str(found.size)
    if asked:
        headers["Content-Range"] = f"bytes {start}-{found.size - 1}/{found.size}"
    return StreamingResponse(
        paced(found, start, rate, server.clock.monotonic), 206 if asked else 200, headers, "application/octet-stream"
    )


def _out(found: Campaign, seen: set[str]) -> CampaignOut:
    rooms = [
        RoomOut(site=room.site, wave=room.wave, step=str(room.step), since=room.since, detail=room.detail)
        for room in found.rooms if room.site in seen
    ]  # fmt: skip
    return CampaignOut(
        id=found.id, version=found.version, state=str(found.state), why=found.why, by=found.by, made_at=found.made_at,
        rooms=rooms,
    )  # fmt: skip
