"""Reports over months, as JSON, Excel and CSV."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from fleet_server.api.access import needs
from fleet_server.api.context import TheServer
from fleet_server.api.language import Language
from fleet_server.api.problems import problems
from fleet_server.domain.access import Act
from fleet_server.domain.reports import Report, TroubleLine
from fleet_server.reports.tables import tables_of
from fleet_server.server import Server
from fleet_server.tables import CSV, EXCEL, Table, csv_of
from fleet_server.texts import Lang, translate

router = APIRouter(tags=["reports"])

Month = Annotated[str, Query(max_length=10, description="A month; nothing: this one", examples=["2026-11"])]
TableName = Literal["sites", "causes", "families", "wolves", "alerts", "unused"]


class SiteLineOut(BaseModel):
    """One room."""

    site: str
    name: str
    minutes: dict[str, int] = Field(description="By verdict, in working hours")
    ready_share: float | None = Field(description="Of the minutes, ready or at risk; null where nobody looked")
    sessions: int
    setbacks: int


class TroubleLineOut(BaseModel):
    """One cause, or one family of equipment."""

    name: str
    times: int
    sites: int
    hours: float
    mend_median_min: float | None
    mend_p90_min: float | None
    devices: int = Field(description="Of the family that there are now; 0 for a cause")


class WolfLineOut(BaseModel):
    """How often a check cried for nothing."""

    check: str
    times: int
    short: int = Field(description="Over within five minutes")
    waived: int
    cries_wolf: bool


class AlertLineOut(BaseModel):
    """One week of alerts."""

    week: date = Field(description="Its Monday")
    incidents: int
    messages: int
    acknowledged: int
    minutes_to_acknowledge: float | None = Field(description="The median")


class ReportOut(BaseModel):
    """About the sites that one sees."""

    first: date
    last: date
    sites: list[SiteLineOut] = Field(description="The least ready first")
    causes: list[TroubleLineOut] = Field(description="Of what made rooms not ready, the most hours first")
    families: list[TroubleLineOut]
    wolves: list[WolfLineOut]
    alerts: list[AlertLineOut]
    unused: list[str] = Field(description="Sites without a session")


@router.get("/reports", dependencies=[needs(Act.SEE)], summary="A report over months", responses=problems(422))
async def report(server: TheServer, first: Month = "", last: Month = "") -> ReportOut:
    """From the first month to the last, at most two years."""
    found = await server.reports.report(server.reports.period(first, last), server.fleet.entries)
    names = names_of(server)
    return ReportOut(
        first=found.period.first, last=found.period.last,
        sites=[
            SiteLineOut(
                site=line.site, name=names[line.site], minutes=dict(line.minutes), ready_share=line.ready_share,
                sessions=line.sessions, setbacks=line.setbacks,
            )
            for line in found.sites
        ],
        causes=[_line(line) for line in found.causes], families=[_line(line) for line in found.families],
        wolves=[
            WolfLineOut(
                check=wolf.check, times=wolf.times, short=wolf.short, waived=wolf.waived, cries_wolf=wolf.cries_wolf
            )
            for wolf in found.wolves
        ],
        alerts=[
            AlertLineOut(
                week=line.week, incidents=line.incidents, messages=line.messages, acknowledged=line.acknowledged,
                minutes_to_acknowledge=line.minutes_to_acknowledge,
            )
            for line in found.alerts
        ],
        unused=list(found.unused),
    )  # fmt: skip


@router.get(
    "/reports/report.xlsx", dependencies=[needs(Act.SEE)], summary="The same as Excel", response_class=Response,
    responses={200: {"content": {EXCEL: {}}}, **problems(422)},
)  # fmt: skip
async def workbook(server: TheServer, lang: Language, first: Month = "", last: Month = "") -> Response:
    """A sheet for each table."""
    found = await server.reports.report(server.reports.period(first, last), server.fleet.entries)
    from fleet_server.workbook import workbook_of  # openpyxl takes a quarter of a second to load

    book = workbook_of(report_tables(server, found, lang), translate(lang, "minute.none"))
    return Response(book, media_type=EXCEL, headers=_as_file(found, "report", "xlsx"))


@router.get(
    "/reports/{table}.csv", dependencies=[needs(Act.SEE)], summary="One table as CSV", response_class=Response,
    responses={200: {"content": {"text/csv": {}}}, **problems(422)},
)  # fmt: skip
async def one_table(
    table: TableName, server: TheServer, lang: Language, first: Month = "", last: Month = ""
) -> Response:  # fmt: skip
    """In UTF-8."""
    found = await server.reports.report(server.reports.period(first, last), server.fleet.entries)
    chosen = next(each for each in report_tables(server, found, lang) if each.name == table)
    return Response(csv_of(chosen), media_type=CSV, headers=_as_file(found, table, "csv"))


def report_tables(server: Server, found: Report, lang: Lang) -> list[Table]:
    """As people read them."""
    return tables_of(found, names_of(server), lang)


def names_of(server: Server) -> dict[str, str]:
    """Site -> its name."""
    return {site: entry.site.name for site, entry in server.fleet.entries.items()}


def _as_file(found: Report, name: str, kind: str) -> dict[str, str]:
    months = f"{found.period.first:%Y-%m}_{found.period.last:%Y-%m}"
    return {
        "Content-Disposition": f'attachment; filename="diemcau-{name}-{months}.{kind}"',
        "Cache-Control": "private, no-store",
    }  # fmt: skip


def _line(line: TroubleLine) -> TroubleLineOut:
    return TroubleLineOut(
        name=line.name, times=line.times, sites=line.sites, hours=round(line.hours, 2),
        mend_median_min=line.mend_median_min, mend_p90_min=line.mend_p90_min, devices=line.devices,
    )  # fmt: skip
