"""What rooms recorded of a session: the list that each made of it, and whether all of it is still there."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from fleet_server.api.access import ThePerson, needs, origin_of
from fleet_server.api.context import Identifier, TheServer
from fleet_server.api.problems import problems
from fleet_server.api.v1.sessions import visible_session
from fleet_server.domain.access import Act
from fleet_server.domain.recordings import Recordings, Verified
from fleet_server.server import Server

router = APIRouter(tags=["sessions"])


class FileOut(BaseModel):
    """One recording as it was when it was sealed."""

    name: str
    bytes: int
    sha256: str


class VerifiedOut(BaseModel):
    """What the room said when it was last asked."""

    at: datetime
    by: str
    state: Literal["asked", "unchanged", "changed", "failed"]
    detail: str = Field(description="Why, as a key")
    params: dict[str, bool | float | str | None]


class RecordingsOut(BaseModel):
    """Of one device that keeps recordings."""

    site: str
    device: str
    state: Literal["asked", "sealed", "failed"]
    at: datetime
    detail: str = Field(description="Why it failed, as a key")
    manifest: str = Field(description="The name under which the room keeps the list")
    sha256: str = Field(description="Of the list")
    count: int
    bytes: int
    files: list[FileOut] = Field(description="The first forty; all of them stand in the room's list")
    verified: VerifiedOut | None


class AllRecordingsOut(BaseModel):
    """Of the rooms of a session, by site."""

    items: list[RecordingsOut]


class AskedOut(BaseModel):
    """Rooms that read their recordings again."""

    sites: list[str]


@router.get(
    "/sessions/{id}/recordings", dependencies=[needs(Act.RECORD)], summary="What was recorded",
    responses=problems(404, 422),
)  # fmt: skip
async def of_session(id: Identifier, server: TheServer) -> AllRecordingsOut:
    """Each room lists its recordings, with size and SHA-256, once the session is over and its recorder stands."""
    return AllRecordingsOut(items=[_out(room) for room in await visible_recordings(server, id)])


@router.post(
    "/sessions/{id}/recordings", dependencies=[needs(Act.CHECK)], status_code=202,
    summary="Are they still there, unchanged?", responses=problems(404, 409, 422),
)  # fmt: skip
async def verify(id: Identifier, server: TheServer, person: ThePerson, request: Request) -> AskedOut:
    """Every room that is there reads its recordings again and compares; ask GET for the answers."""
    session = await visible_session(server, id)
    return AskedOut(sites=await server.recordings.verify(session, person.name, person.user, origin_of(request)))


async def visible_recordings(server: Server, id: str) -> list[Recordings]:
    """Of a session, of the sites that one sees. Raises NotFound."""
    session = await visible_session(server, id)
    found = await server.recordings.of_session(session.id)
    return [room for room in found if room.site in server.fleet.entries]


def _out(room: Recordings) -> RecordingsOut:
    return RecordingsOut(
        site=room.site, device=room.device, state=room.state, at=room.at, detail=room.detail, manifest=room.manifest,
        sha256=room.sha256, count=room.count, bytes=room.bytes,
        files=[FileOut(name=file.name, bytes=file.bytes, sha256=file.sha256) for file in room.files],
        verified=_verified(room.verified) if room.verified is not None else None,
    )  # fmt: skip


def _verified(answer: Verified) -> VerifiedOut:
    return VerifiedOut(
        at=answer.at, by=answer.by, state=answer.state, detail=answer.detail, params=dict(answer.params)
    )  # fmt: skip
