"""GET /events: changes as server-sent events."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from fleet_server.api.access import ThePerson, needs, person_of
from fleet_server.api.context import TheServer
from fleet_server.domain.access import Act
from fleet_server.errors import FleetError
from fleet_server.live.stream import Change
from fleet_server.server import Server
from wire.ids import SLUG

router = APIRouter(tags=["events"])

_ALIVE_EVERY_S = 2.0
"""So that a page can say within five seconds that it has lost us."""


@router.get(
    "/events", dependencies=[needs(Act.SEE)], summary="Changes as they happen", response_class=EventSourceResponse
)
async def events(
    server: TheServer,
    person: ThePerson,
    request: Request,
    site: Annotated[str | None, Query(pattern=SLUG, description="Everything of one site, each report too")] = None,
    after: Annotated[str | None, Query(max_length=100, description="As `Last-Event-ID`, for who begins")] = None,
    last_event_id: Annotated[str | None, Header(max_length=100)] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Events `site`, `command`, `log`, `session`, `rollout`, `line_test`, `server`, and `report` for one site; `alive`
    every two seconds.

    Give the last `id` as `Last-Event-ID` to go on where you left off; `reset` means that too much has
    happened since, or that the server was restarted: fetch everything anew.
    """
    async for change in server.stream.read(last_event_id or after, _ALIVE_EVERY_S):
        if await person_of(request) != person:
            return  # signed out, locked out, or of another role by now
        if change is None:
            yield ServerSentEvent(event="alive", data={})
        elif not person.is_everywhere and not await _is_theirs(server, change):
            continue
        elif change.site == site or change.site is None or (site is None and change.kind != "report"):
            yield ServerSentEvent(
                id=server.stream.id_of(change), event=change.kind, data={"site": change.site, **change.data}
            )


async def _is_theirs(server: Server, change: Change) -> bool:
    """Whether a change is of one of the sites that one sees; one without a site concerns all, but for sessions."""
    if change.site is not None:
        return change.site in server.fleet.entries
    if change.kind != "session":
        return True
    try:
        session = await server.sessions.find(str(change.data.get("id", "")))
    except FleetError:
        return False
    return not server.fleet.entries.keys().isdisjoint(session.sites)
