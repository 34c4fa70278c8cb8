"""Whom an incident is told, and when: incident, directory and the time make rows. Pure but for the rows' new ids."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from fleet_server.domain.history import Hours
from fleet_server.domain.priorities import Priority
from fleet_server.domain.routing import (
    CLEARED_AFTER_S,
    Silence,
    Step,
    Subject,
    due_at,
    of_use_until,
    silences_on,
    steps_for,
)
from fleet_server.store.incidents import IncidentRow
from fleet_server.store.notifications import Delivery, NotificationRow, new
from fleet_server.store.recipients import Book, Contact, Recipient

TELLS = ("opened", "raised", "escalated")
"""What a notification may say while the incident lasts."""
CLEARED = "cleared"
_CLEARED_IS_OF_USE = timedelta(hours=2)


class Circumstances(Struct, frozen=True):
    """What is the same for all incidents at one moment."""

    book: Book
    hours: Hours
    now: datetime
    down: frozenset[str] = frozenset()
    """Channels that do not work: they are passed over."""

    @property
    def at_work(self) -> bool:
        """Whether people work now."""
        return self.hours.hold(self.now, self.book.holidays)

    @property
    def zone(self) -> ZoneInfo:
        """The province's."""
        return self.hours.zone

    def hiding(self, subject: Subject) -> list[Silence]:
        """The silences that hide it now."""
        return silences_on(self.book.silences, subject, self.now, self.zone, self.at_work)


def is_open_question(row: IncidentRow) -> bool:
    """Whether it is open, matters, and people were not told of it as much as it matters."""
    return row.cleared_at is None and row.priority >= Priority.INCIDENT and row.told < row.priority


def owed(row: IncidentRow, subject: Subject, around: Circumstances) -> str | None:
    """What people are still to be told of an open incident; None where they know, or nobody needs to."""
    if not is_open_question(row):
        return None
    if row.snoozed_until is not None and around.now < row.snoozed_until:
        return None
    if around.hiding(subject):
        return None
    return "opened" if row.told == 0 else "raised"


def told_of(row: IncidentRow, what: str, subject: Subject, around: Circumstances) -> list[NotificationRow]:
    """To whom it goes at once and, step by step, while nobody acknowledges it."""
    found, told = [], set()
    for step in _steps(subject, around):
        due = due_at(subject, step, around.now, around.zone)
        # Whoever is on duty then, which may be hours from now; where nobody is entered for then, whoever is now.
        for recipient in around.book.meant_by(step.to, due) or around.book.meant_by(step.to, around.now):
            contact = contact_of(recipient, around.down)
            if contact is None or recipient.id in told:
                continue
            told.add(recipient.id)
            name = what if step.after_min == 0 else "escalated"
            found.append(
                new(row.number, name, step.after_min, recipient.id, contact.id, contact.channel, around.now, due,
                    of_use_until(row.priority, due))
            )  # fmt: skip
    return found


def recipients_of(subject: Subject, around: Circumstances) -> list[Recipient]:
    """Whoever is told at once."""
    now = [step for step in _steps(subject, around) if step.after_min == 0]
    return [recipient for step in now for recipient in around.book.meant_by(step.to, around.now)]


def cleared_for(row: IncidentRow, told: Iterable[NotificationRow], now: datetime) -> list[NotificationRow]:
    """Whoever was told that it began is told that it ended, once that has lasted."""
    due = now + timedelta(seconds=CLEARED_AFTER_S)
    reached = {each.recipient: each for each in told if each.what in TELLS and is_out(each)}
    return [
        new(row.number, CLEARED, 0, each.recipient, each.contact, each.channel, now, due, due + _CLEARED_IS_OF_USE)
        for each in reached.values()
    ]


def is_out(row: NotificationRow) -> bool:
    """Whether it was sent, or is being sent."""
    return row.state in (Delivery.SENT, Delivery.SENDING)


def instead_of(
    row: NotificationRow, recipient: Recipient, now: datetime, down: frozenset[str]
) -> NotificationRow | None:
    """The same by the recipient's next contact; None where there is none."""
    ranks = {contact.id: contact.rank for contact in recipient.contacts}
    after = ranks.get(row.contact, 0)
    later = [contact for contact in recipient.contacts if contact.rank > after and contact.channel not in down]
    if not later:
        return None
    contact = later[0]
    return new(
        row.incident,
        row.what,
        row.step,
        row.recipient,
        contact.id,
        contact.channel,
        row.made_at,
        now,
        row.until,
        row.id,
    )


def contact_of(recipient: Recipient, down: frozenset[str]) -> Contact | None:
    """The first that works; where none does, the first: it may be back in time."""
    working = [contact for contact in recipient.contacts if contact.channel not in down]
    return (working or list(recipient.contacts) or [None])[0]  # type: ignore[list-item]


def _steps(subject: Subject, around: Circumstances) -> list[Step]:
    """By the routes that fit; before anybody has made a route nobody is left out."""
    if not around.book.routes:
        return [Step(0, id) for id in around.book.recipients]
    return steps_for(around.book.routes, subject, around.at_work)
