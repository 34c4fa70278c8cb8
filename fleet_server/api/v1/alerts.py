"""Who is told of what: recipients and contacts, rotas, routes, silences."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import AwareDatetime, BaseModel, Field

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import Identifier, TheServer
from fleet_server.api.problems import problems
from fleet_server.domain.access import Act
from fleet_server.domain.priorities import Priority
from fleet_server.domain.routing import MOST_ROUTES, MOST_STEPS, Match, Route, Silence, Step
from fleet_server.store.recipients import Contact, Recipient, Shift
from wire.ids import SLUG, UUID

router = APIRouter(tags=["alerts"])

Name = Annotated[str, Field(min_length=1, max_length=120, pattern=r"\S")]
Word = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9_.]+$")]
Rota = Annotated[str, Field(pattern=r"^[\w-]{1,60}$", examples=["noc"])]
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]
Level = Literal["digest", "incident", "alarm"]
_NO_CONTENT = Response(status_code=204)


class MatchIO(BaseModel):
    """Which incidents; what is empty matches all."""

    sites: Annotated[list[Annotated[str, Field(pattern=SLUG)]], Field(max_length=5_000)] = []
    kinds: Annotated[list[Word], Field(max_length=10)] = []
    checks: Annotated[list[Word], Field(max_length=100)] = []
    roles: Annotated[list[Word], Field(max_length=20)] = []
    families: Annotated[list[Word], Field(max_length=100)] = []
    least: Level = "digest"
    hours: Literal["always", "work", "off"] = "always"

    def match(self) -> Match:
        """As the domain has it."""
        return Match(
            frozenset(self.sites), frozenset(self.kinds), frozenset(self.checks), frozenset(self.roles),
            frozenset(self.families),
            int(Priority[self.least.upper()]), self.hours,
        )  # fmt: skip


class RecipientIn(BaseModel):
    """A person, or a group."""

    name: Name
    lang: Literal["vi", "en"] = "vi"


class ContactIn(BaseModel):
    """One way to reach them; whoever enters it says that they agreed to be written to."""

    channel: Word
    address: Annotated[str, Field(min_length=1, max_length=500)]
    agreed: Literal[True] = Field(description="They know what is sent, and agreed to it")


class ContactOut(BaseModel):
    """Without the address itself."""

    id: str
    channel: str
    shown: str
    agreed_at: datetime
    agreed_by: str
    tested_at: datetime | None
    tested: str


class RecipientOut(BaseModel):
    """Somebody who is written to."""

    id: str
    name: str
    lang: str
    contacts: list[ContactOut] = Field(description="The first is tried first")


class ShiftIn(BaseModel):
    """Somebody is on duty; a swap is a later shift that lies within another's."""

    rota: Rota
    recipient: Annotated[str, Field(pattern=UUID)]
    begins_at: AwareDatetime
    ends_at: AwareDatetime


class ShiftOut(ShiftIn):
    """As it was entered."""

    id: str
    by: str


class StepIO(BaseModel):
    """Who is told after so long without an acknowledgement."""

    after_min: Annotated[int, Field(ge=0, le=1_440)] = 0
    to: Annotated[str, Field(pattern=rf"^(rota:[\w-]{{1,60}}|{UUID.strip('^$')})$")]


class RouteIO(BaseModel):
    """Every route that fits is taken."""

    name: Name
    match: MatchIO = MatchIO()
    steps: Annotated[list[StepIO], Field(min_length=1, max_length=MOST_STEPS)]


class RoutesIO(BaseModel):
    """All of them, in their order."""

    items: Annotated[list[RouteIO], Field(max_length=MOST_ROUTES)]


class SilenceIn(BaseModel):
    """A silence, or a maintenance window that comes again."""

    match: MatchIO
    begins_at: AwareDatetime
    ends_at: AwareDatetime
    reason: Reason
    every: Literal["once", "day", "week"] = "once"
    last_until: AwareDatetime | None = None


class SilenceOut(SilenceIn):
    """As it is in force."""

    id: str
    by: str


class AlertsOut(BaseModel):
    """All that is in force."""

    channels: dict[str, str] = Field(description="Each channel: ready, not_configured, or why it is down")
    recipients: list[RecipientOut]
    shifts: list[ShiftOut]
    routes: list[RouteIO]
    silences: list[SilenceOut]


@router.get("/alerts", dependencies=[needs(Act.SET_ALERTS)], summary="Who is told of what")
async def everything(server: TheServer) -> AlertsOut:
    """Recipients, rotas, routes and silences as they are in force."""
    book = server.directory.book
    return AlertsOut(
        channels=server.outbox.channel_states(),
        recipients=[_recipient(each) for each in book.recipients.values()],
        shifts=[_shift(each) for each in book.shifts], routes=[_route(each) for each in book.routes],
        silences=[_silence(each) for each in book.silences],
    )  # fmt: skip


@router.post(
    "/alerts/recipients", dependencies=[needs(Act.SET_ALERTS)], status_code=201, summary="Somebody to write to",
    responses=problems(409, 422),
)  # fmt: skip
async def add_recipient(wanted: RecipientIn, server: TheServer) -> RecipientOut:
    """Without a contact yet."""
    return _recipient(await server.directory.add_recipient(wanted.name, wanted.lang))


@router.delete(
    "/alerts/recipients/{id}", dependencies=[needs(Act.SET_ALERTS)], status_code=204, summary="Write to them no more",
    response_class=Response, responses=problems(404, 422),
)  # fmt: skip
async def remove_recipient(id: Identifier, server: TheServer, person: ThePerson) -> Response:
    """Their addresses are erased."""
    await server.directory.remove_recipient(id, person.name)
    return _NO_CONTENT


@router.post(
    "/alerts/recipients/{id}/contacts", dependencies=[needs(Act.SET_ALERTS)], status_code=201,
    summary="A way to reach them", responses=problems(404, 422),
)  # fmt: skip
async def add_contact(id: Identifier, wanted: ContactIn, server: TheServer, person: ThePerson) -> ContactOut:
    """Tried after those that they have."""
    return _contact(await server.directory.add_contact(id, wanted.channel, wanted.address, person.name))


@router.delete(
    "/alerts/contacts/{id}", dependencies=[needs(Act.SET_ALERTS)], status_code=204, summary="They agree no more",
    response_class=Response, responses=problems(404, 422),
)  # fmt: skip
async def withdraw(id: Identifier, server: TheServer) -> Response:
    """Nothing is sent there from now on, and the address is erased."""
    await server.directory.withdraw(id)
    return _NO_CONTENT


@router.post(
    "/alerts/contacts/{id}/test", dependencies=[needs(Act.SET_ALERTS)], status_code=202, summary="A test message",
    responses=problems(404, 422),
)  # fmt: skip
async def test(id: Identifier, server: TheServer) -> ContactOut:
    """Ask GET whether it went out."""
    await server.outbox.test(id)
    return _contact(server.directory.contact(id))


@router.post(
    "/alerts/shifts", dependencies=[needs(Act.SET_ALERTS)], status_code=201, summary="Somebody is on duty",
    responses=problems(404, 422),
)  # fmt: skip
async def add_shift(wanted: ShiftIn, server: TheServer, person: ThePerson) -> ShiftOut:
    """From then until then."""
    return _shift(
        await server.directory.add_shift(
            wanted.rota, wanted.recipient, wanted.begins_at, wanted.ends_at, person.name
        )
    )  # fmt: skip


@router.delete(
    "/alerts/shifts/{id}", dependencies=[needs(Act.SET_ALERTS)], status_code=204, summary="They are not",
    response_class=Response, responses=problems(404, 422),
)  # fmt: skip
async def remove_shift(id: Identifier, server: TheServer) -> Response:
    """The shift is gone."""
    await server.directory.remove_shift(id)
    return _NO_CONTENT


@router.put("/alerts/routes", dependencies=[needs(Act.SET_ALERTS)], summary="The routes", responses=problems(404, 422))
async def set_routes(wanted: RoutesIO, server: TheServer, person: ThePerson) -> RoutesIO:
    """These and no others. Before there is one, everybody is told."""
    routes = [
        Route("", each.name, each.match.match(), tuple(Step(step.after_min, step.to) for step in each.steps))
        for each in wanted.items
    ]
    return RoutesIO(items=[_route(each) for each in await server.directory.set_routes(routes, person.name)])


@router.post(
    "/alerts/silences", dependencies=[needs(Act.SET_ALERTS)], status_code=201, summary="A silence",
    responses=problems(404, 422),
)  # fmt: skip
async def add_silence(wanted: SilenceIn, server: TheServer, person: ThePerson) -> SilenceOut:
    """In force at once, and before the first look after a start."""
    return _silence(
        await server.directory.silence(
            wanted.match.match(), wanted.begins_at, wanted.ends_at, wanted.reason, person.name, wanted.every,
            wanted.last_until,
        )
    )  # fmt: skip


@router.delete(
    "/alerts/silences/{id}", dependencies=[needs(Act.SET_ALERTS)], status_code=204, summary="It is over",
    response_class=Response, responses=problems(404, 422),
)  # fmt: skip
async def end_silence(id: Identifier, server: TheServer) -> Response:
    """What it hid is told again."""
    await server.directory.end_silence(id)
    return _NO_CONTENT


def _contact(contact: Contact) -> ContactOut:
    return ContactOut(
        id=contact.id, channel=contact.channel, shown=contact.shown, agreed_at=contact.agreed_at,
        agreed_by=contact.agreed_by, tested_at=contact.tested_at, tested=contact.tested,
    )  # fmt: skip


def _recipient(found: Recipient) -> RecipientOut:
    return RecipientOut(
        id=found.id, name=found.name, lang=found.lang, contacts=[_contact(each) for each in found.contacts]
    )


def _shift(found: Shift) -> ShiftOut:
    return ShiftOut(
        id=found.id, rota=found.rota, recipient=found.recipient, begins_at=found.begins_at, ends_at=found.ends_at,
        by=found.by,
    )  # fmt: skip


def _route(found: Route) -> RouteIO:
    steps = [StepIO(after_min=step.after_min, to=step.to) for step in found.steps]
    return RouteIO(name=found.name, match=_match(found.match), steps=steps)


def _silence(found: Silence) -> SilenceOut:
    return SilenceOut(
        id=found.id, by=found.by, match=_match(found.match), begins_at=found.begins_at, ends_at=found.ends_at,
        reason=found.reason, every=found.every, last_until=found.last_until,
    )  # fmt: skip


def _match(found: Match) -> MatchIO:
    level: Any = Priority(found.least).name.lower()
    return MatchIO(
        sites=sorted(found.sites), kinds=sorted(found.kinds), checks=sorted(found.checks), roles=sorted(found.roles),
        families=sorted(found.families), least=level, hours=found.hours,
    )  # fmt: skip
