"""Links for people in the rooms: make one, see who has opened theirs."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import Identifier, Site, TheServer
from fleet_server.api.problems import problems
from fleet_server.api.v1.sessions import visible_session
from fleet_server.domain.access import Act
from fleet_server.sessions.confirmations import room_link

router = APIRouter(tags=["sessions"])


class InvitationIn(BaseModel):
    """Whom the link is for."""

    name: Annotated[str, Field(min_length=1, max_length=120, pattern=r"\S")]
    phone: Annotated[str, Field(max_length=40)] = ""


class LinkOut(BaseModel):
    """The link; it is shown now and never again."""

    link: str


class InvitationOut(BaseModel):
    """A link that was made."""

    site: str
    name: str
    phone: str
    by: str
    made_at: datetime
    expires_at: datetime
    opened_at: datetime | None


class InvitationsOut(BaseModel):
    """Links of a session, the first made first."""

    items: list[InvitationOut]


@router.post(
    "/sessions/{id}/sites/{site}/invitations", dependencies=[needs(Act.INVITE)], status_code=201,
    summary="A link for whoever is on duty in a room", responses=problems(404, 409, 422),
)  # fmt: skip
async def invite(
    id: Identifier, site: Site, wanted: InvitationIn, server: TheServer, person: ThePerson
) -> LinkOut:  # fmt: skip
    """It opens once, on one telephone, and ends an hour after the session. A new one for a name voids the old."""
    await visible_session(server, id)
    session = await server.sessions.open_one(id)
    code = await server.confirmations.invite(session, site, wanted.name, wanted.phone, person.name)
    return LinkOut(link=room_link(server.settings.own_url, code))


@router.get(
    "/sessions/{id}/invitations", dependencies=[needs(Act.INVITE)], summary="Who was sent a link",
    responses=problems(404, 422),
)  # fmt: skip
async def invited(id: Identifier, server: TheServer) -> InvitationsOut:
    """And who has opened it."""
    session = await visible_session(server, id)
    return InvitationsOut(
        items=[
            InvitationOut(
                site=row.site, name=row.name, phone=row.phone, by=row.by, made_at=row.made_at,
                expires_at=row.expires_at, opened_at=row.opened_at,
            )
            for row in await server.confirmations.invited(session.id) if row.site in server.fleet.entries
        ]
    )  # fmt: skip
