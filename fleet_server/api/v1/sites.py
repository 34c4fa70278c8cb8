"""GET /sites and GET /sites/{site}."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from fleet_server.api.access import needs
from fleet_server.api.context import Site, TheServer
from fleet_server.api.language import Language
from fleet_server.api.problems import problems
from fleet_server.domain.access import Act
from fleet_server.domain.readiness import Verdict
from fleet_server.errors import NotFound
from fleet_server.state.fleet import SiteEntry
from fleet_server.texts import Lang, check_key
from fleet_server.views import devices_of, label_of, message, moment, sentence, unit_of, worst_first

router = APIRouter(tags=["sites"])


class SiteOut(BaseModel):
    """One site."""

    id: str = Field(examples=["38-14797"])
    name: str = Field(examples=["Phường Hạc Thành"])
    kind: Literal["hub", "commune", "department", "external"]
    verdict: Verdict
    provisioned: bool
    since: datetime = Field(description="When the verdict became what it is")
    set_up: bool = Field(description="Whether the room has ever been what it should be; before, it is being set up")
    message: str = Field(description="The one thing to know of it", examples=["Mọi hạng mục đều đạt."])
    lat: float
    lon: float


class SitesOut(BaseModel):
    """A page of sites."""

    items: list[SiteOut]
    next: str | None = Field(description="Give it back as `cursor` for what follows; null at the end")


class MessageOut(BaseModel):
    """A sentence, and what it was made of."""

    key: str = Field(examples=["checks.power_lasts.on_battery"])
    params: dict[str, Any]
    text: str


class CheckOut(BaseModel):
    """One question about a site, and its answer."""

    check: str = Field(examples=["power_lasts"])
    role: str
    device: str | None
    outcome: Literal["pass", "warn", "fail", "unknown", "waived"]
    required_check: bool = Field(description="Its fail makes the site not ready; else at risk at most")
    observed: bool | float | str | None
    required: bool | float | str | None
    unit: str = Field(description="Of observed and required, where they are numbers", examples=["min"])
    age_s: float | None = Field(description="Age of the oldest evidence; null where there is none")
    message: MessageOut


class ReadingOut(BaseModel):
    """One observed value."""

    key: str
    label: str
    value: bool | float | str | None
    unit: str
    age_s: float | None
    fresh: bool = Field(description="Young enough to be evidence")


class ParamOut(BaseModel):
    """One parameter of an action."""

    name: str
    type: Literal["number", "bool", "text", "choice"]
    values: list[str]
    low: float | None
    high: float | None
    label: str


class ActionOut(BaseModel):
    """One thing that a device can do now."""

    action: str = Field(examples=["reboot"])
    label: str
    params: list[ParamOut]
    blind_s: float = Field(description="How long the room is without the device")
    dangerous: bool = Field(description="It wants a reason")


class DeviceOut(BaseModel):
    """One device."""

    id: str
    role: str
    name: str
    state: str
    detail: str
    readings: list[ReadingOut]
    actions: list[ActionOut]


class SiteDetailOut(SiteOut):
    """One site with all that is known of it."""

    reported_at: datetime | None
    checks: list[CheckOut]
    devices: list[DeviceOut]


@router.get("/sites", dependencies=[needs(Act.SEE)], summary="Sites, filtered", responses=problems(422))
async def list_sites(
    server: TheServer,
    lang: Language,
    verdict: Verdict | None = None,
    kind: Literal["hub", "commune", "department", "external"] | None = None,
    q: Annotated[str | None, Query(max_length=100, description="Part of name, id or code")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> SitesOut:
    """Sites by id, a page at a time."""
    wanted = (q or "").casefold().strip()
    fits = [
        entry
        for site, entry in sorted(server.fleet.entries.items())
        if (cursor is None or site > cursor)
        and (verdict is None or entry.verdict is verdict)
        and (kind is None or entry.site.kind == kind)
        and wanted in f"{entry.site.name} {site} {entry.site.code}".casefold()
    ]
    shown = fits[:limit]
    following = shown[-1].site.id if len(fits) > limit else None
    return SitesOut(items=[SiteOut(**_site(lang, entry)) for entry in shown], next=following)


@router.get("/sites/{site}", dependencies=[needs(Act.SEE)], summary="One site", responses=problems(404, 422))
async def get_site(site: Site, server: TheServer, lang: Language) -> SiteDetailOut:
    """Its verdict, every check with what it rests on, every device with its readings and actions."""
    entry = server.fleet.entries.get(site)
    if entry is None:
        raise NotFound("sites.not_found", site=site)
    now = server.fleet.now()
    received_at = entry.room.received_at
    return SiteDetailOut(
        **_site(lang, entry),
        reported_at=moment(received_at) if received_at is not None else None,
        checks=checks_out(lang, entry, now),
        devices=_devices_out(lang, entry, now),
    )


def checks_out(lang: Lang, entry: SiteEntry, now: float) -> list[CheckOut]:
    """The checks of a site, worst first."""
    return [
        CheckOut(
            check=check.check, role=check.role, device=check.device, outcome=check.outcome.value,
            required_check=check.counts, observed=check.observed, required=check.required, unit=unit_of(check),
            age_s=round(now - check.seen_at, 1) if check.seen_at is not None else None,
            message=MessageOut(
                key=check_key(check.check, check.key), params=dict(check.params), text=message(lang, check, entry)
            ),
        )
        for check in worst_first(entry.judgement.checks)
    ]  # fmt: skip


def _site(lang: Lang, entry: SiteEntry) -> dict[str, Any]:
    site = entry.site
    return {
        "id": site.id, "name": site.name, "kind": site.kind, "verdict": entry.verdict,
        "provisioned": entry.provisioned, "since": moment(entry.since), "set_up": entry.is_set_up,
        "message": sentence(lang, entry), "lat": site.lat, "lon": site.lon,
    }  # fmt: skip


def _devices_out(lang: Lang, entry: SiteEntry, now: float) -> list[DeviceOut]:
    return [
        DeviceOut(
            id=device.id, role=device.role, name=device.name, state=device.state, detail=device.detail,
            readings=[
                ReadingOut(
                    key=reading.key, label=reading.label, value=reading.value, unit=reading.unit,
                    age_s=round(reading.age_s, 1) if reading.age_s is not None else None, fresh=reading.fresh,
                )
                for reading in device.readings
            ],
            actions=[
                ActionOut(
                    action=spec.action, label=label_of(lang, spec.label, spec.action), blind_s=spec.blind_s,
                    dangerous=spec.dangerous,
                    params=[
                        ParamOut(
                            name=param.name, type=param.type, values=list(param.values), low=param.low,
                            high=param.high, label=label_of(lang, param.label, param.name),
                        )
                        for param in spec.params
                    ],
                )
                for spec in device.actions
            ],
        )
        for device in devices_of(lang, entry, now)
    ]  # fmt: skip
