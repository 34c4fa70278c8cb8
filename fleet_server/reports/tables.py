"""A report in words: its tables, the same for page, Excel and CSV."""

from collections.abc import Iterable, Mapping

from fleet_server.domain.reports import Report, TroubleLine
from fleet_server.tables import Cell, Table
from fleet_server.texts import Lang, translate

_VERDICTS = ("ready", "at_risk", "not_ready", "offline")


def tables_of(report: Report, names: Mapping[str, str], lang: Lang) -> list[Table]:
    """Every table, empty ones too. `names`: of the sites."""
    shares = tuple(f"share_{verdict}" for verdict in _VERDICTS)
    sites = (
        (names.get(line.site, line.site), *_shares(line.minutes), line.sessions, line.setbacks)
        for line in report.sites
    )  # fmt: skip
    wolves = (
        (_check(lang, wolf.check), wolf.times, wolf.short, wolf.waived, _percent(wolf.share),
         translate(lang, "reports.wolf") if wolf.cries_wolf else "")
        for wolf in report.wolves
    )  # fmt: skip
    of_families = ("family", "devices", "times", "times_a_device", "sites", "hours", "median", "p90")
    return [
        _table(lang, "sites", ("site", *shares, "sessions", "setbacks"), sites),
        _table(
            lang, "causes", ("check", "times", "sites", "hours", "median", "p90"),
            ((_check(lang, line.name), line.times, *_rest(line)) for line in report.causes),
        ),
        _table(
            lang, "families", of_families,
            ((line.name, line.devices, line.times, _short(line.times_a_device), *_rest(line))
             for line in report.families),
        ),
        _table(lang, "wolves", ("check", "times", "short", "waived", "for_nothing", "note"), wolves),
        _table(
            lang, "alerts", ("week", "incidents", "messages", "acknowledged", "to_acknowledge"),
            ((f"{line.week:%d/%m/%Y}", line.incidents, line.messages, _percent(line.acknowledged / line.incidents),
              _short(line.minutes_to_acknowledge)) for line in report.alerts),
        ),
        _table(lang, "unused", ("site",), ((names.get(site, site),) for site in report.unused)),
    ]  # fmt: skip


def _table(lang: Lang, name: str, columns: tuple[str, ...], rows: Iterable[tuple[Cell, ...]]) -> Table:
    headings = tuple(translate(lang, f"reports.column.{column}") for column in columns)
    return Table(name, translate(lang, f"reports.table.{name}"), headings, tuple(rows))


def _rest(line: TroubleLine) -> tuple[Cell, ...]:
    return line.sites, _short(line.hours), _short(line.mend_median_min), _short(line.mend_p90_min)


def _shares(minutes: Mapping[str, int]) -> tuple[Cell, ...]:
    total = sum(minutes.values())
    return tuple(_percent(minutes.get(verdict, 0) / total) if total else None for verdict in _VERDICTS)


def _percent(share: float) -> float:
    return round(share * 100, 1)


def _short(value: float | None) -> float | None:
    return round(value, 1) if value is not None else None


def _check(lang: Lang, check: str) -> str:
    return translate(lang, f"checks.{check}.title")
