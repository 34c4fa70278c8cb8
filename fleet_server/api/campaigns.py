"""What releases and firmware have in common for callers: a campaign, what may become of it, and the file itself."""

import re
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Header, Path
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from fleet_server.campaigns.desk import LEAST_KBIT_S, MOST_KBIT_S, CampaignDesk
from fleet_server.campaigns.paced import paced
from fleet_server.domain.waves import State
from fleet_server.store.campaigns import Campaign
from wire.ids import SLUG
from wire.times import Clock

Ticket = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="What the room was given with its configuration")]
Range = Annotated[str | None, Header(alias="Range", max_length=40)]
Rate = Annotated[int, Field(ge=LEAST_KBIT_S, le=MOST_KBIT_S, description="Of each room's line, in kbit/s")]
Canary = Annotated[str, Field(pattern=rf"^$|{SLUG}", description="The room that goes first")]
ACTS = {"pause": State.PAUSED, "go_on": State.RUNNING, "stop": State.STOPPED}
_RANGE = re.compile(r"bytes=(\d{1,12})-")


class RoomOut(BaseModel):
    """One room of the campaign, or one device of a room."""

    site: str
    device: str = Field(description="Empty where it is the room itself")
    wave: int
    step: str
    since: datetime | None
    detail: str


class CampaignOut(BaseModel):
    """One release, or one image, on its way."""

    id: str
    version: str
    state: str
    hours: str = Field(description="In which part of the day; empty: always")
    why: str = Field(description="The site that stopped it")
    by: str
    made_at: datetime
    rooms: list[RoomOut]


class ActIn(BaseModel):
    """What is to become of it."""

    act: Literal["pause", "go_on", "stop"]


def campaign_out(found: Campaign, seen: set[str]) -> CampaignOut:
    """A campaign, with those of its rooms that the caller may see."""
    rooms = [
        RoomOut(
            site=room.site, device=room.device, wave=room.wave, step=str(room.step), since=room.since,
            detail=room.detail,
        )
        for room in found.rooms if room.site in seen
    ]  # fmt: skip
    return CampaignOut(
        id=found.id, version=found.version, state=str(found.state), hours=found.hours, why=found.why, by=found.by,
        made_at=found.made_at, rooms=rooms,
    )  # fmt: skip


def file_for(desk: CampaignDesk, ticket: str, wanted: str | None, clock: Clock) -> StreamingResponse:
    """From where the room left off (RFC 9110, 14.2: one open range), no faster than the campaign allows.

    Raises NotFound.
    """
    found, rate = desk.opened_by(ticket)
    asked = _RANGE.fullmatch(wanted) if wanted else None
    start = int(asked[1]) if asked else 0
    if start >= found.size:
        start, asked = 0, None
    headers = {"Content-Length": str(found.size - start), "Cache-Control": "no-store", "Accept-Ranges": "bytes",
               "Content-Encoding": "identity"}  # fmt: skip
    if asked:
        headers["Content-Range"] = f"bytes {start}-{found.size - 1}/{found.size}"
    body = paced(found.file, start, rate, desk.line, clock.monotonic)
    return StreamingResponse(body, 206 if asked else 200, headers, "application/octet-stream")
