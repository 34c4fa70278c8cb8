"""The same as Excel: one sheet for each table."""

import io
from zoneinfo import ZoneInfo

from openpyxl import Workbook
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.workbook.child import INVALID_TITLE_REGEX

from fleet_server.cells import safe
from fleet_server.minutes.content import Minute
from fleet_server.minutes.tables import tables_of
from fleet_server.texts import Lang, translate

_WIDEST = 60


def workbook_of(minute: Minute, lang: Lang, zone: ZoneInfo) -> bytes:
    """The workbook's bytes."""
    book = Workbook()
    book.remove(book.worksheets[0])
    for table in tables_of(minute, lang, zone):
        sheet = book.create_sheet(INVALID_TITLE_REGEX.sub("", table.title)[:31])
        sheet.append([safe(column) for column in table.columns])
        for cell in sheet[1]:
            cell.font = Font(bold=True)
        for row in table.rows:
            sheet.append([safe(cell) for cell in row])
        sheet.freeze_panes = "A2"
        for nr, column in enumerate(zip(table.columns, *table.rows, strict=True), 1):
            sheet.column_dimensions[get_column_letter(nr)].width = min(_WIDEST, max(map(len, column)) + 2)
    if not book.worksheets:
        book.create_sheet(translate(lang, "minute.none")[:31])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
