"""POST and GET /line-tests: measure rooms' lines, each in its turn; GET /line-tests/load: what it costs the hub."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from fleet_server.api.access import ThePerson, needs, told
from fleet_server.api.context import Identifier, TheServer
from fleet_server.api.problems import problems
from fleet_server.domain.access import Act
from fleet_server.domain.line_tests import LineTest, LineTestState
from fleet_server.errors import Invalid, NotFound
from fleet_server.server import Server
from wire.ids import SLUG

router = APIRouter(tags=["line tests"])

SiteName = Annotated[str, Field(pattern=SLUG)]


class LineTestsIn(BaseModel):
    """Which rooms."""

    sites: Annotated[list[SiteName], Field(min_length=1, max_length=5_000)]
    reason: Annotated[str, Field(max_length=500)] = Field("", description="Why; needed for more than one room")


class LineTestOut(BaseModel):
    """One room's test."""

    id: str
    site: str
    state: LineTestState
    turn: int = Field(description="Its place among those that wait, 1 is the next; 0 when it does not wait")
    asked_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    down_mbit_s: float | None
    up_mbit_s: float | None
    method: str = Field(description="How it was measured", examples=["tcp_1"])
    detail: str = Field(description="Why there is no result, as a key")


class LineTestsOut(BaseModel):
    """The tests that were asked for."""

    items: list[LineTestOut]


class LoadOut(BaseModel):
    """What line tests put on the hub's line, counted by the server, in Mbit/s over the last second."""

    share_mbit_s: float = Field(description="What they may take of each way")
    down_mbit_s: float = Field(description="Sent to rooms")
    up_mbit_s: float = Field(description="Taken from rooms")
    peak_down_mbit_s: float
    peak_up_mbit_s: float


@router.post(
    "/line-tests",
    dependencies=[needs(Act.TEST_LINE)],
    status_code=202,
    summary="Measure the lines of rooms",
    responses=problems(404, 422),
)
async def ask(wanted: LineTestsIn, server: TheServer, person: ThePerson, request: Request) -> LineTestsOut:
    """Answers at once with each test's turn. A room that already waits keeps its place."""
    for site in wanted.sites:
        if site not in server.fleet.entries:
            raise NotFound("sites.not_found", site=site)
    if len(set(wanted.sites)) > 1 and not wanted.reason.strip():
        raise Invalid("line_tests.reason_needed")
    told(request, sites=len(set(wanted.sites)), reason=wanted.reason.strip())
    tests = await server.line_tests.ask(wanted.sites, person.name)
    return LineTestsOut(items=[_out(server, test) for test in tests])


@router.get("/line-tests/load", dependencies=[needs(Act.SEE)], summary="What line tests put on the hub's line")
async def load(server: TheServer) -> LoadOut:
    """Both ways, now and at the most since the server started."""
    down, up = server.line_tests.tickets.down, server.line_tests.tickets.up
    return LoadOut(
        share_mbit_s=server.line_tests.share_mbit_s, down_mbit_s=down.now_mbit_s, up_mbit_s=up.now_mbit_s,
        peak_down_mbit_s=down.peak_mbit_s, peak_up_mbit_s=up.peak_mbit_s,
    )  # fmt: skip


@router.get(
    "/line-tests/{id}",
    dependencies=[needs(Act.SEE)],
    summary="How far a line test has come",
    responses=problems(404, 422),
)
async def get(id: Identifier, server: TheServer) -> LineTestOut:
    """Its turn while it waits, its result when it is done."""
    found = await server.line_tests.find(id)
    if found.site not in server.fleet.entries:
        raise NotFound("line_tests.not_found", test=id)
    return _out(server, found)


def _out(server: Server, test: LineTest) -> LineTestOut:
    return LineTestOut(
        id=test.id, site=test.site, state=test.state, turn=server.line_tests.turn(test), asked_at=test.asked_at,
        started_at=test.started_at, ended_at=test.ended_at, down_mbit_s=test.down_mbit_s, up_mbit_s=test.up_mbit_s,
        method=test.method, detail=test.detail,
    )  # fmt: skip
