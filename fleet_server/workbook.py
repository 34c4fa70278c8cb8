"""Tables as an Excel workbook. openpyxl brings numpy along and is slow to load: whoever needs this loads it then."""

import io
from collections.abc import Iterable

from openpyxl import Workbook
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.workbook.child import INVALID_TITLE_REGEX

from fleet_server.cells import safe
from fleet_server.tables import Cell, Table

_WIDEST = 60


def workbook_of(tables: Iterable[Table], none: str) -> bytes:
    """One sheet for each table; a sheet called `none` where there is no table."""
    book = Workbook()
    book.remove(book.worksheets[0])
    for table in tables:
        sheet = book.create_sheet(INVALID_TITLE_REGEX.sub("", table.title)[:31])
        sheet.append([safe(column) for column in table.columns])
        for cell in sheet[1]:
            cell.font = Font(bold=True)
        for row in table.rows:
            sheet.append([safe(cell) for cell in row])
        sheet.freeze_panes = "A2"
        for nr, column in enumerate(zip(table.columns, *table.rows, strict=True), 1):
            sheet.column_dimensions[get_column_letter(nr)].width = min(_WIDEST, max(map(_width, column)) + 2)
    if not book.worksheets:
        book.create_sheet(none[:31])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _width(cell: Cell) -> int:
    return len(str(cell)) if cell is not None else 0
