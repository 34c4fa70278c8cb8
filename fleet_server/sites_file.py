"""A CSV file of sites: every wrong row is named, and nothing is taken while one is wrong."""

import re
from collections.abc import Iterable, Sequence

from fleet_server.errors import BadFile
from fleet_server.store.sites import SiteRow
from wire.ids import SLUG

COLUMNS = ("site_id", "code", "name", "kind", "parent", "lat", "lon", "line_down_mbps", "line_up_mbps")
_KINDS = ("hub", "commune", "department", "external")
_MOST_ROWS = 20_000
_NAMED = 50


def sites_of(rows: Iterable[Sequence[str]]) -> list[SiteRow]:
    """The sites in the rows of a CSV file, its head first. Raises BadFile with every wrong row."""
    lines = iter(rows)
    head = [name.strip() for name in next(lines, [])]
    if missing := [name for name in COLUMNS if name not in head]:
        raise BadFile("sites.columns_missing", columns=", ".join(missing))
    found: dict[str, SiteRow] = {}
    wrong: list[str] = []
    for number, values in enumerate(lines, start=2):
        if not any(values):
            continue
        if number > _MOST_ROWS:
            raise BadFile("sites.too_many", most=_MOST_ROWS)
        row = dict(zip(head, (value.strip() for value in values), strict=False))
        try:
            site = _site(row, len(values) == len(head))
            if site.id in found:
                raise ValueError(f"site_id {site.id!r}: twice")
            found[site.id] = site
        except ValueError as error:
            wrong.append(f"{number}: {error}")
    for site in found.values():
        if site.parent and site.parent not in found:
            wrong.append(f"{site.id}: parent {site.parent!r}")
    if wrong or not found:
        shown = "\n  ".join(wrong[:_NAMED] or ["-"])
        raise BadFile("sites.wrong_rows", count=len(wrong), rows=f"\n  {shown}")
    return list(found.values())


def _site(row: dict[str, str], whole: bool) -> SiteRow:
    if not whole:
        raise ValueError("number of columns")
    if not re.fullmatch(SLUG, row["site_id"]):
        raise ValueError(f"site_id {row['site_id']!r}: [a-z0-9-]{{1,64}}")
    if not 0 < len(row["name"]) <= 200:
        raise ValueError("name")
    if row["kind"] not in _KINDS:
        raise ValueError(f"kind {row['kind']!r}: {', '.join(_KINDS)}")
    if len(row["code"]) > 16:
        raise ValueError(f"code {row['code']!r}")
    return SiteRow(
        row["site_id"], row["code"], row["name"], row["kind"], row["parent"] or None,
        _number(row, "lat", -90, 90), _number(row, "lon", -180, 180),
        _number(row, "line_down_mbps", 0, 1e6) if row["line_down_mbps"] else None,
        _number(row, "line_up_mbps", 0, 1e6) if row["line_up_mbps"] else None,
    )  # fmt: skip


def _number(row: dict[str, str], name: str, low: float, high: float) -> float:
    try:
        value = float(row[name])
    except ValueError:
        raise ValueError(f"{name} {row[name]!r}") from None
    if not low <= value <= high:
        raise ValueError(f"{name} {row[name]!r}: {low:g} … {high:g}")
    return value
