"""Incidents: what is wrong, what became of it, who was told; and what people do about it."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, Field

from fleet_server.alerts.wording import title_of
from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import TheServer
from fleet_server.api.language import Language
from fleet_server.api.problems import problems
from fleet_server.domain.access import Act, Person
from fleet_server.domain.routing import Silence
from fleet_server.errors import Forbidden, NotFound
from fleet_server.server import Server
from fleet_server.store.incidents import IncidentRow
from fleet_server.texts import Lang

router = APIRouter(tags=["alerts"])

Number = Annotated[int, Path(ge=1, le=2**53, description="An incident's number")]
Note = Annotated[str, Field(max_length=500)]


class IncidentOut(BaseModel):
    """One incident."""

    number: int
    site: str | None = Field(description="Null: of the centre, or of the whole fleet")
    check: str
    device: str
    outcome: str
    title: str = Field(description="In the language asked for")
    priority: Literal["digest", "incident", "alarm"]
    session: str | None = Field(description="The session that is at stake")
    opened_at: datetime
    cleared_at: datetime | None
    spells: int = Field(description="How often it came")
    holds: list[str] = Field(description="Symptoms that it explains")
    acknowledged_at: datetime | None
    acknowledged_by: str
    assigned_to: str
    snoozed_until: datetime | None
    silenced_by: list[str] = Field(description="Reasons of the silences that hide it")


class IncidentsOut(BaseModel):
    """What matters most first; with `state=all` the newest first."""

    items: list[IncidentOut]


class StepOut(BaseModel):
    """One line of its story."""

    at: datetime
    what: str
    by: str
    note: str


class ToldOut(BaseModel):
    """One message, and whether it arrived."""

    recipient: str
    channel: str
    what: str
    state: str
    due_at: datetime
    ended_at: datetime | None
    reached_at: datetime | None = Field(description="When it came to them, where the channel says so")
    detail: str = Field(description="Why not")


class StoryOut(BaseModel):
    """An incident from the beginning."""

    incident: IncidentOut
    steps: list[StepOut]
    told: list[ToldOut]


class NoteIn(BaseModel):
    """For whoever looks next."""

    note: Note = ""


class AssignIn(BaseModel):
    """Whose it is; empty: nobody's."""

    to: Annotated[str, Field(max_length=120)]


class SnoozeIn(BaseModel):
    """Until when nobody is told."""

    until: AwareDatetime


@router.get("/incidents", dependencies=[needs(Act.SEE)], summary="Incidents")
async def list_incidents(
    server: TheServer, lang: Language, state: Annotated[Literal["open", "all"], Query()] = "open"
) -> IncidentsOut:
    """Those that are open, or the last two hundred."""
    rows = server.incidents.open_ones() if state == "open" else await server.incidents.newest()
    return IncidentsOut(items=[incident_out(server, row, lang) for row in rows if sees(server, row)])


@router.get("/incidents/{number}", dependencies=[needs(Act.SEE)], summary="One incident", responses=problems(404, 422))
async def get_incident(number: Number, server: TheServer, lang: Language) -> StoryOut:
    """With its story and all that was sent."""
    row = await visible_incident(server, number)
    book = server.directory.book
    return StoryOut(
        incident=incident_out(server, row, lang),
        steps=[
            StepOut(at=step.at, what=step.what, by=step.by, note=step.note)
            for step in await server.incidents.story(number)
        ],
        told=[
            ToldOut(
                recipient=book.recipients[each.recipient].name if each.recipient in book.recipients else "",
                channel=each.channel, what=each.what, state=str(each.state), due_at=each.due_at,
                ended_at=each.ended_at, reached_at=each.reached_at, detail=each.detail,
            )
            for each in await server.incidents.told(number)
        ],
    )  # fmt: skip


@router.post(
    "/incidents/{number}/acknowledgement", dependencies=[needs(Act.HANDLE)], summary="Somebody sees to it",
    responses=problems(404, 409, 422),
)  # fmt: skip
async def acknowledge(
    number: Number, wanted: NoteIn, server: TheServer, person: ThePerson, lang: Language
) -> IncidentOut:
    """Nobody else is called after that."""
    await handled_incident(server, person, number)
    return incident_out(server, await server.incidents.acknowledge(number, person.name, wanted.note), lang)


@router.post(
    "/incidents/{number}/notes", dependencies=[needs(Act.HANDLE)], summary="A note", responses=problems(404, 409, 422)
)
async def note(number: Number, wanted: NoteIn, server: TheServer, person: ThePerson, lang: Language) -> IncidentOut:
    """For whoever looks next."""
    await handled_incident(server, person, number)
    return incident_out(server, await server.incidents.note(number, person.name, wanted.note), lang)


@router.post(
    "/incidents/{number}/assignment", dependencies=[needs(Act.HANDLE)], summary="Whose it is",
    responses=problems(404, 409, 422),
)  # fmt: skip
async def assign(
    number: Number, wanted: AssignIn, server: TheServer, person: ThePerson, lang: Language
) -> IncidentOut:  # fmt: skip
    """By name."""
    await handled_incident(server, person, number)
    return incident_out(server, await server.incidents.assign(number, person.name, wanted.to), lang)


@router.post(
    "/incidents/{number}/snooze", dependencies=[needs(Act.HANDLE)], summary="Later", responses=problems(404, 409, 422)
)
async def snooze(
    number: Number, wanted: SnoozeIn, server: TheServer, person: ThePerson, lang: Language
) -> IncidentOut:  # fmt: skip
    """Nobody is told until then; a day at most."""
    await handled_incident(server, person, number)
    return incident_out(server, await server.incidents.snooze(number, person.name, wanted.until), lang)


async def visible_incident(server: Server, number: int) -> IncidentRow:
    """One that one sees. Raises NotFound."""
    row = await server.incidents.find(number)
    if not sees(server, row):
        raise NotFound("alerts.no_incident", number=number)
    return row


async def handled_incident(server: Server, person: Person, number: int) -> IncidentRow:
    """One that one may handle: what concerns all is not for who has named sites. Raises NotFound, Forbidden."""
    row = await visible_incident(server, number)
    if row.site is None and not person.is_everywhere:
        raise Forbidden("people.may_not", role=person.role)
    return row


def sees(server: Server, row: IncidentRow) -> bool:
    """Of one's sites; what concerns all, everybody sees."""
    return row.site is None or row.site in server.fleet.entries


def silenced_by(server: Server, row: IncidentRow) -> list[Silence]:
    """The silences that hide it now."""
    around = server.alerts.around(server.clock.now())
    return around.hiding(server.alerts.subject_of(row)) if row.cleared_at is None else []


def incident_out(server: Server, row: IncidentRow, lang: Lang) -> IncidentOut:
    """An incident as the API says it."""
    return IncidentOut(
        number=row.number, site=row.site, check=row.cause.key[0], device=row.cause.key[1],
        outcome=str(row.cause.outcome), title=title_of(row, lang),
        priority=row.priority.name.lower(), session=row.session, opened_at=row.opened_at,  # type: ignore[arg-type]
        cleared_at=row.cleared_at, spells=row.spells, holds=[" ".join(filter(None, key)) for key in row.cause.held],
        acknowledged_at=row.acknowledged_at, acknowledged_by=row.acknowledged_by, assigned_to=row.assigned_to,
        snoozed_until=row.snoozed_until, silenced_by=[silence.reason for silence in silenced_by(server, row)],
    )  # fmt: skip
