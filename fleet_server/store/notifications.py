"""Queries about what is to be said to whom, and what was."""

from collections.abc import Collection, Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, func, insert, select, update

from fleet_server.store.alert_tables import notifications
from fleet_server.store.database import millis, moment
from wire.ids import uuid7


class Delivery(StrEnum):
    """What became of a notification."""

    WAITING = "waiting"
    SENDING = "sending"
    """The channel has it; after a crash nobody knows whether it went out."""
    SENT = "sent"
    FAILED = "failed"
    HANDED_OVER = "handed_over"
    """To the person's next contact."""
    CANCELLED = "cancelled"
    """It was of no use any more."""


class NotificationRow(Struct, frozen=True):
    """One message about one incident to one contact."""

    id: str
    incident: int | None
    """None: a digest, or a test."""
    what: str
    step: int
    """After so many minutes; 0: at once."""
    recipient: str
    contact: str
    channel: str
    made_at: datetime
    due_at: datetime
    until: datetime
    state: Delivery = Delivery.WAITING
    tries: int = 0
    ended_at: datetime | None = None
    detail: str = ""
    reference: str = ""
    """What the channel calls it."""
    stands_for: str | None = None
    """The one that another channel could not deliver."""
    reached_at: datetime | None = None
    """When it came to them, where the channel says so."""


_OPEN = (str(Delivery.WAITING), str(Delivery.SENDING))


def add(db: Connection, rows: Iterable[NotificationRow]) -> None:
    """New ones."""
    if values := [_values(row) for row in rows]:
        db.execute(insert(notifications), values)


def save(db: Connection, row: NotificationRow) -> None:
    """It is otherwise now."""
    db.execute(update(notifications).where(notifications.c.id == row.id).values(_values(row)))


def due(db: Connection, now: datetime, most: int = 2_000) -> list[NotificationRow]:
    """What waits and is due, in the order in which it was made.

    What was tried in vain goes along with what is to be said of the same incident after it, or it would come too late.
    """
    waits = notifications.c.state == str(Delivery.WAITING)
    is_due = waits & (notifications.c.due_at <= millis(now))
    order = (notifications.c.made_at, notifications.c.step, notifications.c.id)
    found = _all(db.execute(select(notifications).where(is_due).order_by(*order).limit(most)))
    about = {(row.contact, row.incident) for row in found}
    later = waits & (notifications.c.due_at > millis(now)) & (notifications.c.tries > 0)
    along = [row for row in _all(db.execute(select(notifications).where(later).limit(most)))
             if (row.contact, row.incident) in about]  # fmt: skip
    return sorted([*found, *along], key=lambda row: (row.made_at, row.step, row.id))


def take_up(db: Connection, busy: Collection[str]) -> int:
    """After a crash: what was being sent waits again, once more and no more; how many there are.

    `busy`: channels by which something is being sent now.
    """
    sending = (notifications.c.state == str(Delivery.SENDING)) & notifications.c.channel.not_in(list(busy))
    changed = {"state": str(Delivery.WAITING), "tries": notifications.c.tries + 1}
    return db.execute(update(notifications).where(sending).values(changed)).rowcount


def cancel(db: Connection, incident: int, whats: Collection[str], at: datetime, *, later_steps: bool = False) -> None:
    """What waits to be said about it is of no use any more; `later_steps`: only what follows the first step."""
    meant = (
        (notifications.c.incident == incident) & (notifications.c.state == str(Delivery.WAITING))
        & notifications.c.what.in_(list(whats))
    )  # fmt: skip
    if later_steps:
        meant &= notifications.c.step > 0
    db.execute(update(notifications).where(meant).values(state=str(Delivery.CANCELLED), ended_at=millis(at)))


def of_incident(db: Connection, incident: int) -> list[NotificationRow]:
    """All about one, the first made first."""
    of_it = notifications.c.incident == incident
    order = (notifications.c.made_at, notifications.c.step, notifications.c.id)
    return _all(db.execute(select(notifications).where(of_it).order_by(*order)))


def between(db: Connection, first: datetime, last: datetime) -> list[NotificationRow]:
    """Those that were made in this time."""
    in_it = (notifications.c.made_at >= millis(first)) & (notifications.c.made_at < millis(last))
    return _all(db.execute(select(notifications).where(in_it).order_by(notifications.c.made_at)))


def told_to(db: Connection, contact: str, before: datetime, most: int = 50) -> list[int]:
    """Incidents that this contact was told of until then, the last told first."""
    told = (
        (notifications.c.contact == contact) & notifications.c.incident.is_not(None)
        & (notifications.c.state == str(Delivery.SENT)) & (notifications.c.ended_at <= millis(before))
    )  # fmt: skip
    order = select(notifications.c.incident).where(told).order_by(notifications.c.ended_at.desc()).limit(most)
    return list(dict.fromkeys(row.incident for row in db.execute(order)))


def reached(db: Connection, channels: Collection[str], reference: str, at: datetime) -> bool:
    """A channel says that the message which it calls so has come to them; whether we know of it."""
    meant = (
        (notifications.c.reference == reference) & notifications.c.channel.in_(list(channels))
    )  # fmt: skip
    first = func.coalesce(notifications.c.reached_at, millis(at))
    return db.execute(update(notifications).where(meant).values(reached_at=first)).rowcount > 0


def new(
    incident: int | None, what: str, step: int, recipient: str, contact: str, channel: str, now: datetime,
    due_at: datetime, until: datetime, stands_for: str | None = None,
) -> NotificationRow:  # fmt: skip
    """One that is not written down yet."""
    return NotificationRow(
        uuid7(), incident, what, step, recipient, contact, channel, now, due_at, until, stands_for=stands_for
    )


def _all(rows: Iterable[Row[Any]]) -> list[NotificationRow]:
    return [
        NotificationRow(
            row.id, row.incident, row.what, row.step, row.recipient, row.contact, row.channel, moment(row.made_at),
            moment(row.due_at), moment(row.until), Delivery(row.state), row.tries,
            moment(row.ended_at) if row.ended_at is not None else None, row.detail, row.reference, row.stands_for,
            moment(row.reached_at) if row.reached_at is not None else None,
        )
        for row in rows
    ]  # fmt: skip


def _values(row: NotificationRow) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in row.__struct_fields__}
    for name in ("made_at", "due_at", "until", "ended_at", "reached_at"):
        values[name] = millis(values[name]) if values[name] is not None else None
    return values | {"state": str(row.state)}
