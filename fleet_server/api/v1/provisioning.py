"""A room against its profiles, and runs that set what differs."""

from datetime import datetime
from typing import Any, Literal

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, Field

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import Identifier, Site, TheServer
from fleet_server.api.language import Language
from fleet_server.api.problems import problems
from fleet_server.domain.access import Act
from fleet_server.errors import NotFound
from fleet_server.server import Server
from fleet_server.store.rollout import RunRow
from fleet_server.texts import Lang
from fleet_server.views import firmware_text

router = APIRouter(tags=["rollout"])


class DriftOut(BaseModel):
    """A setting that is not as wanted."""

    key: str
    wanted: bool | float | str | None
    found: bool | float | str | None
    differs: Literal["fail", "warn", "mend"]
    since: float = Field(description="Seconds since the epoch")
    settable: bool = Field(description="`provision` can set it")


class DeviceProvisionOut(BaseModel):
    """One device against its profile."""

    device: str
    role: str
    right: bool
    profile: str | None
    firmware_accepted: bool
    firmware: str = Field(description="Why, as a sentence")
    swapped: bool = Field(description="Another device answers than the one that was accepted")
    drifts: list[DriftOut]


class SlotOut(BaseModel):
    """One slot of the blueprint."""

    slot: str
    roles: list[str]
    wanted: int
    right: bool
    devices: list[DeviceProvisionOut]


class RunStepOut(BaseModel):
    """One setting of a run."""

    device: str
    key: str
    wanted: bool | float | str | None
    found: bool | float | str | None
    action: str
    state: str
    command: str | None
    detail: str


class RunOut(BaseModel):
    """A provisioning run."""

    id: str
    state: Literal["running", "done", "failed", "rolled_back", "interrupted"]
    by: str
    started_at: datetime
    ended_at: datetime | None
    steps: list[RunStepOut]


class ProvisioningOut(BaseModel):
    """A room against its blueprint and its profiles."""

    provisioned: bool
    slots: list[SlotOut]
    found: list[dict[str, Any]] = Field(description="What the room's agent found and nobody has accepted")
    applied_at: float | None
    last_run: RunOut | None


@router.get(
    "/sites/{site}/provisioning",
    dependencies=[needs(Act.SEE)],
    summary="A room against its profiles",
    responses=problems(404, 422),
)
async def get_provisioning(site: Site, server: TheServer, lang: Language) -> ProvisioningOut:
    """Slot by slot: which device, which profile, firmware, what differs; and the last run."""
    return await _provisioning(server, site, lang)


@router.post(
    "/sites/{site}/provisioning",
    dependencies=[needs(Act.PROVISION)],
    status_code=202,
    summary="Set what differs",
    responses=problems(404, 409, 422),
)
async def post_provisioning(site: Site, server: TheServer, person: ThePerson) -> RunOut:
    """Answers at once; follow it with `GET /provisioning-runs/{id}`."""
    return _run(await server.provision.ask(site, person.name))


@router.get(
    "/provisioning-runs/{id}",
    dependencies=[needs(Act.SEE)],
    summary="How far a run has come",
    responses=problems(404, 422),
)
async def get_run(id: Identifier, server: TheServer) -> RunOut:
    """Every step with what became of it."""
    run = await server.provision.find(id)
    if run.site not in server.fleet.entries:
        raise NotFound("rollout.no_run", run=id)
    return _run(run)


async def _provisioning(server: Server, site: str, lang: Lang) -> ProvisioningOut:
    entry = server.rollout.progress(site).entry
    settable = {(step.device, step.key) for step in server.provision.plan(site)[0]}
    run = await server.provision.newest(site)
    about = entry.room.about
    return ProvisioningOut(
        provisioned=entry.provisioned, applied_at=entry.kept.applied_at, last_run=_run(run) if run else None,
        found=msgspec.to_builtins(about.found) if about is not None else [],
        slots=[
            SlotOut(
                slot=slot.slot, roles=list(slot.roles), wanted=slot.wanted, right=slot.is_right,
                devices=[
                    DeviceProvisionOut(
                        device=state.device, role=state.role, right=state.is_right,
                        profile=state.profile.family if state.profile else None,
                        firmware_accepted=state.firmware.accepted, firmware=firmware_text(lang, state.firmware),
                        swapped=state.swapped_for is not None,
                        drifts=[
                            DriftOut(
                                key=drift.key, wanted=drift.wanted, found=drift.found, differs=drift.differs,
                                since=drift.since, settable=(drift.device, drift.key) in settable,
                            )
                            for drift in state.drifts
                        ],
                    )
                    for state in slot.devices
                ],
            )
            for slot in entry.provisioning.slots
        ],
    )  # fmt: skip


def _run(run: RunRow) -> RunOut:
    found: dict[str, Any] = msgspec.to_builtins(run)
    return RunOut.model_validate(found)
