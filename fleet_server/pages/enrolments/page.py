"""GET /enrolments: codes for machines, machines that wait for a yes; and a sheet to print."""

from typing import Any

import segno
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fleet_server.api.access import ThePerson, needs, told
from fleet_server.api.context import Identifier, Site, TheServer
from fleet_server.api.language import Language
from fleet_server.domain.access import Act, Person, may
from fleet_server.errors import FleetError, NotFound
from fleet_server.identities.enrolments import command_of
from fleet_server.pages.form import form_of, one
from fleet_server.pages.render import render
from fleet_server.server import Server
from fleet_server.texts import error_text
from wire.identity import short

router = APIRouter()


@router.get("/enrolments", dependencies=[needs(Act.ENROL)])
async def page(request: Request, server: TheServer, person: ThePerson) -> HTMLResponse:
    """The whole page."""
    return render(request, "enrolments/page.html", **await _values(server, person), problem="")


@router.get("/parts/enrolments/list", dependencies=[needs(Act.ENROL)])
async def part(request: Request, server: TheServer, person: ThePerson) -> HTMLResponse:
    """What waits now."""
    return render(request, "enrolments/list.html", **await _values(server, person))


@router.post("/sites/{site}/enrolment", dependencies=[needs(Act.ENROL)])
async def new_code(site: Site, request: Request, server: TheServer, person: ThePerson) -> HTMLResponse:
    """A code for a machine of this site, as a sheet to print; it is shown now and never again."""
    form = await form_of(request)
    put_out = "put_out" in form and may(person, Act.ADMIT, site)
    told(request, put_out=put_out)
    made = await server.identities.new_code(site, person.name, put_out=put_out)
    fingerprint = server.identities.web_fingerprint
    command = command_of(server.settings.public_url, made.code, fingerprint)
    picture = segno.make(command, error="m").svg_data_uri(scale=4)
    return render(
        request, "enrolments/sheet.html", entry=server.fleet.entries[site], made=made, command=command,
        picture=picture, fingerprint=short(fingerprint) if fingerprint else "",
    )  # fmt: skip


@router.post("/enrolments/{id}", dependencies=[needs(Act.ADMIT)])
async def decide(id: Identifier, request: Request, server: TheServer, person: ThePerson, lang: Language) -> Response:
    """A person has compared the fingerprints."""
    form = await form_of(request)
    told(request, accept="accept" in form)
    try:
        if (await server.identities.find(id)).site not in server.fleet.entries:
            raise NotFound("identities.no_such_enrolment")
        await server.identities.decide(id, "accept" in form, person.name)
    except FleetError as error:
        problem = error_text(lang, error)
        return render(request, "enrolments/page.html", error.status, **await _values(server, person), problem=problem)
    return RedirectResponse("/enrolments", 303)


@router.post("/sites/{site}/revocation", dependencies=[needs(Act.ADMIT)])
async def revoke(site: Site, request: Request, server: TheServer, person: ThePerson) -> Response:
    """The machine of the site is out."""
    form = await form_of(request)
    reason = one(form, "reason", 500)
    told(request, reason=reason)
    await server.identities.revoke(site, person.name, reason)
    return RedirectResponse(f"/sites/{site}#identity", 303)


@router.post("/sites/{site}/decommission", dependencies=[needs(Act.CLOSE)])
async def decommission(site: Site, request: Request, server: TheServer, person: ThePerson) -> Response:
    """The site is no more."""
    form = await form_of(request)
    reason = one(form, "reason", 500)
    told(request, reason=reason)
    await server.identities.decommission(site, person.name, reason)
    return RedirectResponse("/", 303)


async def _values(server: Server, person: Person) -> dict[str, Any]:
    seen = [row for row in await server.identities.waiting() if row.site in server.fleet.entries]
    return {
        "waiting": [row for row in seen if row.state == "claimed"],
        "codes": [row for row in seen if row.state == "open"],
        "entries": server.fleet.entries, "short": short,
    }  # fmt: skip
