"""Sessions: POST and GET /sessions, GET /sessions/{id}/gate, POST /sessions/{id}/decision."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from msgspec.structs import replace
from pydantic import AwareDatetime, BaseModel, Field

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import Identifier, TheServer
from fleet_server.api.language import Language
from fleet_server.api.problems import problems
from fleet_server.domain.access import Act
from fleet_server.domain.gate import Gate, Waiver
from fleet_server.domain.readiness import CheckResult, Verdict
from fleet_server.domain.sessions import Session
from fleet_server.errors import NotFound
from fleet_server.server import Server
from fleet_server.store.sessions import DecisionRow
from fleet_server.texts import Lang
from fleet_server.views import message
from wire.ids import SLUG

router = APIRouter(tags=["sessions"])

Reason = Annotated[str, Field(max_length=500)]


class SessionIn(BaseModel):
    """A session to be planned."""

    title: Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S", examples=["Tiếp công dân định kỳ"])]
    kind: Literal["periodic", "urgent"] = "periodic"
    chair: Annotated[str, Field(max_length=120)] = ""
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    sites: Annotated[list[Annotated[str, Field(pattern=SLUG)]], Field(min_length=1, max_length=5_000)]


class DecisionOut(BaseModel):
    """A decision that was taken."""

    decision: Literal["go", "no_go"]
    by: str
    reason: str
    at: datetime


class SessionOut(BaseModel):
    """A session."""

    id: str
    title: str
    kind: str
    chair: str
    starts_at: datetime
    ends_at: datetime
    sites: list[str]


class SessionsOut(BaseModel):
    """Sessions, those to come first."""

    items: list[SessionOut]


class ReasonOut(BaseModel):
    """What stands against a site."""

    check: str
    device: str | None
    outcome: str
    blocks: bool = Field(description="It must be put right or waived before a go")
    text: str


class GateSiteOut(BaseModel):
    """One site at the gate."""

    site: str
    name: str
    verdict: Verdict
    admitted: bool
    reasons: list[ReasonOut]
    waived: list[ReasonOut]


class GateOut(BaseModel):
    """The gate of a session now."""

    session: str
    go: bool = Field(description="Every site is ready or waived")
    learning: bool = Field(description="The server has just started and is not sure yet")
    sites: list[GateSiteOut]
    decision: DecisionOut | None


class WaiverIn(BaseModel):
    """A named person's exception."""

    site: Annotated[str, Field(pattern=SLUG)]
    check: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]
    until: AwareDatetime | None = Field(None, description="The session's end where it is not given")


class DecisionIn(BaseModel):
    """Go or no-go, by whoever is signed in."""

    decision: Literal["go", "no_go"]
    reason: Reason = ""
    waivers: Annotated[list[WaiverIn], Field(max_length=1_000)] = []


@router.post(
    "/sessions", dependencies=[needs(Act.PLAN)], status_code=201, summary="Plan a session", responses=problems(422)
)
async def plan_session(wanted: SessionIn, server: TheServer) -> SessionOut:
    """A new session with its sites."""
    session = await server.sessions.plan(
        wanted.title.strip(), wanted.kind, wanted.chair.strip(), wanted.starts_at, wanted.ends_at, wanted.sites
    )
    return _session_out(session)


@router.get("/sessions", dependencies=[needs(Act.SEE)], summary="Sessions")
async def list_sessions(server: TheServer) -> SessionsOut:
    """The latest fifty."""
    return SessionsOut(items=[_session_out(session) for session in await visible_sessions(server)])


@router.get(
    "/sessions/{id}/gate", dependencies=[needs(Act.SEE)], summary="Go or no-go, and why", responses=problems(404, 422)
)
async def get_gate(id: Identifier, server: TheServer, lang: Language) -> GateOut:
    """Every site's verdict under the session's own needs, with every reason."""
    session = await visible_session(server, id)
    gate, decision, _ = await server.sessions.gate(session)
    return _gate_out(lang, server, session, gate, decision)


@router.post(
    "/sessions/{id}/decision", dependencies=[needs(Act.DECIDE)], summary="Decide", responses=problems(404, 409, 422)
)
async def decide(id: Identifier, wish: DecisionIn, server: TheServer, person: ThePerson, lang: Language) -> GateOut:
    """A named person's decision. `go` is refused while a site is neither ready nor waived."""
    session = await server.sessions.find(id)
    granted = [
        Waiver(waiver.site, waiver.check, waiver.reason.strip(), person.name, waiver.until or session.ends_at)
        for waiver in wish.waivers
    ]
    gate, decision = await server.sessions.decide(session, wish.decision, person.name, wish.reason.strip(), granted)
    return _gate_out(lang, server, session, gate, decision)


async def visible_session(server: Server, id: str) -> Session:
    """A session, for whoever sees one of its sites. Raises NotFound."""
    session = await server.sessions.find(id)
    if server.fleet.entries.keys().isdisjoint(session.sites):
        raise NotFound("sessions.not_found", session=id)
    return seen(server, session)


async def visible_sessions(server: Server) -> list[Session]:
    """The latest fifty, of which one sees a site."""
    found = (seen(server, session) for session in await server.sessions.newest())
    return [session for session in found if session.sites]


def seen(server: Server, session: Session) -> Session:
    """The session with those of its sites that one sees."""
    return replace(session, sites=tuple(site for site in session.sites if site in server.fleet.entries))


def _session_out(session: Session) -> SessionOut:
    return SessionOut(
        id=session.id, title=session.title, kind=session.kind, chair=session.chair,
        starts_at=session.starts_at, ends_at=session.ends_at, sites=list(session.sites),
    )  # fmt: skip


def _gate_out(lang: Lang, server: TheServer, session: Session, gate: Gate, decision: DecisionRow | None) -> GateOut:
    sites = []
    for entry in gate.sites:
        if (known := server.fleet.entries.get(entry.site)) is None:
            continue

        def reasons(checks: tuple[CheckResult, ...], known: object = known) -> list[ReasonOut]:
            return [
                ReasonOut(
                    check=check.check, device=check.device, outcome=str(check.outcome),
                    blocks=check.counts and check.outcome != "warn",
                    text=message(lang, check, known),  # type: ignore[arg-type]
                )
                for check in checks
            ]  # fmt: skip

        sites.append(
            GateSiteOut(
                site=entry.site, name=known.site.name, verdict=entry.verdict, admitted=entry.admitted,
                reasons=reasons(entry.reasons), waived=reasons(entry.waived),
            )
        )  # fmt: skip
    decided = (
        DecisionOut(
            decision="go" if decision.decision == "go" else "no_go", by=decision.by, reason=decision.reason,
            at=decision.at,
        )
        if decision
        else None
    )  # fmt: skip
    return GateOut(session=session.id, go=gate.go, learning=server.fleet.is_learning, sites=sites, decision=decided)
