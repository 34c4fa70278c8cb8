"""From survey to service: surveys, stages, desired and found devices, provisioning."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import Device, Site, TheServer
from fleet_server.api.problems import problems
from fleet_server.domain.access import Act
from fleet_server.domain.rollout import GROUPS, Stage, Survey
from fleet_server.errors import Invalid, NotFound
from fleet_server.rollout.desk import SiteProgress

router = APIRouter(tags=["rollout"])

SecretName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", examples=["camera-1"])]
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


class SecretIn(BaseModel):
    """A password of the room's equipment. It is kept sealed and can be read by nobody."""

    value: Annotated[str, Field(min_length=1, max_length=256)]


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


@router.get("/progress", dependencies=[needs(Act.SEE)], summary="How far every site has come")
async def progress(server: TheServer) -> ProgressesOut:
    """By name, the hub first."""
    sites = server.rollout.all_progress()
    return ProgressesOut(items=[_progress(site) for site in sites if site.entry.site.id in server.fleet.entries])


@router.put(
    "/sites/{site}/survey",
    dependencies=[needs(Act.SURVEY)],
    summary="Keep what a survey found",
    responses=problems(404, 422),
)
async def put_survey(site: Site, survey: SurveyIn, server: TheServer, person: ThePerson) -> ProgressOut:
    """It replaces the one before; answers with what is missing."""
    try:
        found = msgspec.convert(survey.model_dump(), Survey)
    except msgspec.ValidationError as error:
        raise Invalid("invalid", where="survey", reason=str(error)[:200]) from error
    await server.rollout.save_surveys({site: found}, person.name)
    return _progress(server.rollout.progress(site))


@router.get(
    "/sites/{site}/survey", dependencies=[needs(Act.SEE)], summary="What a survey found", responses=problems(404, 422)
)
async def get_survey(site: Site, server: TheServer) -> SurveyIn:
    """Empty where nobody has surveyed the site."""
    row = server.rollout.progress(site).survey
    return SurveyIn.model_validate(msgspec.to_builtins(row.survey if row else Survey()))


@router.post(
    "/sites/{site}/stage",
    dependencies=[needs(Act.SURVEY)],
    summary="Say how far a site has come",
    responses=problems(404, 422),
)
async def post_stage(site: Site, wanted: StageIn, server: TheServer, person: ThePerson) -> ProgressOut:
    """Equipped, piloted or in service; the others show by themselves."""
    await server.rollout.say_stage(site, wanted.stage, person.name, wanted.note)
    return _progress(server.rollout.progress(site))


@router.post(
    "/sites/{site}/desired",
    dependencies=[needs(Act.PROVISION)],
    summary="Turn the survey into the room's configuration",
    responses=problems(404, 409, 422),
)
async def post_desired(site: Site, server: TheServer, person: ThePerson) -> list[dict[str, Any]]:
    """The devices that the room's agent is told to watch, beside those of its own file."""
    found: list[dict[str, Any]] = msgspec.to_builtins(await server.rollout.desire_survey(site, person.name))
    return found


@router.post(
    "/sites/{site}/found",
    dependencies=[needs(Act.PROVISION)],
    summary="Accept a found device into the room",
    responses=problems(404, 422),
)
async def accept_found(site: Site, wanted: AcceptIn, server: TheServer, person: ThePerson) -> dict[str, Any]:
    """The room's agent watches it from now on."""
    device = await server.rollout.accept_found(site, wanted.address, wanted.username, person.name)
    found: dict[str, Any] = msgspec.to_builtins(device)
    return found


@router.post("/sites/{site}/devices/{device}/accept", dependencies=[needs(Act.PROVISION)], status_code=204,
             summary="Accept a device that took the place of another", responses=problems(404, 422))  # fmt: skip
async def accept_swapped(site: Site, device: Device, server: TheServer, person: ThePerson) -> None:
    """The one that answers now is the right one."""
    await server.rollout.accept_swapped(site, device, person.name)


def _progress(site: SiteProgress) -> ProgressOut:
    return ProgressOut(
        site=site.entry.site.id, name=site.entry.site.name, stage=site.stage,
        missing=list(site.gaps.missing) if site.gaps else [],
        unknown=list(site.gaps.unknown) if site.gaps else list(GROUPS),
        without_driver=list(site.gaps.without_driver) if site.gaps else [],
        surveyed_at=site.survey.at if site.survey else None,
    )  # fmt: skip


@router.put(
    "/sites/{site}/secrets/{name}", status_code=204, dependencies=[needs(Act.PROVISION)],
    summary="Keep a password of the room's equipment", responses=problems(404, 422),
)  # fmt: skip
async def put_secret(site: Site, name: SecretName, wanted: SecretIn, server: TheServer, person: ThePerson) -> None:
    """Desired devices name it; the room is told it sealed to its machine."""
    await server.secrets.put(site, name, wanted.value, person.name)


@router.delete(
    "/sites/{site}/secrets/{name}", status_code=204, dependencies=[needs(Act.PROVISION)],
    summary="Forget a password", responses=problems(404, 422),
)  # fmt: skip
async def drop_secret(site: Site, name: SecretName, server: TheServer) -> None:
    """The room goes back to what it keeps itself under this name."""
    await server.secrets.drop(site, name)


@router.get("/sites/{site}/secrets", dependencies=[needs(Act.SEE)], summary="Which passwords are kept",
            responses=problems(404, 422))  # fmt: skip
async def get_secrets(site: Site, server: TheServer) -> list[str]:
    """Their names alone."""
    if site not in server.fleet.entries:
        raise NotFound("sites.not_found", site=site)
    return sorted(server.secrets.names(site))
