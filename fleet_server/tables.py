"""Tables as people take them away, and one of them as CSV; `workbook` makes Excel of them."""

import csv
import io

from msgspec import Struct

from fleet_server.cells import safe

EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV = "text/csv; charset=utf-8"
Cell = str | float | None
_BOM = "\ufeff"
"""Without it Excel takes UTF-8 for a code page, and Vietnamese is unreadable."""


class Table(Struct, frozen=True):
    """One table."""

    name: str
    """The end of the text key of its title."""
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def csv_of(table: Table) -> bytes:
    """RFC 4180, in UTF-8."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([safe(column) for column in table.columns])
    writer.writerows([["" if cell is None else safe(cell) for cell in row] for row in table.rows])
    return (_BOM + out.getvalue()).encode()
