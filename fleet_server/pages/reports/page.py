"""GET /reports: how ready rooms were over months, what kept them from it, which are never used."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from fleet_server.api.access import needs
from fleet_server.api.context import TheServer
from fleet_server.api.language import Language
from fleet_server.api.v1.reports import report_tables
from fleet_server.domain.access import Act
from fleet_server.domain.reports import Report
from fleet_server.errors import Invalid
from fleet_server.pages.render import render
from fleet_server.texts import error_text

router = APIRouter()

_SHOWN = 40
Month = Annotated[str, Query(max_length=10)]


@router.get("/reports", dependencies=[needs(Act.SEE)])
async def page(
    request: Request, server: TheServer, lang: Language, first: Month = "", last: Month = ""
) -> HTMLResponse:
    """The whole page; a period that cannot be read is said, and this month shown."""
    problem = ""
    try:
        period = server.reports.period(first, last)
    except Invalid as error:
        problem, period = error_text(lang, error), server.reports.period()
    report = await server.reports.report(period, server.fleet.entries)
    values: dict[str, Any] = {
        "first": f"{period.first:%Y-%m}", "last": f"{period.last:%Y-%m}", "report": report, "shown": _SHOWN,
        "tables": report_tables(server, report, lang), "share": _share(report), "hours": server.settings.working_hours,
        "problem": problem,
    }  # fmt: skip
    return render(request, "reports/page.html", 422 if problem else 200, **values)


def _share(report: Report) -> float | None:
    """Of all minutes at work of all rooms, the percentage in which a session could have been held; None: no minute."""
    total = sum(sum(line.minutes.values()) for line in report.sites)
    able = sum(line.minutes.get("ready", 0) + line.minutes.get("at_risk", 0) for line in report.sites)
    return 100 * able / total if total else None
