"""Surveys and progress as Excel files: a template to fill in, every wrong row named, nothing taken while one is."""

import io
import math
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
from openpyxl import Workbook, load_workbook
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.worksheet import Worksheet

from fleet_server.cells import safe
from fleet_server.domain.rollout import GROUPS, Piece, Survey
from fleet_server.errors import BadFile
from fleet_server.rollout.desk import SiteProgress, stage_counts
from fleet_server.texts import Lang, translate

MOST_BYTES = 4_000_000
_MOST_UNPACKED_BYTES = 60_000_000
_MOST_ROWS, _MOST_NAMED = 5_000, 500
_PIECE_FIELDS = ("has", "make", "model", "year", "address", "driver", "username", "has_password", "note")
_SITE_FIELDS = ("contact", "phone", "line_kind", "line_down_mbit_s", "line_up_mbit_s")
_YES, _NO = {"có", "co", "yes", "x", "1", "true", "đúng"}, {"không", "khong", "no", "0", "false", "-"}
_MOST_COLUMNS = 200
_AS_TEXT = "@"
_OPENPYXL_RAISES = (
    zipfile.BadZipFile, zlib.error, InvalidFileException, SyntaxError, LookupError, ValueError, TypeError,
    AttributeError, ArithmeticError, EOFError, OSError, RuntimeError, AssertionError,
)  # fmt: skip
"""For what is no workbook, by experiment: a parser's error is a SyntaxError, an encrypted file a RuntimeError."""


def columns() -> list[str]:
    """The columns of a survey, as the second row of the template names them."""
    named = [f"{group}.{field}" for group, roles in GROUPS.items() if roles for field in _PIECE_FIELDS]
    return ["site_id", "name", *_SITE_FIELDS, *named]


def template(progress: Iterable[SiteProgress], lang: Lang) -> bytes:
    """A workbook with one row for each site, what is known of it filled in."""
    book, sheet = _book(translate(lang, "survey.sheet"))
    names = columns()
    sheet.append([_heading(lang, name) for name in names])
    sheet.append(names)
    for cell in (*sheet[1], *sheet[2]):
        cell.font = Font(bold=True)
    for site in progress:
        survey = site.survey.survey if site.survey else Survey()
        sheet.append([safe(value) for value in _row(site, survey, lang)])
    phone = names.index("phone")
    for cells in sheet.iter_rows(min_row=3):
        cells[phone].number_format = _AS_TEXT  # else its first zero is lost when it is typed
    sheet.freeze_panes = "C3"
    _widen(sheet)
    return _packed(book)


def surveys_in(data: bytes, known: Mapping[str, str]) -> dict[str, Survey]:
    """Site -> what its row says; a row with nothing in it is left out. Raises BadFile with every wrong row."""
    rows = _rows(data)
    head = next((values for _, values in rows if "site_id" in values), None)
    if head is None:
        raise BadFile("survey.no_head")
    if unknown := [name for name in head if name and name not in columns()]:
        raise BadFile("survey.unknown_columns", columns=", ".join(unknown[:10]))
    found: dict[str, Survey] = {}
    wrong: list[str] = []
    for number, values in rows:
        row = {name: value for name, value in zip(head, values, strict=False) if name and value != ""}
        site = row.pop("site_id", "")
        row.pop("name", None)
        if not site and not row:
            continue
        try:
            if site not in known:
                raise ValueError(f"site_id {site!r}")
            if site in found:
                raise ValueError(f"site_id {site!r}: 2x")
            if row:
                found[site] = _survey(row)
            if number > _MOST_ROWS:
                raise BadFile("survey.too_many", most=_MOST_ROWS)
        except ValueError as error:
            wrong.append(f"{number}: {error}")
    if wrong:
        shown = "\n  ".join(wrong[:_MOST_NAMED])
        raise BadFile("survey.wrong_rows", count=len(wrong), rows=f"\n  {shown}")
    if not found:
        raise BadFile("survey.empty")
    return found


def progress_book(progress: Sequence[SiteProgress], lang: Lang, now: datetime) -> bytes:
    """The progress of the province: one row a site, and a sheet that counts the stages."""
    book, sheet = _book(translate(lang, "progress.sheet"))
    names = ("site", "kind", "stage", "missing", "unknown", "ready", "provisioned", "contact", "phone", "surveyed_at")
    sheet.append([translate(lang, f"progress.column.{name}") for name in names])
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    for site in progress:
        entry, survey = site.entry, site.survey
        verdict = translate(lang, f"verdict.{entry.verdict if entry.is_set_up else 'being_set_up'}")
        sheet.append(
            [
                safe(value)
                for value in (
                    entry.site.name, translate(lang, f"kind.{entry.site.kind}"),
                    translate(lang, f"stage.{site.stage}"),
                    _groups(lang, site.gaps.missing if site.gaps else ()),
                    _groups(lang, site.gaps.unknown if site.gaps else tuple(GROUPS)),
                    verdict, translate(lang, "value.yes" if entry.provisioned else "value.no"),
                    survey.survey.contact if survey else "", survey.survey.phone if survey else "",
                    survey.at.astimezone(now.tzinfo).strftime("%d/%m/%Y") if survey else "",
                )
            ]
        )  # fmt: skip
    sheet.freeze_panes = "B2"
    sheet.auto_filter.ref = sheet.dimensions
    _widen(sheet)
    counts = book.create_sheet(translate(lang, "progress.summary"))
    for stage, count in stage_counts(progress).items():
        counts.append([translate(lang, f"stage.{stage}"), count])
    counts.append([translate(lang, "progress.made_at"), now.strftime("%d/%m/%Y %H:%M")])
    _widen(counts)
    return _packed(book)


def _survey(row: Mapping[str, str]) -> Survey:
    pieces: dict[str, dict[str, Any]] = {}
    whole: dict[str, Any] = {}
    for name, value in row.items():
        group, dot, field = name.partition(".")
        if not dot:
            whole[name] = _number(name, value) if name.endswith("_mbit_s") else value
        elif field in ("has", "has_password"):
            pieces.setdefault(group, {})[field] = _yes_or_no(name, value)
        else:
            pieces.setdefault(group, {})[field] = int(_number(name, value)) if field == "year" else value
    if "line_kind" in whole:
        whole["line_kind"] = {"thuê riêng": "leased", "internet": "internet"}.get(
            str(whole["line_kind"]).lower(), whole["line_kind"]
        )
    for group, fields in pieces.items():
        for field, value in fields.items():
            _fits(f"{group}.{field}", {field: value}, Piece, row)
    for field, value in whole.items():
        _fits(field, {field: value}, Survey, row)
    return msgspec.convert({**whole, "pieces": pieces}, Survey)


def _fits(column: str, value: dict[str, Any], kind: type[Piece] | type[Survey], row: Mapping[str, str]) -> None:
    """Raises ValueError with the column and what stands in it."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        raise ValueError(f"{column} {row[column][:40]!r}") from None


def _yes_or_no(name: str, value: str) -> bool:
    said = value.strip().lower()
    if said in _YES:
        return True
    if said in _NO:
        return False
    raise ValueError(f"{name} {value[:40]!r}: có / không")


def _number(name: str, value: str) -> float:
    try:
        found = float(value.replace(",", "."))
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"{name} {value[:40]!r}")
    return found


def _rows(data: bytes) -> Iterator[tuple[int, list[str]]]:
    if len(data) > MOST_BYTES:
        raise BadFile("survey.too_large", most=MOST_BYTES // 1_000_000)
    with _foreign_errors_of_openpyxl():
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(part.file_size for part in packed.infolist()) > _MOST_UNPACKED_BYTES:
                raise BadFile("survey.too_large", most=MOST_BYTES // 1_000_000)
        sheet = load_workbook(io.BytesIO(data), read_only=True, data_only=True).worksheets[0]
        rows = sheet.iter_rows(values_only=True, max_row=_MOST_ROWS + 2, max_col=_MOST_COLUMNS)
        for number, values in enumerate(rows, start=1):
            yield number, [_cell(value) for value in values]


@contextmanager
def _foreign_errors_of_openpyxl() -> Iterator[None]:
    try:
        yield
    except _OPENPYXL_RAISES as error:
        raise BadFile("survey.not_excel") from error


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip().removeprefix("'").strip()[:600]


def _row(site: SiteProgress, survey: Survey, lang: Lang) -> list[Any]:
    def said(has: bool | None) -> str:
        return "" if has is None else translate(lang, "value.yes" if has else "value.no")

    row: list[Any] = [site.entry.site.id, site.entry.site.name, survey.contact, survey.phone, survey.line_kind,
                      survey.line_down_mbit_s, survey.line_up_mbit_s]  # fmt: skip
    for group, roles in GROUPS.items():
        if roles:
            piece: Piece = survey.piece(group)
            row += [
                said(piece.has), piece.make, piece.model, piece.year, piece.address, piece.driver or "",
                piece.username, said(piece.has_password or None), piece.note,
            ]  # fmt: skip
    return row


def _heading(lang: Lang, name: str) -> str:
    group, dot, field = name.partition(".")
    if not dot:
        return translate(lang, f"survey.{name}")
    return f"{translate(lang, f'group.{group}')}: {translate(lang, f'survey.{field}')}"


def _groups(lang: Lang, groups: Iterable[str]) -> str:
    return ", ".join(translate(lang, f"group.{group}") for group in groups)


def _book(title: str) -> tuple[Workbook, Worksheet]:
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.title = title[:31]
    return book, sheet


def _widen(sheet: Worksheet) -> None:
    for number in range(1, sheet.max_column + 1):
        sheet.column_dimensions[get_column_letter(number)].width = 30 if number <= 2 else 18


def _packed(book: Workbook) -> bytes:
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()
