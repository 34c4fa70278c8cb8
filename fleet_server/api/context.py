"""What a route may ask for, and the form of what comes in a path."""

from typing import Annotated

from fastapi import Depends, Header, Path, Request
from msgspec.structs import replace

from fleet_server.domain.access import Person
from fleet_server.server import Server
from wire.ids import SLUG, UUID


def server_of(request: Request) -> Server:
    """The server that this application belongs to, with the sites that the one who asks may see and no others."""
    found: Server = request.app.state.server
    person: Person | None = getattr(request.state, "person", None)
    if person is None or person.is_everywhere:
        return found
    return replace(found, fleet=found.fleet.seen_at(person.sites))


TheServer = Annotated[Server, Depends(server_of)]
Site = Annotated[str, Path(pattern=SLUG, description="A site's id", examples=["38-14797"])]
Device = Annotated[str, Path(pattern=SLUG, description="A device's id", examples=["camera-1"])]
Identifier = Annotated[str, Path(pattern=UUID, description="A UUIDv7")]
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=160, pattern=r"^[!-~]+$", description="Repeat it to ask for the same thing once"),
]
