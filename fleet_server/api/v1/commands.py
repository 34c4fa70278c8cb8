"""POST /sites/{site}/devices/{device}/commands and GET /commands/{id}."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from fleet_server.api.access import ThePerson, needs, origin_of
from fleet_server.api.context import Device, IdempotencyKey, Identifier, Site, TheServer
from fleet_server.api.problems import problems
from fleet_server.commands.desk import Wish
from fleet_server.domain.access import Act
from fleet_server.domain.commands import State
from fleet_server.errors import NotFound

router = APIRouter(tags=["commands"])


class CommandIn(BaseModel):
    """What is asked of a device."""

    action: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{0,63}$", examples=["reboot"])]
    params: Annotated[
        dict[
            Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{0,63}$")],
            bool
            | Annotated[float, Field(allow_inf_nan=False, ge=-1e15, le=1e15)]
            | Annotated[str, Field(max_length=500)],
        ],
        Field(max_length=16),
    ] = {}
    reason: Annotated[str, Field(max_length=500, examples=["Hình ảnh đứng yên"])] = ""
    override: bool = Field(False, description="Act although a session is live in the room; wants a reason")


class StepOut(BaseModel):
    """One step of a command."""

    at: datetime
    state: State
    detail: str = Field(description="What happened, as a key", examples=["gone"])
    params: dict[str, bool | float | str | None]


class CommandOut(BaseModel):
    """A command and how far it has come."""

    id: str
    site: str
    device: str
    action: str
    state: State
    reason: str
    requested_by: str
    approval: str | None = Field(description="Who said the second yes; empty while it is waited for")
    requested_at: datetime
    expires_at: datetime
    steps: list[StepOut]


@router.post(
    "/sites/{site}/devices/{device}/commands", dependencies=[needs(Act.COMMAND)], status_code=202,
    summary="Ask a device for one of its actions",
    responses=problems(404, 409, 422),
)  # fmt: skip
async def request_command(
    site: Site, device: Device, wish: CommandIn, server: TheServer, person: ThePerson, request: Request,
    idempotency_key: IdempotencyKey = None,
) -> CommandOut:  # fmt: skip
    """Answers at once; follow it with `GET /commands/{id}`."""
    asked = Wish(wish.action, {**wish.params}, wish.reason, wish.override)
    origin = origin_of(request)
    row = await server.commands.request(
        site, device, asked, by=person.name, origin=origin, key=person.own_key(idempotency_key), user=person.user
    )
    return await _command_out(server, row.id)


@router.get(
    "/commands/{id}", dependencies=[needs(Act.SEE)], summary="How far a command has come", responses=problems(404, 422)
)
async def get_command(id: Identifier, server: TheServer) -> CommandOut:
    """Its state and every step with its time."""
    return await _command_out(server, id)


@router.post(
    "/commands/{id}/approval", status_code=202, dependencies=[needs(Act.APPROVE)], summary="The second yes",
    responses=problems(404, 409, 422),
)  # fmt: skip
async def approve(id: Identifier, server: TheServer, person: ThePerson) -> CommandOut:
    """By another person than the one who asked; then the command is sent."""
    await _command_out(server, id)
    await server.commands.approve(id, person.name, person.user)
    return await _command_out(server, id)


async def _command_out(server: TheServer, command: str) -> CommandOut:
    row = await server.commands.find(command)
    if row.site not in server.fleet.entries:
        raise NotFound("commands.not_found", command=command)
    return CommandOut(
        id=row.id, site=row.site, device=row.device, action=row.action, state=row.state, reason=row.reason,
        requested_by=row.requested_by, approval=row.approval, requested_at=row.requested_at, expires_at=row.expires_at,
        steps=[
            StepOut(at=step.at, state=step.state, detail=step.detail, params=step.params)
            for step in await server.commands.steps(command)
        ],
    )  # fmt: skip
