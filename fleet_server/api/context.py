"""What a route may ask for, and the form of what comes in a path."""

from typing import Annotated

from fastapi import Depends, Header, Path, Request

from fleet_server.server import Server
from wire.ids import SLUG, UUID


def server_of(request: Request) -> Server:
    """The server that this application belongs to."""
    found: Server = request.app.state.server
    return found


TheServer = Annotated[Server, Depends(server_of)]
Site = Annotated[str, Path(pattern=SLUG, description="A site's id", examples=["38-14797"])]
Device = Annotated[str, Path(pattern=SLUG, description="A device's id", examples=["camera-1"])]
Identifier = Annotated[str, Path(pattern=UUID, description="A UUIDv7")]
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=200, pattern=r"^[!-~]+$", description="Repeat it to ask for the same thing once"),
]
