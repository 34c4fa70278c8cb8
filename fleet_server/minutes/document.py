"""The minute as PDF, laid out as an administrative document (Nghị định 30/2020/NĐ-CP, phụ lục I, mẫu 1.10).

A4, margins 20/20/30/20 mm, a Times face of 13 to 14 points. Typst sets it; every text is data and none is markup.
"""

import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import segno
import typst

from fleet_server.config import Office
from fleet_server.errors import Conflict
from fleet_server.minutes.content import Minute
from fleet_server.minutes.tables import tables_of
from fleet_server.texts import Lang, translate
from wire.inert import inert

_TEMPLATE = Path(__file__).parent / "minute.typ"
_FONTS = Path(__file__).parent.parent / "pages" / "vendor" / "tinos"
_LANG: Lang = "vi"


def document_of(minute: Minute, office: Office, number: int, at: datetime, zone: ZoneInfo, link: str) -> bytes:
    """The PDF. `link`: where the minute can be found again, also as a QR code. Raises Conflict."""
    session, local = minute.session, at.astimezone(zone)
    starts, ends = (moment.astimezone(zone) for moment in (session.starts_at, session.ends_at))
    over = "" if starts.date() == ends.date() else f", {starts:%d/%m/%Y}"
    said = {
        "above": office.above, "office": office.name, "place": office.place,
        "number": f"{number}/BB-{office.short or 'KTKT'}",
        "dated": translate(_LANG, "minute.dated", day=f"{local:%d}", month=f"{local:%m}", year=f"{local:%Y}"),
        "title": translate(_LANG, "minute.title"), "about": translate(_LANG, "minute.about", title=session.title),
        "facts": [
            [translate(_LANG, "minute.fact.title"), session.title],
            [translate(_LANG, "minute.fact.kind"), translate(_LANG, f"sessions.{session.kind}")],
            [translate(_LANG, "minute.fact.chair"), session.chair or "…"],
            [translate(_LANG, "minute.fact.time"), f"{starts:%H:%M}{over} – {ends:%H:%M}, {ends:%d/%m/%Y}"],
            [translate(_LANG, "minute.fact.hub"), ", ".join(minute.name(hub) for hub in minute.hubs) or "…"],
            [translate(_LANG, "minute.fact.sites"), str(len(session.sites))],
        ],
        "note": _note(minute), "none": translate(_LANG, "minute.none"),
        "tables": [
            {"name": table.name, "title": table.title, "columns": table.columns, "rows": table.rows}
            for table in tables_of(minute, _LANG, zone)
        ],
        "closing": translate(_LANG, "minute.closing", at=_long(local)),
        "secretary": translate(_LANG, "minute.secretary"), "chairman": translate(_LANG, "minute.chairman"),
        "sign": translate(_LANG, "minute.sign"), "receivers": translate(_LANG, "minute.receivers"),
        "receiver": translate(_LANG, "minute.receiver"), "verify": translate(_LANG, "minute.verify"), "link": link,
        "qr": segno.make(link, error="m").svg_inline(scale=4),
    }  # fmt: skip
    try:
        found = typst.compile(
            str(_TEMPLATE), root=str(_TEMPLATE.parent), font_paths=[str(_FONTS)], format="pdf",
            sys_inputs={"minute": json.dumps(_inert(said))},
        )  # fmt: skip
    except (typst.TypstError, ValueError) as error:
        raise Conflict("minutes.not_set", detail=str(error)[:200]) from error
    assert isinstance(found, bytes)
    return found


def _note(minute: Minute) -> str:
    """What a reader must know before the tables."""
    if minute.session.cancelled_at is not None:
        return translate(_LANG, "minute.cancelled", why=minute.session.cancelled_why)
    if minute.session.is_rehearsal:
        return translate(_LANG, "minute.rehearsal")
    return translate(_LANG, "minute.undecided") if not minute.decisions else ""


def _long(at: datetime) -> str:
    return translate(
        _LANG, "minute.long", hour=f"{at:%H}", minute=f"{at:%M}", day=f"{at:%d}", month=f"{at:%m}", year=f"{at:%Y}"
    )


def _inert(said: object) -> object:
    """What came from people and devices, made harmless; the QR code is ours."""
    if isinstance(said, str):
        return inert(said)
    if isinstance(said, dict):
        return {key: value if key == "qr" else _inert(value) for key, value in said.items()}
    return [_inert(each) for each in said] if isinstance(said, list | tuple) else said
