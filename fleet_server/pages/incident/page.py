"""GET /incidents/{number}: one incident, its story, who was told; and what one can do about it."""

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fleet_server.alerts.wording import title_of
from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import TheServer
from fleet_server.api.language import Language
from fleet_server.api.v1.incidents import Number, handled_incident, silenced_by, visible_incident
from fleet_server.domain.access import Act
from fleet_server.errors import FleetError
from fleet_server.pages.form import form_of, one
from fleet_server.pages.render import render
from fleet_server.server import Server
from fleet_server.texts import Lang, error_text

router = APIRouter()

SNOOZES_H = (1, 4, 12)


@router.get("/incidents/{number}", dependencies=[needs(Act.SEE)])
async def page(number: Number, request: Request, server: TheServer, lang: Language) -> HTMLResponse:
    """The whole page."""
    return render(request, "incident/page.html", **await _values(server, number, lang), problem="")


@router.get("/parts/incidents/{number}", dependencies=[needs(Act.SEE)])
async def part(number: Number, request: Request, server: TheServer, lang: Language) -> HTMLResponse:
    """How it stands now."""
    return render(request, "incident/story.html", **await _values(server, number, lang))


@router.post("/incidents/{number}", dependencies=[needs(Act.HANDLE)])
async def handle(
    number: Number, request: Request, server: TheServer, person: ThePerson, lang: Language
) -> Response:  # fmt: skip
    """One of the buttons."""
    form = await form_of(request)
    act, note = one(form, "act", 20), one(form, "note", 500)
    try:
        await handled_incident(server, person, number)
        if act == "acknowledge":
            await server.incidents.acknowledge(number, person.name, note)
        elif act == "assign":
            await server.incidents.assign(number, person.name, one(form, "to", 120))
        elif act.startswith("snooze-") and act[7:] in map(str, SNOOZES_H):
            until = server.clock.now() + timedelta(hours=int(act[7:]))
            await server.incidents.snooze(number, person.name, until)
        else:
            await server.incidents.note(number, person.name, note)
    except FleetError as error:
        problem = error_text(lang, error)
        values = await _values(server, number, lang)
        return render(request, "incident/page.html", error.status, **values, problem=problem)
    return RedirectResponse(f"/incidents/{number}", 303)


async def _values(server: Server, number: int, lang: Lang) -> dict[str, Any]:
    row = await visible_incident(server, number)
    entry = server.fleet.entries.get(row.site) if row.site is not None else None
    check = next(
        (check for check in entry.judgement.checks if (check.check, check.device or "") == row.cause.key), None
    ) if entry is not None else None  # fmt: skip
    return {
        "row": row, "entry": entry, "title": title_of(row, lang), "check": check, "level": row.priority.name.lower(),
        "story": await server.incidents.story(number), "told": await server.incidents.told(number),
        "people": server.directory.book.recipients, "silences": silenced_by(server, row),
        "session": server.sessions.upcoming_one(row.session), "snoozes": SNOOZES_H,
    }  # fmt: skip
