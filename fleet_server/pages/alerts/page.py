"""GET /alerts: who is told of what: recipients, routes, rotas, silences; and whether the channels work."""

from collections.abc import Awaitable, Callable
from operator import itemgetter
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fleet_server.alerts.templates import CHANGEABLE, MOST, standing, tried
from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import TheServer
from fleet_server.api.language import Language
from fleet_server.domain.access import Act
from fleet_server.domain.checks import checks
from fleet_server.domain.priorities import Priority
from fleet_server.domain.routing import Match, Route, Step
from fleet_server.domain.setbacks import OFFLINE
from fleet_server.errors import Conflict, FleetError, Invalid
from fleet_server.pages.form import Form, form_of, one
from fleet_server.pages.render import local_field, local_moment, render
from fleet_server.server import Server
from fleet_server.texts import Lang, error_text, translate

router = APIRouter()

_LEVELS = tuple(priority.name.lower() for priority in Priority)


@router.get("/alerts", dependencies=[needs(Act.SET_ALERTS)])
async def page(request: Request, server: TheServer, lang: Language) -> HTMLResponse:
    """The whole page."""
    return render(request, "alerts/page.html", **_values(server), checks=_checks(lang), problem="")


@router.get("/parts/alerts", dependencies=[needs(Act.SET_ALERTS)])
async def part(request: Request, server: TheServer) -> HTMLResponse:
    """The channels as they are now."""
    return render(request, "alerts/channels.html", **_values(server))


@router.post("/alerts", dependencies=[needs(Act.SET_ALERTS)])
async def change(request: Request, server: TheServer, person: ThePerson, lang: Language) -> Response:
    """One of the forms."""
    form = await form_of(request)
    try:
        do = _ACTS.get(one(form, "act", 30))
        if do is None:
            raise Invalid("form.unreadable")
        await do(server, form, person.name)
    except FleetError as error:
        problem = error_text(lang, error)
        values = {**_values(server), "checks": _checks(lang), "problem": problem}
        return render(request, "alerts/page.html", error.status, **values)
    return RedirectResponse("/alerts", 303)


def _checks(lang: Lang) -> list[tuple[str, str]]:
    """What a route or a silence may be of in a room: id and title, as a person looks for it."""
    named = [(check, translate(lang, f"checks.{check}.title")) for check in (OFFLINE, *checks())]
    return sorted(named, key=itemgetter(1))


def _values(server: Server) -> dict[str, Any]:
    sentences = {key: standing(server.directory.book.texts, "vi", key) for key in CHANGEABLE}
    return {
        "book": server.directory.book, "channels": server.outbox.channel_states(), "levels": _LEVELS,
        "templates": [(key, words, tried(words, key)) for key, words in sentences.items()],
        "level_name": {int(priority): priority.name.lower() for priority in Priority},
        "begins": local_field(server, 0), "ends": local_field(server, 12 * 60),
    }  # fmt: skip


async def _add_recipient(server: Server, form: Form, by: str) -> None:
    await server.directory.add_recipient(one(form, "name", 120), one(form, "lang", 2) or "vi")


async def _remove_recipient(server: Server, form: Form, by: str) -> None:
    await server.directory.remove_recipient(one(form, "id", 36), by)


async def _add_contact(server: Server, form: Form, by: str) -> None:
    if form.get("agreed") != ["1"]:
        raise Invalid("form.unreadable")
    await server.directory.add_contact(one(form, "id", 36), one(form, "channel", 64), one(form, "address", 500), by)


async def _withdraw(server: Server, form: Form, by: str) -> None:
    await server.directory.withdraw(one(form, "id", 36))


async def _test(server: Server, form: Form, by: str) -> None:
    await server.outbox.test(one(form, "id", 36))


async def _add_shift(server: Server, form: Form, by: str) -> None:
    begins, ends = _times(server, form)
    await server.directory.add_shift(one(form, "rota", 60), one(form, "to", 36), begins, ends, by)


async def _remove_shift(server: Server, form: Form, by: str) -> None:
    await server.directory.remove_shift(one(form, "id", 36))


async def _add_route(server: Server, form: Form, by: str) -> None:
    after = one(form, "after", 5) or "0"
    if not after.isdigit():
        raise Invalid("form.unreadable")
    name, step = one(form, "name", 120), Step(int(after), one(form, "to", 100))
    known = list(server.directory.book.routes)
    same = next((route for route in known if route.name == name), None)
    if same is not None:  # another step of a route that there is
        match = _match(form)
        if (match.sites, match.checks) not in ((frozenset(), frozenset()), (same.match.sites, same.match.checks)):
            raise Conflict("alerts.route_of_other_things", name=name)
        known[known.index(same)] = Route(same.id, name, same.match, (*same.steps, step))
    else:
        known.append(Route("", name or "?", _match(form), (step,)))
    await server.directory.set_routes(known, by)


async def _remove_route(server: Server, form: Form, by: str) -> None:
    gone = one(form, "id", 36)
    await server.directory.set_routes([route for route in server.directory.book.routes if route.id != gone], by)


async def _silence(server: Server, form: Form, by: str) -> None:
    begins, ends = _times(server, form)
    every = one(form, "every", 10) or "once"
    await server.directory.silence(_match(form), begins, ends, one(form, "reason", 500), by, every)


async def _end_silence(server: Server, form: Form, by: str) -> None:
    await server.directory.end_silence(one(form, "id", 36))


async def _set_text(server: Server, form: Form, by: str) -> None:
    lang = one(form, "lang", 2) or "vi"
    await server.directory.set_text(lang, one(form, "key", 40), one(form, "text", MOST), by)


_ACTS: dict[str, Callable[[Server, Form, str], Awaitable[None]]] = {
    "add_recipient": _add_recipient, "remove_recipient": _remove_recipient, "add_contact": _add_contact,
    "withdraw": _withdraw, "test": _test, "add_shift": _add_shift, "remove_shift": _remove_shift,
    "add_route": _add_route, "remove_route": _remove_route, "silence": _silence, "end_silence": _end_silence,
    "set_text": _set_text,
}  # fmt: skip


def _match(form: Form) -> Match:
    site, check, least = one(form, "site", 64), one(form, "check", 64), one(form, "least", 10) or "digest"
    if least not in _LEVELS:
        raise Invalid("form.unreadable")
    sites, checks = (frozenset([word] if word else []) for word in (site, check))
    return Match(sites, checks=checks, least=int(Priority[least.upper()]))


def _times(server: Server, form: Form) -> tuple[Any, Any]:
    try:
        return tuple(local_moment(server, one(form, name, 40)) for name in ("begins", "ends"))  # type: ignore[return-value]
    except ValueError as error:
        raise Invalid("form.unreadable") from error
