"""POST /zalo/events: what Zalo tells us of people who were written to."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from fleet_server.api.access import open_to_all
from fleet_server.api.context import TheServer
from fleet_server.api.problems import problems
from fleet_server.zalo.events import MOST_BYTES, event_in

router = APIRouter(tags=["alerts"])

Signed = Annotated[str, Header(alias="X-ZEvent-Signature", max_length=200)]
Stamp = Annotated[str, Header(alias="X-ZEvent-Timestamp", max_length=20)]


@router.post(
    "/zalo/events", dependencies=[open_to_all("what Zalo has signed is taken, and nothing else")],
    summary="Zalo's webhook", response_class=Response, responses=problems(403, 413, 422),
)  # fmt: skip
async def take(request: Request, server: TheServer, mac: Signed = "", stamp: Stamp = "") -> Response:
    """An answer to a message, or that one has arrived. Zalo's console tries the address with an empty body."""
    raw = await request.body()
    if not raw and not mac:
        return Response(status_code=200)
    event = event_in(server.consent.settings, raw[: MOST_BYTES + 1], mac, stamp, server.clock.now())
    await server.replies.take(event)
    return Response(status_code=200)
