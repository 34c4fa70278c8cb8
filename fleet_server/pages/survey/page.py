"""GET and POST /sites/{site}/survey: the ten groups of a room, what is missing, how far the site has come."""

from typing import Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import Site, TheServer
from fleet_server.api.language import Language
from fleet_server.domain.access import Act
from fleet_server.domain.rollout import BY_HAND, GROUPS, STAGES, Piece, Stage, Survey
from fleet_server.errors import FleetError, Invalid
from fleet_server.pages.form import Form, form_of, one
from fleet_server.pages.render import render
from fleet_server.server import Server
from fleet_server.texts import error_text

router = APIRouter()

_RATES = ("line_down_mbit_s", "line_up_mbit_s")
_HAS = {"yes": True, "no": False}


@router.get("/sites/{site}/survey", dependencies=[needs(Act.SEE)])
async def page(site: Site, request: Request, server: TheServer) -> HTMLResponse:
    """The whole page."""
    return _page(request, server, site)


@router.post("/sites/{site}/survey", dependencies=[needs(Act.SURVEY)])
async def save(site: Site, request: Request, server: TheServer, person: ThePerson, lang: Language) -> Response:
    """Keep it, and show what is missing."""
    form = await form_of(request)
    try:
        await server.rollout.save_surveys({site: _survey(form)}, person.name)
        if "desire" in form:
            await server.rollout.desire_survey(site, person.name)
    except FleetError as error:
        problem = error_text(lang, error)
        return _page(request, server, site, problem, error.status, _as_typed(form))
    return RedirectResponse(f"/sites/{site}/survey", 303)


@router.post("/sites/{site}/stage", dependencies=[needs(Act.SURVEY)])
async def say_stage(site: Site, request: Request, server: TheServer, person: ThePerson, lang: Language) -> Response:
    """How far a person says the site has come."""
    form = await form_of(request)
    try:
        stage = Stage(one(form, "stage", 20))
        await server.rollout.say_stage(site, stage, person.name, one(form, "note", 500))
    except ValueError:
        raise Invalid("form.unreadable") from None
    except FleetError as error:
        return _page(request, server, site, error_text(lang, error), error.status)
    return RedirectResponse(f"/sites/{site}/survey", 303)


def _page(
    request: Request, server: Server, site: str, problem: str = "", status: int = 200, typed: Survey | None = None
) -> HTMLResponse:
    progress = server.rollout.progress(site)
    catalogue = server.fleet.catalogue
    drivers = {
        group: [name for role in roles for name in catalogue.drivers_of(role)] for group, roles in GROUPS.items()
    }
    takes_of = server.fleet.catalogue.takes_of
    takes = {group: frozenset[str]().union(*(takes_of(role) for role in roles)) for group, roles in GROUPS.items()}
    return render(
        request, "survey/page.html", status, progress=progress, entry=progress.entry, groups=GROUPS, drivers=drivers,
        takes=takes,
        survey=typed or (progress.survey.survey if progress.survey else Survey()), stages=STAGES, by_hand=BY_HAND,
        desired=server.rollout.desired.get(site, ()), problem=problem,
    )  # fmt: skip


def _survey(form: Form) -> Survey:
    """What was typed in. Raises Invalid."""
    whole, pieces = _typed(form)
    for name in _RATES:
        whole[name] = _number(name, whole[name]) if whole[name] else None
    for group, piece in pieces.items():
        piece["year"] = _number(f"{group}.year", piece["year"]) if piece["year"] else None
    try:
        return msgspec.convert({**whole, "pieces": pieces}, Survey)
    except msgspec.ValidationError as error:
        raise Invalid("invalid", where="survey", reason=str(error)[:200]) from error


def _as_typed(form: Form) -> Survey:
    """The same as it stands in the form, right or wrong: nobody types twice."""
    whole, pieces = _typed(form)
    return Survey({group: Piece(**piece) for group, piece in pieces.items()}, **whole)


def _typed(form: Form) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    pieces: dict[str, dict[str, Any]] = {}
    for group in (group for group, roles in GROUPS.items() if roles):
        texts = ("make", "model", "address", "username", "note", "year")
        pieces[group] = {
            **{field: one(form, f"{group}.{field}", 4 if field == "year" else 500) for field in texts},
            "has": _HAS.get(one(form, f"{group}.has", 8)),
            "has_password": f"{group}.has_password" in form,
            "driver": one(form, f"{group}.driver", 64) or None,
        }
    return {name: one(form, name, 120) for name in ("contact", "phone", "line_kind", *_RATES)}, pieces


def _number(name: str, text: str) -> float:
    try:
        found = float(text.replace(",", "."))
    except ValueError:
        raise Invalid("invalid", where=name, reason=text[:40]) from None
    return int(found) if found.is_integer() else found
