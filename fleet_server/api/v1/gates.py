"""A session's gate: what stands against a go, the decision, the stages, and what became worse since."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field

from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import Identifier, TheServer
from fleet_server.api.language import Language
from fleet_server.api.problems import problems
from fleet_server.api.v1.sessions import Reason, SiteName, visible_session
from fleet_server.domain.access import Act
from fleet_server.domain.gate import Gate, Waiver, blocks, steps_of
from fleet_server.domain.readiness import CheckResult, Verdict
from fleet_server.domain.sessions import Session
from fleet_server.server import Server
from fleet_server.state.fleet import SiteEntry
from fleet_server.store.decisions import DecisionRow
from fleet_server.texts import Lang
from fleet_server.views import message

router = APIRouter(tags=["sessions"])


class DecisionOut(BaseModel):
    """A decision that was taken."""

    decision: Literal["go", "no_go"]
    by: str
    reason: str
    at: datetime


class ReasonOut(BaseModel):
    """What stands against a site."""

    check: str
    device: str | None
    outcome: str
    blocks: bool = Field(description="It must be put right or waived before a go")
    mend_min: int = Field(description="Minutes that it usually takes to put right")
    text: str


class GateSiteOut(BaseModel):
    """One site at the gate."""

    site: str
    name: str
    verdict: Verdict
    admitted: bool
    report_age_s: float | None = Field(description="Seconds since its report came")
    reasons: list[ReasonOut]
    waived: list[ReasonOut]


class StepOut(BaseModel):
    """What to put right, wherever it is wrong."""

    check: str
    sites: list[str]
    blocks: bool
    mend_min: int
    learnt: bool = Field(description="It is what it took here until now; else what profile or blueprint guess")


class GateOut(BaseModel):
    """The gate of a session now."""

    session: str
    go: bool = Field(description="Every site is ready or waived")
    learning: bool = Field(description="The server has just started and is not sure yet")
    sites: list[GateSiteOut]
    steps: list[StepOut] = Field(description="In the order in which to begin")
    spares: list[str] = Field(description="Rooms that stand by and are ready")
    decision: DecisionOut | None


class WaiverIn(BaseModel):
    """A named person's exception."""

    site: SiteName
    check: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]
    until: AwareDatetime | None = Field(None, description="The session's end where it is not given")


class DecisionIn(BaseModel):
    """Go or no-go, by whoever is signed in."""

    decision: Literal["go", "no_go"]
    reason: Reason = ""
    waivers: Annotated[list[WaiverIn], Field(max_length=1_000)] = []


class StageOut(BaseModel):
    """One automatic check of the session."""

    minutes_before: int
    due_at: datetime
    state: Literal["to_come", "running", "done", "missed"]
    late: bool = Field(description="It began later than it should have")
    go: bool | None = Field(description="What the gate said then")
    not_admitted: list[str] = Field(description="Sites that stood against a go then")


class StagesOut(BaseModel):
    """The stages of a session, by their time."""

    items: list[StageOut]


class SetbackOut(BaseModel):
    """Something that became worse after the decision to go."""

    site: str
    check: str
    device: str
    outcome: str
    opened_at: datetime
    cleared_at: datetime | None


class SetbacksOut(BaseModel):
    """All of them, the last first."""

    items: list[SetbackOut]


@router.get(
    "/sessions/{id}/gate", dependencies=[needs(Act.SEE)], summary="Go or no-go, and why", responses=problems(404, 422)
)
async def get_gate(id: Identifier, server: TheServer, lang: Language) -> GateOut:
    """Every site's verdict under the session's own needs, with every reason."""
    session = await visible_session(server, id)
    gate, decision, _ = await server.gates.gate(session)
    return _gate_out(lang, server, session, gate, decision)


@router.post(
    "/sessions/{id}/decision", dependencies=[needs(Act.DECIDE)], summary="Decide", responses=problems(404, 409, 422)
)
async def decide(id: Identifier, wish: DecisionIn, server: TheServer, person: ThePerson, lang: Language) -> GateOut:
    """A named person's decision. `go` is refused while a site is neither ready nor waived, or has given no report for
    ten seconds; rooms are asked for one first."""
    session = await server.sessions.find(id)
    granted = [
        Waiver(waiver.site, waiver.check, waiver.reason.strip(), person.name, waiver.until or session.ends_at)
        for waiver in wish.waivers
    ]
    gate, decision = await server.gates.decide(session, wish.decision, person.name, wish.reason.strip(), granted)
    return _gate_out(lang, server, session, gate, decision)


@router.get(
    "/sessions/{id}/stages", dependencies=[needs(Act.SEE)], summary="What its stages found",
    responses=problems(404, 422),
)  # fmt: skip
async def get_stages(id: Identifier, server: TheServer) -> StagesOut:
    """Those that were run, and those to come."""
    session = await visible_session(server, id)
    found = [
        StageOut(
            minutes_before=seen.stage.minutes_before, due_at=seen.stage.due_at, state=seen.state,
            late=seen.row.late if seen.row is not None else False,
            go=seen.snapshot.go if seen.snapshot is not None else None,
            not_admitted=seen.not_admitted(server.fleet.entries),
        )
        for seen in await server.stages.line(session)
    ]  # fmt: skip
    return StagesOut(items=found)


@router.post(
    "/sessions/{id}/checks", dependencies=[needs(Act.CHECK)], status_code=202, summary="Check its rooms now",
    responses=problems(404, 409, 422),
)  # fmt: skip
async def check_now(id: Identifier, server: TheServer) -> None:
    """Devices act, then the rooms are judged; follow it with `GET /sessions/{id}/stages`, where it is 0 minutes
    before."""
    await server.stages.check_now(id)


@router.get(
    "/sessions/{id}/setbacks", dependencies=[needs(Act.SEE)], summary="What became worse after the decision to go",
    responses=problems(404, 422),
)  # fmt: skip
async def get_setbacks(id: Identifier, server: TheServer) -> SetbacksOut:
    """Each from first sight to cleared."""
    session = await visible_session(server, id)
    return SetbacksOut(
        items=[
            SetbackOut(
                site=row.site, check=row.trouble.check, device=row.trouble.device, outcome=str(row.trouble.outcome),
                opened_at=row.opened_at, cleared_at=row.cleared_at,
            )
            for row in await server.watch.of_session(session.id) if row.site in server.fleet.entries
        ]
    )  # fmt: skip


def _gate_out(lang: Lang, server: Server, session: Session, gate: Gate, decision: DecisionRow | None) -> GateOut:
    entries, now = server.fleet.entries, server.fleet.now()
    sites = [
        GateSiteOut(
            site=at_gate.site, name=entries[at_gate.site].site.name, verdict=at_gate.verdict,
            admitted=at_gate.admitted,
            report_age_s=max(0.0, now - at_gate.report_at) if at_gate.report_at is not None else None,
            reasons=_reasons(lang, entries[at_gate.site], at_gate.reasons),
            waived=_reasons(lang, entries[at_gate.site], at_gate.waived),
        )
        for at_gate in gate.sites if at_gate.site in entries
    ]  # fmt: skip
    steps = [
        StepOut(check=step.check, sites=shown, blocks=step.blocks, mend_min=step.mend_min, learnt=step.learnt)
        for step in steps_of(gate, server.recorder.mend_min)
        if (shown := [site for site in step.sites if site in entries])
    ]  # fmt: skip
    decided = None
    if decision is not None:
        decided = DecisionOut(
            decision="go" if decision.decision == "go" else "no_go", by=decision.by, reason=decision.reason,
            at=decision.at,
        )  # fmt: skip
    return GateOut(
        session=session.id, go=gate.go, learning=server.fleet.is_learning, sites=sites, steps=steps, decision=decided,
        spares=[site for site in server.gates.ready_spares(session) if site in entries],
    )  # fmt: skip


def _reasons(lang: Lang, entry: SiteEntry, checks: tuple[CheckResult, ...]) -> list[ReasonOut]:
    return [
        ReasonOut(
            check=check.check, device=check.device, outcome=str(check.outcome), blocks=blocks(check),
            mend_min=check.mend_min, text=message(lang, check, entry),
        )
        for check in checks
    ]  # fmt: skip
