"""GET /room: what is wrong in my room, what only I can see, and "I am on duty"; opened once by a link."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from fleet_server.api.access import comes_from_our_page, cookie_name, is_secure, open_to_all, origin_of
from fleet_server.api.context import TheServer
from fleet_server.api.language import Language
from fleet_server.domain.checks.room_prepared import ITEMS
from fleet_server.domain.findings import Outcome
from fleet_server.domain.readiness import Verdict
from fleet_server.errors import FleetError, Forbidden, NotFound
from fleet_server.pages.form import Form, form_of, one
from fleet_server.pages.render import render
from fleet_server.server import Server
from fleet_server.store.confirmations import Invitation
from fleet_server.texts import error_text
from fleet_server.views import worst_first

router = APIRouter()

_OPEN = open_to_all("the key that a one-time link was opened with is what counts")
_MOST_STEPS = 3
_ALIVE_EVERY_S = 2.0


def _cookie(server: Server) -> str:
    return f"{cookie_name(server)}-room"


async def _mine(request: Request, server: Server) -> Invitation | None:
    return await server.confirmations.whose(request.cookies.get(_cookie(server), "")[:200])


async def _whose(request: Request, server: TheServer) -> Invitation:
    """Whose room it is. Raises NotFound for whoever has opened no link."""
    mine = await _mine(request, server)
    if mine is None:
        raise NotFound("duty.no_link")
    return mine


Mine = Annotated[Invitation, Depends(_whose)]


@router.get("/room", dependencies=[_OPEN])
async def page(request: Request, server: TheServer) -> HTMLResponse:
    """The room of whoever has opened a link; for others the way to open one."""
    mine = await _mine(request, server)
    if mine is None:
        return render(request, "room/open.html", problem="")
    return render(request, "room/page.html", **await _values(server, mine), problem="")


@router.post("/room/open", dependencies=[_OPEN])
async def open_link(request: Request, server: TheServer, lang: Language) -> Response:
    """The first browser that brings a code has it; its cookie is good until an hour after the session."""
    form = await _form(request)
    try:
        key = await server.confirmations.open(one(form, "code", 100))
        mine = await server.confirmations.whose(key)
        if mine is None:
            raise NotFound("duty.no_link")
    except FleetError as error:
        problem = error_text(lang, error)
        return render(request, "room/open.html", error.status, problem=problem)
    await server.audit.record(mine.name, "open_link", "done", origin=origin_of(request), site=mine.site)
    answer = RedirectResponse("/room", 303)
    lives_s = round((mine.expires_at - server.clock.now()) / timedelta(seconds=1))
    answer.set_cookie(
        _cookie(server), key, max_age=lives_s, path="/", secure=is_secure(server), httponly=True, samesite="lax"
    )
    return answer


@router.get("/room/part", dependencies=[_OPEN])
async def part(request: Request, server: TheServer, mine: Mine) -> HTMLResponse:
    """The room as it is now."""
    return render(request, "room/room.html", **await _values(server, mine))


@router.post("/room/duty", dependencies=[_OPEN])
async def confirm(request: Request, server: TheServer, mine: Mine) -> Response:
    """ "I am on duty", by the name that the link was made for."""
    _must_be_ours(request)
    await server.confirmations.confirm_duty(mine.site, mine.name, mine.phone)
    await server.audit.record(mine.name, "confirm_duty", "done", origin=origin_of(request), site=mine.site)
    return RedirectResponse("/room", 303)


@router.post("/room/tick", dependencies=[_OPEN])
async def tick(request: Request, server: TheServer, mine: Mine) -> Response:
    """Something was seen to, or is not so any more."""
    form = await _form(request)
    item, done = one(form, "item", 32), one(form, "done", 1) == "1"
    await server.confirmations.tick(mine.session, mine.site, item, mine.name, done)
    await server.audit.record(
        mine.name, "tick", "done", origin=origin_of(request), site=mine.site, item=item, done=done
    )
    return RedirectResponse("/room", 303)


@router.post("/room/microphone", dependencies=[_OPEN])
async def microphone(request: Request, server: TheServer, mine: Mine, lang: Language) -> Response:
    """The microphone listens for two seconds while somebody speaks; only how loud it was leaves the room."""
    _must_be_ours(request)
    try:
        await server.active.listen(mine.site, mine.name)
    except FleetError as error:
        problem = error_text(lang, error)
        return render(request, "room/page.html", error.status, **await _values(server, mine), problem=problem)
    await server.audit.record(mine.name, "listen", "done", origin=origin_of(request), site=mine.site)
    return RedirectResponse("/room", 303)


@router.get("/room/events", dependencies=[_OPEN], response_class=EventSourceResponse)
async def events(request: Request, server: TheServer, mine: Mine) -> AsyncIterator[ServerSentEvent]:
    """That something of this room has changed, and nothing else."""
    async for change in server.stream.read(None, _ALIVE_EVERY_S):
        is_session = change is not None and change.kind == "session" and change.data.get("id") == mine.session
        is_ours = change is not None and (change.site == mine.site or change.kind in ("server", "reset"))
        if change is not None and not (is_ours or is_session):
            continue  # before the link is looked up: a fleet has many changes, and many rooms have a telephone
        if await _mine(request, server) != mine:
            return
        yield ServerSentEvent(event="alive" if change is None else "room", data={})


async def _values(server: Server, mine: Invitation) -> dict[str, Any]:
    entry = server.fleet.entries.get(mine.site)
    if entry is None:
        raise NotFound("sites.not_found", site=mine.site)
    session = await server.sessions.find(mine.session)
    judgement = server.gates.judgement(session, entry, server.clock.now())
    blind = judgement.verdict is Verdict.OFFLINE or not entry.is_set_up
    troubles = [] if blind else [c for c in worst_first(judgement.checks) if c.outcome is not Outcome.PASS]
    return {
        "entry": entry, "session": session, "mine": mine, "duty": server.confirmations.duty_of(mine.site),
        "verdict_now": judgement.verdict, "blind": blind, "items": ITEMS,
        "level": await server.active.heard(mine.site),
        "ticked": server.confirmations.ticked(mine.session, mine.site),
        "troubles": [check for check in troubles if check.check != "room_prepared"][:_MOST_STEPS],
    }  # fmt: skip


async def _form(request: Request) -> Form:
    """What our own page has sent. Raises Forbidden, Invalid."""
    _must_be_ours(request)
    return await form_of(request)


def _must_be_ours(request: Request) -> None:
    """Raises Forbidden for what another site's page sends."""
    if not comes_from_our_page(request):
        raise Forbidden("people.foreign_page")
