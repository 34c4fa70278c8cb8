"""GET /sites/{site}: what is wrong here, since when, what to do; the devices; the commands and their steps."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fleet_server.api.access import ThePerson, needs, origin_of
from fleet_server.api.context import Device, Identifier, Site, TheServer
from fleet_server.api.language import Language, language_of
from fleet_server.commands.desk import Wish
from fleet_server.domain.access import Act
from fleet_server.domain.commands import FINAL
from fleet_server.domain.findings import Outcome
from fleet_server.domain.readiness import CENTRE, PEOPLE
from fleet_server.domain.rollout import GROUPS
from fleet_server.errors import FleetError, NotFound
from fleet_server.pages.form import form_of
from fleet_server.pages.render import render
from fleet_server.rollout.secrets import secrets_in
from fleet_server.server import Server
from fleet_server.store import logs
from fleet_server.texts import error_text
from fleet_server.views import DeviceView, devices_of, moment, worst_first
from wire.description import ActionSpec, ParamSpec
from wire.fields import Value
from wire.ids import uuid7

router = APIRouter()

Action = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_.]{0,63}$")]
SecretName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
_PARTS = ("status", "checks", "provisioning", "identity", "devices", "commands")


@router.get("/sites/{site}", dependencies=[needs(Act.SEE)])
async def page(site: Site, request: Request, server: TheServer) -> HTMLResponse:
    """The whole page."""
    return render(request, "site/page.html", **await _values(request, server, site))


@router.get("/parts/sites/{site}/{part}", dependencies=[needs(Act.SEE)])
async def part(site: Site, part: str, request: Request, server: TheServer) -> HTMLResponse:
    """One part of the page, as it is now."""
    if part not in _PARTS:
        raise NotFound("sites.not_found", site=part[:64])
    return render(request, f"site/{part}.html", **await _values(request, server, site))


@router.get("/sites/{site}/devices/{device}/actions/{action}", dependencies=[needs(Act.COMMAND)])
async def confirm(site: Site, device: Device, action: Action, request: Request, server: TheServer) -> HTMLResponse:
    """What an action will do, to what, for how long, and the button that does it."""
    values = await _values(request, server, site)
    return render(request, "site/confirm.html", **values, **_wanted(values["devices"], device, action), problem=None)


@router.post("/sites/{site}/devices/{device}/actions/{action}", dependencies=[needs(Act.COMMAND)])
async def act(
    site: Site, device: Device, action: Action, request: Request, server: TheServer, person: ThePerson, lang: Language
) -> Response:
    """Ask for it; then back to the site, where each step is shown as it happens."""
    values = await _values(request, server, site)
    wanted = _wanted(values["devices"], device, action)
    form = await form_of(request)
    spec: ActionSpec = wanted["spec"]
    wish = Wish(
        action,
        {param.name: _typed(param, form.get(f"param.{param.name}", [""])[0]) for param in spec.params},
        form.get("reason", [""])[0][:500],
        "override" in form,
    )
    key = person.own_key(form.get("key", [""])[0][:150] or None)
    origin = origin_of(request)
    try:
        await server.commands.request(site, device, wish, by=person.name, origin=origin, key=key, user=person.user)
    except FleetError as error:
        problem = error_text(lang, error)
        return render(request, "site/confirm.html", error.status, **values, **wanted, problem=problem)
    return RedirectResponse(f"/sites/{site}#commands", 303)


@router.post("/sites/{site}/commands/{id}/approval", dependencies=[needs(Act.APPROVE)])
async def approve(site: Site, id: Identifier, server: TheServer, person: ThePerson) -> Response:
    """The second yes."""
    if (await server.commands.find(id)).site != site:
        raise NotFound("commands.not_found", command=id)
    await server.commands.approve(id, person.name, person.user)
    return RedirectResponse(f"/sites/{site}#commands", 303)


@router.post("/sites/{site}/provisioning", dependencies=[needs(Act.PROVISION)])
async def provision(site: Site, server: TheServer, person: ThePerson) -> Response:
    """Set what differs; each step is shown as it happens."""
    await server.provision.ask(site, person.name)
    return RedirectResponse(f"/sites/{site}#provisioning", 303)


@router.post("/sites/{site}/line-test", dependencies=[needs(Act.TEST_LINE)])
async def line_test(site: Site, server: TheServer, person: ThePerson) -> Response:
    """Measure this room's line, in its turn."""
    await server.line_tests.ask([site], person.name)
    return RedirectResponse(f"/sites/{site}#provisioning", 303)


@router.post("/sites/{site}/found", dependencies=[needs(Act.PROVISION)])
async def accept_found(site: Site, request: Request, server: TheServer, person: ThePerson) -> Response:
    """A found device belongs to the room from now on."""
    form = await form_of(request)
    address, username = (form.get(name, [""])[0].strip()[:120] for name in ("address", "username"))
    await server.rollout.accept_found(site, address, username[:64], person.name)
    return RedirectResponse(f"/sites/{site}#provisioning", 303)


@router.post("/sites/{site}/secrets/{name}", dependencies=[needs(Act.PROVISION)])
async def put_secret(site: Site, name: SecretName, request: Request, server: TheServer, person: ThePerson) -> Response:
    """A password for a device of the room; it is never shown again."""
    form = await form_of(request)
    await server.secrets.put(site, name, form.get("value", [""])[0][:300], person.name)
    return RedirectResponse(f"/sites/{site}#provisioning", 303)


@router.post("/sites/{site}/devices/{device}/accept", dependencies=[needs(Act.PROVISION)])
async def accept_swapped(site: Site, device: Device, server: TheServer, person: ThePerson) -> Response:
    """The device that answers now is the right one."""
    await server.rollout.accept_swapped(site, device, person.name)
    return RedirectResponse(f"/sites/{site}#provisioning", 303)


async def _values(request: Request, server: Server, site: str) -> dict[str, Any]:
    entry = server.fleet.entries.get(site)
    if entry is None:
        raise NotFound("sites.not_found", site=site)
    lang = language_of(request)
    checks = worst_first(entry.judgement.checks)
    rows = await server.commands.of_site(site)
    labels = {(fit.about.id, spec.action): spec.label for fit in entry.fits for spec in fit.about.actions}
    received_at = entry.room.received_at
    return {
        "entry": entry,
        "groups": [
            (group, [check for check in checks if check.role in (roles or (PEOPLE, CENTRE))])
            for group, roles in GROUPS.items()
        ],
        "troubles": [check for check in checks if check.outcome is not Outcome.PASS],
        "devices": devices_of(lang, entry, server.fleet.now()),
        "slots": entry.provisioning.slots,
        "progress": server.rollout.progress(site),
        "secrets": [
            (device, name, name in server.secrets.names(site))
            for device, name in secrets_in(server.rollout.desired.get(site, ()))
        ],
        "plan": server.provision.plan(site)[0],
        "run": await server.provision.newest(site),
        "line_test": (line_test := await server.line_tests.newest_of_site(site)),
        "line_turn": server.line_tests.turn(line_test) if line_test else 0,
        "has_line": any(spec.action == "measure_bandwidth" for fit in entry.fits for spec in fit.actions),
        "valid_until": server.identities.valid_until.get(site),
        "is_barred": site in server.fleet.barred,
        "duty": server.confirmations.duty_of(site),
        "sessions": server.sessions.of_site(site),
        "live_session": server.sessions.is_live(site),
        "reported_at": moment(received_at) if received_at is not None else None,
        "seen_at": moment,
        "labels": {(row.device, row.action): labels.get((row.device, row.action)) for row in rows},
        "commands": [(row, await server.commands.steps(row.id), row.state in FINAL) for row in rows[:5]],
        "log": await server.database.read(lambda db: logs.newest(db, site, 12)),
    }


def _wanted(devices: list[DeviceView], device: str, action: str) -> dict[str, Any]:
    for known in devices:
        for spec in known.actions:
            if known.id == device and spec.action == action:
                return {"device": known, "spec": spec, "key": uuid7()}
    raise NotFound("commands.not_offered", device=device, action=action)


def _typed(param: ParamSpec, text: str) -> Value:
    if param.type == "bool":
        return text == "true"
    if param.type == "number":
        try:
            return float(text)
        except ValueError:
            return text
    return text[: param.max_length + 1]
