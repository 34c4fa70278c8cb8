"""Firmware of rooms' devices: which images there are, the campaign, and the image for a room whose turn it is."""

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from fleet_server.api.access import ThePerson, needs, open_to_all
from fleet_server.api.campaigns import ACTS, ActIn, CampaignOut, Canary, Range, Rate, Ticket, campaign_out, file_for
from fleet_server.api.context import TheServer
from fleet_server.api.problems import problems
from fleet_server.domain.access import Act

router = APIRouter(tags=["firmware"])


class DeviceOut(BaseModel):
    """A device that an image would go to."""

    site: str
    device: str


class ImageOut(BaseModel):
    """One signed image."""

    image: str = Field(description="SHA-256 of the signed file")
    family: str = Field(description="The profile that it is for")
    version: str
    models: list[str] = Field(description="Only these; empty: all of the family")
    size: int = Field(description="Bytes of the signed file")
    targets: list[DeviceOut] = Field(description="Devices that run something older, and can take it")


class FirmwareOut(BaseModel):
    """All of it."""

    items: list[ImageOut]
    campaign: CampaignOut | None


class FirmwareCampaignIn(BaseModel):
    """An image for every device that it is for."""

    image: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    rate_kbit_s: Rate = 1_000
    canary: Canary = ""
    hours: Annotated[str, Field(max_length=20, description="20:00-05:00 by the server's time zone; empty: always")] = ""


@router.get("/firmware", dependencies=[needs(Act.SEE)], summary="Firmware images, and the campaign")
async def firmware(server: TheServer, person: ThePerson) -> FirmwareOut:
    """What devices can be offered, and how far they are."""
    seen, items = set(server.fleet.entries), []
    for each in server.firmware.images.all():
        units = server.firmware.targets(each)
        items.append(
            ImageOut(
                image=each.parcel.subject, family=each.described.family, version=each.described.version,
                models=list(each.described.models), size=each.parcel.size,
                targets=[DeviceOut(site=site, device=device) for site, device in units if site in seen],
            )
        )  # fmt: skip
    current = server.firmware.current
    return FirmwareOut(items=items, campaign=campaign_out(current, seen) if current else None)


@router.post(
    "/firmware/campaign", dependencies=[needs(Act.ROLL_OUT)], status_code=201, summary="An image for its devices",
    responses=problems(404, 409, 422),
)  # fmt: skip
async def begin(wanted: FirmwareCampaignIn, server: TheServer, person: ThePerson) -> CampaignOut:
    """One device first, then 5 %, 25 %, all; never near a session; it stops where a device fails."""
    made = await server.firmware.begin(
        wanted.image, wanted.rate_kbit_s, person.name, wanted.canary, wanted.hours
    )  # fmt: skip
    return campaign_out(made, set(server.fleet.entries))


@router.post(
    "/firmware/campaign/act", dependencies=[needs(Act.ROLL_OUT)], summary="Pause it, go on, or end it",
    responses=problems(404, 409, 422),
)  # fmt: skip
async def act(wanted: ActIn, server: TheServer) -> CampaignOut:
    """A device that has begun ends what it is at."""
    return campaign_out(await server.firmware.set_state(ACTS[wanted.act]), set(server.fleet.entries))


@router.get(
    "/firmware-images/{ticket}", dependencies=[open_to_all("the ticket of a room whose turn it is is what counts")],
    summary="The image for a room", responses=problems(404, 416, 422), response_class=StreamingResponse,
)  # fmt: skip
async def image(ticket: Ticket, server: TheServer, wanted: Range = None) -> StreamingResponse:
    """From where the room left off, no faster than the campaign allows."""
    return file_for(server.firmware, ticket, wanted, server.clock)
