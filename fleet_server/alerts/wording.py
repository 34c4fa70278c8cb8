"""What a message says: place, what, since when, what it threatens; what to do; where to look. No citizen, no case."""

import html
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from fleet_server.alerts.templates import Own
from fleet_server.channels.channel import Message
from fleet_server.domain.priorities import Priority
from fleet_server.domain.sessions import Session
from fleet_server.domain.setbacks import OFFLINE
from fleet_server.store.incidents import IncidentRow
from fleet_server.texts import Lang, check_message, clock, span, translate
from wire.inert import inert

MOST, MOST_DIGEST = 500, 1_500
_FLAPS_FROM = 3


class Told(Struct, frozen=True):
    """One incident, with what a message says of it."""

    row: IncidentRow
    place: str
    session: Session | None
    what: str
    """`opened`, `raised`, `escalated`, `cleared`."""


class Words(Struct, frozen=True):
    """How things are said: the language, the province's time, where our pages are."""

    lang: Lang
    zone: ZoneInfo
    now: datetime
    own_url: str
    own: Own = {}
    """The province's own words."""

    def t(self, key: str, **params: Any) -> str:
        """A text of the alerts, in the province's words where it has its own."""
        if (text := self.own.get((self.lang, key))) is not None:
            return text.format(**params)
        return translate(self.lang, f"alerts.{key}", **params)

    def at(self, moment: datetime) -> str:
        """A time as people say it today."""
        return clock(self.lang, moment, self.now.astimezone(self.zone).date(), self.zone)


def message_of(told: Sequence[Told], words: Words, first: Callable[[int], bool], link: str = "") -> Message:
    """One incident, or several in one message.

    `first`: whether nothing was said of an incident by this channel yet; `link`: by which one can be acknowledged.
    """
    if len(told) == 1:
        return _of_one(told[0], words, first(told[0].row.number), link)
    lines = [words.t("numbered", line=headline(each, words), number=each.row.number) for each in told]
    subject = words.t("several", count=len(told))
    link = f"{words.own_url}/incidents"
    text = _cut([subject, *lines], link, words, MOST_DIGEST)
    urgent = any(each.row.priority is Priority.ALARM and each.what != "cleared" for each in told)
    thread = f"digest.{words.now.strftime('%Y%m%d%H%M%S')}"
    return Message(subject, text, _html(text, link), thread, True, urgent, words.lang, {"link": link})


def digest_of(rows: Sequence[Told], words: Words) -> Message:
    """What nobody was woken for."""
    link = f"{words.own_url}/incidents"
    subject = words.t("digest", count=len(rows)) if rows else words.t("digest_empty")
    text = _cut([subject, *(headline(each, words) for each in rows)], link, words, MOST_DIGEST)
    thread = f"digest.{words.now.strftime('%Y%m%d%H%M%S')}"
    return Message(subject, text, _html(text, link), thread, True, False, words.lang, {"link": link})


def test_message(words: Words, name: str) -> Message:
    """So that somebody sees that it reaches them."""
    link = f"{words.own_url}/alerts"
    text = _nfc(f"{words.t('test', name=inert(name))}\n{link}")
    thread = f"test.{words.now.strftime('%Y%m%d%H%M%S%f')}"
    return Message(words.t("test_subject"), text, _html(text, link), thread, True, False, words.lang, {"link": link})


def headline(told: Told, words: Words) -> str:
    """Place, what, since when, what it threatens, in one line."""
    row = told.row
    if told.what == "cleared" and row.cleared_at is not None:
        lasted = span(words.lang, (row.cleared_at - row.opened_at).total_seconds())
        return _nfc(words.t("line_cleared", place=told.place, what=_what(row, words)[0], lasted=lasted))
    since = span(words.lang, (words.now - row.opened_at).total_seconds())
    line = words.t("line", place=told.place, what=_what(row, words)[0], since=since)
    if row.spells >= _FLAPS_FROM:
        line = words.t("flaps", line=line, count=row.spells)
    if told.session is not None:
        line = words.t("threatens", line=line, at=words.at(told.session.starts_at))
    return _nfc(line)


def title_of(row: IncidentRow, lang: Lang) -> str:
    """What the incident is about, in a few words."""
    check, _ = row.cause.key
    if row.site is None:
        return translate(lang, f"alerts.centre.{row.cause.says}", **row.cause.params)
    return translate(lang, f"checks.{check}.title")


def _of_one(told: Told, words: Words, first: bool, link: str) -> Message:
    row = told.row
    head, link = headline(told, words), link or f"{words.own_url}/incidents/{row.number}"
    advice = "" if told.what == "cleared" else _what(row, words)[1]
    number = words.t("number", number=row.number)
    subject = words.t(f"subject_{'cleared' if told.what == 'cleared' else row.priority.name.lower()}", line=head)
    text = _cut([head, *([advice] if advice else []), number], link, words, MOST)
    values = {
        "place": told.place, "what": title_of(row, words.lang), "since": words.at(row.opened_at), "link": link,
        "number": str(row.number),
    }  # fmt: skip
    urgent = row.priority is Priority.ALARM and told.what != "cleared"
    reply = "" if told.what == "cleared" else words.t("reply", number=row.number)
    return Message(
        _nfc(subject), text, _html(text, link), f"incident.{row.number}", first, urgent, words.lang, values, reply
    )  # fmt: skip


def _what(row: IncidentRow, words: Words) -> tuple[str, str]:
    """What is wrong without its full stop, and what to do."""
    check, device = row.cause.key
    if row.site is None:
        said = words.t(f"centre_says.{row.cause.says}", **row.cause.params)
    elif check == OFFLINE:
        said = translate(words.lang, "verdict_says.offline")
    else:
        role = translate(words.lang, f"role.{row.cause.role}")
        known = {"check": title_of(row, words.lang), "device": device or role, "role": role, **row.cause.params}
        said = check_message(words.lang, check, row.cause.says, known)
    what, _, advice = inert(said).partition(". ")
    return what.removesuffix("."), advice


def _cut(lines: Sequence[str], link: str, words: Words, most: int) -> str:
    """As many whole lines as fit, how many did not, and the link."""
    shown: list[str] = []
    for nr, line in enumerate(lines):
        left = len(lines) - nr
        more = _nfc(words.t("more", count=left - 1)) if left > 1 else ""
        if len("\n".join([*shown, line, more, link])) > most:
            if not shown:
                shown.append(line[: max(0, most - len(link) - 2)] + "…")
            elif len(lines) > 3:
                shown.append(_nfc(words.t("more", count=left)))
            break
        shown.append(line)
    return _nfc("\n".join([*shown, link]))


def _html(text: str, link: str) -> str:
    lines = "<br>\n".join(html.escape(line) for line in text.splitlines() if line != link)
    way = f'<a href="{html.escape(link)}">{html.escape(link)}</a>'
    return f"<!doctype html><html><body><p>{lines}</p><p>{way}</p></body></html>"


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
