"""Sessions: plan, preview, list, change, cancel; GET /sessions.ics for calendars."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from msgspec.structs import replace
from pydantic import AwareDatetime, BaseModel, Field

from fleet_server.api.access import ThePerson, needs, told
from fleet_server.api.context import Identifier, TheServer
from fleet_server.api.language import Language
from fleet_server.api.problems import problems
from fleet_server.domain.access import Act
from fleet_server.domain.sessions import MOST_STAGES, Clash, Needs, Session, revision
from fleet_server.errors import NotFound
from fleet_server.server import Server
from fleet_server.sessions.calendar import calendar_of
from fleet_server.sessions.desk import Wish
from fleet_server.texts import translate
from wire.ids import SLUG, UUID

router = APIRouter(tags=["sessions"])

Reason = Annotated[str, Field(max_length=500)]
IfMatch = Annotated[
    str | None,
    Header(
        pattern=r'^"[0-9a-f]{16}"$', description="The `ETag` of the session as you saw it; 412 where it has changed"
    ),
]
SiteName = Annotated[str, Field(pattern=SLUG)]
SHOWN, _READ = 50, 200
"""Former sessions at once; so many are looked through for those that one sees."""
_CALENDAR_BACK, _CALENDAR_AHEAD = timedelta(days=92), timedelta(days=400)


class NeedsIn(BaseModel):
    """What a session asks of its rooms and of the hub."""

    room_mbit_s: Annotated[float, Field(gt=0, le=1_000, description="What a room takes of the hub's line")] = 2.0
    battery_share: Annotated[float, Field(ge=0, le=1, description="Of the planned time")] = 0.25


class SessionIn(BaseModel):
    """A session to be planned."""

    title: Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S", examples=["Tiếp công dân định kỳ"])]
    kind: Literal["periodic", "urgent"] = "periodic"
    chair: Annotated[str, Field(max_length=120)] = ""
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    sites: Annotated[list[SiteName], Field(min_length=1, max_length=5_000)]
    is_rehearsal: bool = False
    rehearses: Annotated[str, Field(pattern=UUID)] | None = None
    stages_min: Annotated[
        list[Annotated[int, Field(ge=1, le=20_160)]],
        Field(max_length=MOST_STAGES, description="Minutes before the start at which the rooms are checked"),
    ] | None = None  # fmt: skip
    spares: Annotated[list[SiteName], Field(max_length=200, description="Rooms that stand by")] = []
    needs: NeedsIn = NeedsIn()

    def wish(self) -> Wish:
        """As the desk takes it."""
        return Wish(
            self.title.strip(), self.kind, self.chair.strip(), self.starts_at, self.ends_at, tuple(self.sites),
            self.is_rehearsal or self.rehearses is not None, self.rehearses,
            tuple(self.stages_min) if self.stages_min is not None else None, tuple(self.spares),
            Needs(self.needs.room_mbit_s, self.needs.battery_share),
        )  # fmt: skip


class SessionOut(BaseModel):
    """A session."""

    id: str
    title: str
    kind: str
    chair: str
    starts_at: datetime
    ends_at: datetime
    sites: list[str]
    is_rehearsal: bool
    rehearses: str | None
    series: str | None
    stages_min: list[int]
    spares: list[str]
    needs: NeedsIn
    cancelled_at: datetime | None
    cancelled_why: str


class SessionsOut(BaseModel):
    """Sessions, those to come first."""

    items: list[SessionOut]


class ClashOut(BaseModel):
    """Another session that wants the same at the same time."""

    session: str
    title: str
    starts_at: datetime
    ends_at: datetime
    rooms: list[str] = Field(description="Rooms that are in both")
    needed_mbit_s: float = Field(description="What all of them take of the hub's line, where it has less; else 0")


class PreviewOut(BaseModel):
    """What stands against a plan."""

    clashes: list[ClashOut]


class CancelIn(BaseModel):
    """Why it does not take place."""

    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]


@router.post(
    "/sessions", dependencies=[needs(Act.PLAN)], status_code=201, summary="Plan a session", responses=problems(422)
)
async def plan_session(wanted: SessionIn, server: TheServer, person: ThePerson) -> SessionOut:
    """A new session with its sites. Ask for a preview first: whatever clashes is planned all the same."""
    session = await server.sessions.plan(wanted.wish(), person.name)
    server.stages.planned()
    return session_out(session)


@router.post(
    "/sessions/preview", dependencies=[needs(Act.PLAN)], summary="What stands against a plan", responses=problems(422)
)
async def preview(wanted: SessionIn, server: TheServer, person: ThePerson) -> PreviewOut:
    """Nothing is saved."""
    drafted = server.sessions.drafted(wanted.wish(), person.name)
    return PreviewOut(clashes=[_clash_out(clash) for clash in server.sessions.clashes(drafted)])


@router.get("/sessions", dependencies=[needs(Act.SEE)], summary="Sessions", responses=problems(404, 422))
async def list_sessions(
    server: TheServer,
    within_h: Annotated[
        float | None, Query(gt=0, le=8_784, description="Those alone that run, or begin so soon")
    ] = None,
    before: Annotated[
        str | None, Query(pattern=UUID, description="A session: those alone that stand behind it")
    ] = None,
) -> SessionsOut:
    """All that run or are to come, the next first; then the last fifty of the others, the latest first.

    With the id of the last one as `before` the fifty behind it.
    """
    if within_h is not None:
        found = coming_sessions(server, server.clock.now() + timedelta(hours=within_h))
    else:
        coming = [] if before is not None else coming_sessions(server)
        found = [*coming, *await former_sessions(server, before)]
    return SessionsOut(items=[session_out(session) for session in found])


@router.get(
    "/sessions.ics", dependencies=[needs(Act.SEE)], summary="Sessions as a calendar", response_class=Response,
    responses={200: {"content": {"text/calendar": {"schema": {"type": "string"}}}}},
)  # fmt: skip
async def calendar(server: TheServer, lang: Language) -> Response:
    """For a calendar program: your login as its name, an API token that only reads as its password (RFC 5545, 7617)."""
    now = server.clock.now()
    found = await server.sessions.between(now - _CALENDAR_BACK, now + _CALENDAR_AHEAD)
    names = {site: entry.site.name for site, entry in server.fleet.entries.items()}
    shown = [session for session in found if not names.keys().isdisjoint(session.sites)]
    content = calendar_of(translate(lang, "sessions.calendar"), shown, names, now)
    return Response(content, media_type="text/calendar", headers={"Cache-Control": "private, max-age=300"})


@router.get("/sessions/{id}", dependencies=[needs(Act.SEE)], summary="One session", responses=problems(404, 422))
async def get_session(id: Identifier, server: TheServer, response: Response) -> SessionOut:
    """As it is planned now. Its `ETag` is for who changes it."""
    session = await visible_session(server, id)
    response.headers["ETag"] = f'"{revision(session)}"'
    return session_out(seen(server, session))


@router.put(
    "/sessions/{id}", dependencies=[needs(Act.PLAN)], summary="Change a session",
    responses=problems(404, 409, 412, 422),
)  # fmt: skip
async def change_session(
    id: Identifier,
    wanted: SessionIn,
    server: TheServer,
    person: ThePerson,
    response: Response,
    if_match: IfMatch = None,
) -> SessionOut:
    """Another time, other rooms. Stages that would have been due before now are not made up for."""
    seen = if_match.strip('"') if if_match is not None else None
    session = await server.sessions.change(id, wanted.wish(), person.name, seen=seen)
    response.headers["ETag"] = f'"{revision(session)}"'
    server.stages.planned()
    return session_out(session)


@router.post(
    "/sessions/{id}/cancellation", dependencies=[needs(Act.PLAN)], summary="Cancel a session",
    responses=problems(404, 409, 412, 422),
)  # fmt: skip
async def cancel_session(id: Identifier, wanted: CancelIn, server: TheServer, request: Request) -> SessionOut:
    """It stays in the record."""
    told(request, reason=wanted.reason)
    session = await server.sessions.cancel(id, wanted.reason)
    server.news.cancelled(session)
    server.stages.planned()
    return session_out(session)


async def visible_session(server: Server, id: str) -> Session:
    """A session, for whoever sees one of its sites. Raises NotFound."""
    session = await server.sessions.find(id)
    if server.fleet.entries.keys().isdisjoint((*session.sites, *session.spares)):
        raise NotFound("sessions.not_found", session=id)
    return session


def coming_sessions(server: Server, until: datetime | None = None) -> list[Session]:
    """Those that run or are to come, of which one sees a site, next first; with `until` those that begin by then."""
    coming = (seen(server, session) for session in server.sessions.upcoming())
    near = [session for session in coming if until is None or session.starts_at <= until]
    return [session for session in near if session.sites or session.spares]


async def former_sessions(server: Server, before: str | None) -> list[Session]:
    """The last fifty that are over or were cancelled, of which one sees a site, the latest first.

    `before`: a session, behind which they stand. Raises NotFound.
    """
    last = await visible_session(server, before) if before is not None else None
    found: list[Session] = []
    while len(found) < SHOWN:
        part = await server.sessions.no_more(last, _READ)
        visible = (seen(server, session) for session in part)
        found += [session for session in visible if session.sites or session.spares]
        if len(part) < _READ:
            break
        last = part[-1]
    return found[:SHOWN]


def seen(server: Server, session: Session) -> Session:
    """The session with those of its sites that one sees."""
    entries = server.fleet.entries
    sites, spares = (tuple(site for site in named if site in entries) for named in (session.sites, session.spares))
    return replace(session, sites=sites, spares=spares)


def session_out(session: Session) -> SessionOut:
    """A session as the API says it."""
    return SessionOut(
        id=session.id, title=session.title, kind=session.kind, chair=session.chair,
        starts_at=session.starts_at, ends_at=session.ends_at, sites=list(session.sites),
        is_rehearsal=session.is_rehearsal, rehearses=session.rehearses, series=session.series,
        stages_min=list(session.stages_min), spares=list(session.spares),
        needs=NeedsIn(room_mbit_s=session.needs.room_mbit_s, battery_share=session.needs.battery_share),
        cancelled_at=session.cancelled_at, cancelled_why=session.cancelled_why,
    )  # fmt: skip


def _clash_out(clash: Clash) -> ClashOut:
    return ClashOut(
        session=clash.session, title=clash.title, starts_at=clash.starts_at, ends_at=clash.ends_at,
        rooms=list(clash.rooms), needed_mbit_s=clash.needed_mbit_s,
    )  # fmt: skip
