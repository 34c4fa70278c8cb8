"""Queries about who is told: recipients, their contacts, who is on duty, the routes and the silences."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select, update

from fleet_server.domain.routing import Match, Route, Silence, Step
from fleet_server.store.alert_tables import alert_texts, contacts, holidays, recipients, routes, shifts, silences
from fleet_server.store.database import millis, moment
from fleet_server.store.upsert import upsert


class Contact(Struct, frozen=True):
    """One way to reach a recipient, agreed to by whoever it is."""

    id: str
    recipient: str
    rank: int
    """The lower is tried first."""
    channel: str
    sealed: str
    """The address, for nobody without the key: it may hold a secret."""
    shown: str
    """As much of it as people see."""
    agreed_at: datetime
    agreed_by: str
    withdrawn_at: datetime | None = None
    tested_at: datetime | None = None
    tested: str = ""


class Recipient(Struct, frozen=True):
    """A person or a group that is written to."""

    id: str
    name: str
    user: str | None
    lang: str
    made_at: datetime
    contacts: tuple[Contact, ...] = ()


class Shift(Struct, frozen=True):
    """Somebody is on duty."""

    id: str
    rota: str
    recipient: str
    begins_at: datetime
    ends_at: datetime
    by: str


class Book(Struct, frozen=True):
    """All of it, as it is now."""

    recipients: dict[str, Recipient]
    shifts: tuple[Shift, ...]
    routes: tuple[Route, ...]
    silences: tuple[Silence, ...]
    texts: Mapping[tuple[str, str], str] = {}
    """Language and key -> the province's own words in messages."""
    holidays: Mapping[date, str] = {}
    """Day -> what it is called; last year's are among them for the reports."""

    def on_duty(self, rota: str, now: datetime) -> list[str]:
        """Recipients whose shift it is; a swap is a later shift that stands above the one below it."""
        now_on = [each for each in self.shifts if each.rota == rota and each.begins_at <= now < each.ends_at]
        newest = max((each.begins_at for each in now_on), default=None)
        return [each.recipient for each in now_on if each.begins_at == newest]

    def meant_by(self, to: str, now: datetime) -> list[Recipient]:
        """Whom a step of a route means."""
        kind, _, name = to.rpartition(":")
        ids = self.on_duty(name, now) if kind == "rota" else [to]
        return [self.recipients[id] for id in ids if id in self.recipients]


def book(db: Connection, now: datetime) -> Book:
    """Everything that is not over."""
    by_recipient: dict[str, list[Contact]] = {}
    for row in db.execute(select(contacts).where(contacts.c.withdrawn_at.is_(None)).order_by(contacts.c.rank)):
        by_recipient.setdefault(row.recipient, []).append(_contact(row._mapping))
    found = {
        row.id: Recipient(
            row.id, row.name, row.user, row.lang, moment(row.made_at), tuple(by_recipient.get(row.id, ()))
        )
        for row in db.execute(select(recipients).order_by(recipients.c.name))
    }  # fmt: skip
    duty = select(shifts).where(shifts.c.ends_at > millis(now)).order_by(shifts.c.begins_at)
    standing = select(silences).where(silences.c.ended_at.is_(None)).order_by(silences.c.made_at)
    return Book(
        found,
        tuple(
            Shift(row.id, row.rota, row.recipient, moment(row.begins_at), moment(row.ends_at), row.by)
            for row in db.execute(duty)
        ),
        tuple(
            Route(
                row.id, row.name, msgspec.json.decode(row.match, type=Match),
                msgspec.json.decode(row.steps, type=tuple[Step, ...]),
            )
            for row in db.execute(select(routes).order_by(routes.c.made_at))
        ),
        tuple(silence for row in db.execute(standing) if not _is_over(silence := _silence(row._mapping), now)),
        {(row.lang, row.key): row.text for row in db.execute(select(alert_texts))},
        {date.fromisoformat(row.day): row.name for row in db.execute(select(holidays).order_by(holidays.c.day))},
    )  # fmt: skip


def set_text(db: Connection, lang: str, key: str, text: str, by: str, at: datetime) -> None:
    """The province's own words; none: ours stand again."""
    db.execute(delete(alert_texts).where((alert_texts.c.lang == lang) & (alert_texts.c.key == key)))
    if text:
        db.execute(insert(alert_texts).values(lang=lang, key=key, text=text, by=by, at=millis(at)))


def add_recipient(db: Connection, recipient: Recipient) -> None:
    """A new one, with its contacts."""
    db.execute(
        insert(recipients).values(
            id=recipient.id, name=recipient.name, user=recipient.user, lang=recipient.lang,
            made_at=millis(recipient.made_at),
        )
    )  # fmt: skip
    for contact in recipient.contacts:
        add_contact(db, contact)


def remove_recipient(db: Connection, id: str) -> None:
    """They are not written to any more; what was said to them stays on the record."""
    for table in (contacts, shifts):
        db.execute(delete(table).where(table.c.recipient == id))
    db.execute(delete(recipients).where(recipients.c.id == id))


def add_contact(db: Connection, contact: Contact) -> None:
    """A new way to reach somebody."""
    values = {name: getattr(contact, name) for name in contact.__struct_fields__}
    for name in ("agreed_at", "withdrawn_at", "tested_at"):
        values[name] = millis(values[name]) if values[name] is not None else None
    db.execute(insert(contacts).values(values))


def withdraw(db: Connection, contact: str, at: datetime) -> bool:
    """They do not agree any more; that they did stays on the record, the address does not."""
    meant = (contacts.c.id == contact) & contacts.c.withdrawn_at.is_(None)
    return db.execute(update(contacts).where(meant).values(withdrawn_at=millis(at), sealed="", shown="")).rowcount == 1


def tested(db: Connection, contact: str, outcome: str, at: datetime) -> None:
    """A test message went out, or did not."""
    db.execute(update(contacts).where(contacts.c.id == contact).values(tested=outcome[:16], tested_at=millis(at)))


def add_shift(db: Connection, shift: Shift) -> None:
    """Somebody will be on duty."""
    times = {"begins_at": millis(shift.begins_at), "ends_at": millis(shift.ends_at)}
    values = {name: getattr(shift, name) for name in shift.__struct_fields__}
    db.execute(insert(shifts).values(values | times))


def remove_shift(db: Connection, id: str) -> bool:
    """They will not."""
    return db.execute(delete(shifts).where(shifts.c.id == id)).rowcount == 1


def add_holidays(db: Connection, days: Iterable[date], name: str, by: str) -> None:
    """New ones, or another name for those that are known."""
    upsert(db, holidays, ["day"], [{"day": day.isoformat(), "name": name, "by": by} for day in days])


def remove_holiday(db: Connection, day: date) -> bool:
    """It is none."""
    return db.execute(delete(holidays).where(holidays.c.day == day.isoformat())).rowcount == 1


def replace_routes(db: Connection, wanted: Iterable[Route], by: str, at: datetime) -> None:
    """These and no others, in this order."""
    db.execute(delete(routes))
    for nr, route in enumerate(wanted):
        db.execute(
            insert(routes).values(
                id=route.id, name=route.name, match=msgspec.json.encode(route.match).decode(),
                steps=msgspec.json.encode(route.steps).decode(), by=by, made_at=millis(at) + nr,
            )
        )  # fmt: skip


def add_silence(db: Connection, silence: Silence, at: datetime) -> None:
    """A new one."""
    until = millis(silence.last_until) if silence.last_until is not None else None
    db.execute(
        insert(silences).values(
            id=silence.id, match=msgspec.json.encode(silence.match).decode(), begins_at=millis(silence.begins_at),
            ends_at=millis(silence.ends_at), reason=silence.reason, by=silence.by, made_at=millis(at),
            rhythm=msgspec.json.encode({"every": silence.every, "until": until}).decode(),
        )
    )  # fmt: skip


def end_silence(db: Connection, id: str, at: datetime) -> bool:
    """It is over."""
    meant = (silences.c.id == id) & silences.c.ended_at.is_(None)
    return db.execute(update(silences).where(meant).values(ended_at=millis(at))).rowcount == 1


def _contact(row: Any) -> Contact:
    values = dict(row)
    for name in ("agreed_at", "withdrawn_at", "tested_at"):
        values[name] = moment(values[name]) if values[name] is not None else None
    return Contact(**values)


def _silence(row: Any) -> Silence:
    rhythm = msgspec.json.decode(row["rhythm"])
    until = moment(rhythm["until"]) if rhythm["until"] is not None else None
    return Silence(
        row["id"], msgspec.json.decode(row["match"], type=Match), moment(row["begins_at"]), moment(row["ends_at"]),
        row["reason"], row["by"], rhythm["every"], until,
    )  # fmt: skip


def _is_over(silence: Silence, now: datetime) -> bool:
    last = silence.last_until if silence.every != "once" else silence.ends_at
    return last is not None and last <= now
