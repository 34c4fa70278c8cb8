"""From survey to service: surveys, stages, desired and found devices, provisioning."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, Field

from fleet_server.api.context import Device, Identifier, Site, TheServer
from fleet_server.api.language import Language
from fleet_server.api.problems import problems
from fleet_server.api.v1.commands import NOBODY
from fleet_server.domain.rollout import GROUPS, Stage, Survey
from fleet_server.errors import Invalid
from fleet_server.rollout.desk import SiteProgress
from fleet_server.server import Server
from fleet_server.store.rollout import RunRow
from fleet_server.texts import Lang
from fleet_server.views import firmware_text

router = APIRouter(tags=["rollout"])

Short = Annotated[str, Field(max_length=120)]
Group = Literal["pc", "camera", "sound", "display", "light", "line", "decoder", "storage", "ups", "people"]


class PieceIn(BaseModel):
    """What a survey found of one group."""

    has: bool | None = None
    make: Short = ""
    model: Short = ""
    year: Annotated[int, Field(ge=1990, le=2100)] | None = None
    address: Short = ""
    username: Annotated[str, Field(max_length=64)] = ""
    has_password: bool = Field(False, description="The room keeps it as a secret; it is never sent here")
    driver: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{0,63}$")] | None = None
    note: Annotated[str, Field(max_length=500)] = ""


class SurveyIn(BaseModel):
    """What one room has."""

    pieces: dict[Group, PieceIn] = {}
    contact: Short = ""
    phone: Annotated[str, Field(max_length=40)] = ""
    line_kind: Literal["leased", "internet", ""] = ""
    line_down_mbit_s: Annotated[float, Field(ge=0, le=100_000)] | None = None
    line_up_mbit_s: Annotated[float, Field(ge=0, le=100_000)] | None = None


class StageIn(BaseModel):
    """How far a person says a site has come."""

    stage: Stage
    note: Annotated[str, Field(max_length=500)] = ""


class AcceptIn(BaseModel):
    """Which of the found devices belongs to the room."""

    address: Annotated[str, Field(min_length=1, max_length=120)]
    username: Annotated[str, Field(max_length=64)] = ""


class ProgressOut(BaseModel):
    """How far a site has come."""

    site: str
    name: str
    stage: Stage
    missing: list[str] = Field(description="Groups that the blueprint wants and the room does not have")
    unknown: list[str] = Field(description="Groups that nobody has looked at")
    without_driver: list[str] = Field(description="Groups for whose device no profile is known")
    surveyed_at: datetime | None


class ProgressesOut(BaseModel):
    """Every site with a blueprint."""

    items: list[ProgressOut]


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


@router.get("/progress", summary="How far every site has come")
async def progress(server: TheServer) -> ProgressesOut:
    """By name, the hub first."""
    return ProgressesOut(items=[_progress(site) for site in server.rollout.all_progress()])


@router.put("/sites/{site}/survey", summary="Keep what a survey found", responses=problems(404, 422))
async def put_survey(site: Site, survey: SurveyIn, server: TheServer) -> ProgressOut:
    """It replaces the one before; answers with what is missing."""
    try:
        found = msgspec.convert(survey.model_dump(), Survey)
    except msgspec.ValidationError as error:
        raise Invalid("invalid", where="survey", reason=str(error)[:200]) from error
    await server.rollout.save_surveys({site: found}, NOBODY)
    return _progress(server.rollout.progress(site))


@router.get("/sites/{site}/survey", summary="What a survey found", responses=problems(404, 422))
async def get_survey(site: Site, server: TheServer) -> SurveyIn:
    """Empty where nobody has surveyed the site."""
    row = server.rollout.progress(site).survey
    return SurveyIn.model_validate(msgspec.to_builtins(row.survey if row else Survey()))


@router.post("/sites/{site}/stage", summary="Say how far a site has come", responses=problems(404, 422))
async def post_stage(site: Site, wanted: StageIn, server: TheServer) -> ProgressOut:
    """Equipped, piloted or in service; the others show by themselves."""
    await server.rollout.say_stage(site, wanted.stage, NOBODY, wanted.note)
    return _progress(server.rollout.progress(site))


@router.post("/sites/{site}/desired", summary="Turn the survey into the room's configuration",
             responses=problems(404, 409, 422))  # fmt: skip
async def post_desired(site: Site, server: TheServer) -> list[dict[str, Any]]:
    """The devices that the room's agent is told to watch, beside those of its own file."""
    found: list[dict[str, Any]] = msgspec.to_builtins(await server.rollout.desire_survey(site, NOBODY))
    return found


@router.post("/sites/{site}/found", summary="Accept a found device into the room", responses=problems(404, 422))
async def accept_found(site: Site, wanted: AcceptIn, server: TheServer) -> dict[str, Any]:
    """The room's agent watches it from now on."""
    device = await server.rollout.accept_found(site, wanted.address, wanted.username, NOBODY)
    found: dict[str, Any] = msgspec.to_builtins(device)
    return found


@router.post("/sites/{site}/devices/{device}/accept", status_code=204,
             summary="Accept a device that took the place of another", responses=problems(404, 422))  # fmt: skip
async def accept_swapped(site: Site, device: Device, server: TheServer) -> None:
    """The one that answers now is the right one."""
    await server.rollout.accept_swapped(site, device, NOBODY)


@router.get("/sites/{site}/provisioning", summary="A room against its profiles", responses=problems(404, 422))
async def get_provisioning(site: Site, server: TheServer, lang: Language) -> ProvisioningOut:
    """Slot by slot: which device, which profile, firmware, what differs; and the last run."""
    return await _provisioning(server, site, lang)


@router.post("/sites/{site}/provisioning", status_code=202, summary="Set what differs",
             responses=problems(404, 409, 422))  # fmt: skip
async def post_provisioning(site: Site, server: TheServer) -> RunOut:
    """Answers at once; follow it with `GET /provisioning-runs/{id}`."""
    return _run(await server.provision.ask(site, NOBODY))


@router.get("/provisioning-runs/{id}", summary="How far a run has come", responses=problems(404, 422))
async def get_run(id: Identifier, server: TheServer) -> RunOut:
    """Every step with what became of it."""
    return _run(await server.provision.find(id))


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


def _progress(site: SiteProgress) -> ProgressOut:
    return ProgressOut(
        site=site.entry.site.id, name=site.entry.site.name, stage=site.stage,
        missing=list(site.gaps.missing) if site.gaps else [],
        unknown=list(site.gaps.unknown) if site.gaps else list(GROUPS),
        without_driver=list(site.gaps.without_driver) if site.gaps else [],
        surveyed_at=site.survey.at if site.survey else None,
    )  # fmt: skip


def _run(run: RunRow) -> RunOut:
    found: dict[str, Any] = msgspec.to_builtins(run)
    return RunOut.model_validate(found)
