"""GET and POST /sites/{site}/survey: the ten groups of a room, what is missing, how far the site has come."""

from typing import Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fleet_server.api.context import Site, TheServer
from fleet_server.api.language import Language
from fleet_server.api.v1.commands import NOBODY
from fleet_server.domain.rollout import BY_HAND, GROUPS, STAGES, Stage, Survey
from fleet_server.errors import FleetError, Invalid
from fleet_server.pages.form import form_of
from fleet_server.pages.render import render
from fleet_server.server import Server
from fleet_server.texts import translate

router = APIRouter()

_HAS = {"yes": True, "no": False}
Form = dict[str, list[str]]


@router.get("/sites/{site}/survey")
async def page(site: Site, request: Request, server: TheServer) -> HTMLResponse:
    """The whole page."""
    return _page(request, server, site)


@router.post("/sites/{site}/survey")
async def save(site: Site, request: Request, server: TheServer, lang: Language) -> Response:
    """Keep it, and show what is missing."""
    form = await form_of(request)
    try:
        await server.rollout.save_surveys({site: _survey(form)}, NOBODY)
        if "desire" in form:
            await server.rollout.desire_survey(site, NOBODY)
    except FleetError as error:
        return _page(request, server, site, translate(lang, f"errors.{error.key}", **error.params), error.status)
    return RedirectResponse(f"/sites/{site}/survey", 303)


@router.post("/sites/{site}/stage")
async def say_stage(site: Site, request: Request, server: TheServer, lang: Language) -> Response:
    """How far a person says the site has come."""
    form = await form_of(request)
    try:
        stage = Stage(_one(form, "stage", 20))
        await server.rollout.say_stage(site, stage, NOBODY, _one(form, "note", 500))
    except ValueError:
        raise Invalid("form.unreadable") from None
    except FleetError as error:
        return _page(request, server, site, translate(lang, f"errors.{error.key}", **error.params), error.status)
    return RedirectResponse(f"/sites/{site}/survey", 303)


def _page(request: Request, server: Server, site: str, problem: str = "", status: int = 200) -> HTMLResponse:
    progress = server.rollout.progress(site)
    catalogue = server.fleet.catalogue
    drivers = {
        group: [name for role in roles for name in catalogue.drivers_of(role)] for group, roles in GROUPS.items()
    }
    return render(
        request, "survey/page.html", status, progress=progress, entry=progress.entry, groups=GROUPS, drivers=drivers,
        survey=progress.survey.survey if progress.survey else Survey(), stages=STAGES, by_hand=BY_HAND,
        desired=server.rollout.desired.get(site, ()), problem=problem,
    )  # fmt: skip


def _survey(form: Form) -> Survey:
    """What was typed in. Raises Invalid."""
    pieces: dict[str, dict[str, Any]] = {}
    for group, roles in GROUPS.items():
        if not roles:
            continue
        piece: dict[str, Any] = {
            field: _one(form, f"{group}.{field}", 500) for field in ("make", "model", "address", "username", "note")
        }
        piece["has"] = _HAS.get(_one(form, f"{group}.has", 8))
        piece["has_password"] = f"{group}.has_password" in form
        if driver := _one(form, f"{group}.driver", 64):
            piece["driver"] = driver
        if year := _one(form, f"{group}.year", 4):
            piece["year"] = _number(f"{group}.year", year)
        pieces[group] = piece
    whole: dict[str, Any] = {name: _one(form, name, 120) for name in ("contact", "phone", "line_kind")}
    for name in ("line_down_mbit_s", "line_up_mbit_s"):
        if text := _one(form, name, 12):
            whole[name] = _number(name, text)
    try:
        return msgspec.convert({**whole, "pieces": pieces}, Survey)
    except msgspec.ValidationError as error:
        raise Invalid("invalid", where="survey", reason=str(error)[:200]) from error


def _number(name: str, text: str) -> float:
    try:
        found = float(text.replace(",", "."))
    except ValueError:
        raise Invalid("invalid", where=name, reason=text[:40]) from None
    return int(found) if found.is_integer() else found


def _one(form: Form, name: str, most: int) -> str:
    return form.get(name, [""])[0].strip()[:most]
