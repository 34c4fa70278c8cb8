"""GET /line-probes/{ticket}/down and POST …/up: the bytes of an admitted line test."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from fleet_server.api.access import open_to_all
from fleet_server.api.context import TheServer
from fleet_server.api.problems import problems
from wire.probe import SECONDS_HEADER

router = APIRouter(tags=["line tests"])

Secret = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{16,64}$", description="What the room was given with its command")]


class TakenOut(BaseModel):
    """What came up."""

    mbit_s: float
    seconds: float
    cut: bool = Field(description="It had to yield; the number means little")


@router.get(
    "/line-probes/{ticket}/down",
    dependencies=[open_to_all("the ticket is what counts")],
    summary="Bytes for a room with a ticket",
    responses=problems(404, 409, 422),
)
async def down(ticket: Secret, server: TheServer) -> StreamingResponse:
    """Noise for as many seconds as the header says, paced; it ends early when the test must yield."""
    known = server.line_tests.tickets.use(ticket, "down")
    return StreamingResponse(
        server.line_tests.tickets.bytes_down(known), media_type="application/octet-stream",
        headers={SECONDS_HEADER: f"{known.seconds:g}", "Cache-Control": "no-store", "Content-Encoding": "identity"},
    )  # fmt: skip


@router.post(
    "/line-probes/{ticket}/up",
    dependencies=[open_to_all("the ticket is what counts")],
    summary="Bytes from a room with a ticket",
    responses=problems(404, 409, 422),
)
async def up(ticket: Secret, request: Request, server: TheServer) -> TakenOut:
    """Takes them at the ticket's rate and says how fast they came; none of them is kept."""
    known = server.line_tests.tickets.use(ticket, "up")
    taken = await server.line_tests.tickets.take_up(known, request.stream())
    return TakenOut(mbit_s=taken.mbit_s, seconds=taken.seconds, cut=taken.cut)
