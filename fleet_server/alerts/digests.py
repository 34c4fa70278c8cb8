"""Once a day, on working days, what nobody was woken for is told in one message."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, time, timedelta

from sqlalchemy import Connection

from fleet_server.alerts.outbox import DIGEST
from fleet_server.alerts.planner import Circumstances, contact_of, recipients_of
from fleet_server.alerts.watch import AlertWatch
from fleet_server.domain.history import is_working_day
from fleet_server.domain.priorities import Priority
from fleet_server.failing import Failing
from fleet_server.store import notifications
from fleet_server.store.database import Database
from fleet_server.store.notifications import NotificationRow
from wire.times import Clock

log = logging.getLogger("diemcau.alerts")

_EVERY_S = 60.0
_AT = time(7, 30)
_OF_USE = timedelta(hours=8)


class Digests:
    """Whoever would be told of such an incident gets the list of all that are open."""

    def __init__(self, database: Database, watch: AlertWatch, clock: Clock, wake: Callable[[], None]) -> None:
        self._database, self._watch, self._clock, self._wake = database, watch, clock, wake

    async def run(self) -> None:
        """Look once a minute, for ever."""
        failing = Failing(log, "digest_not_made")
        while True:
            with failing:
                await self.look()
            await asyncio.sleep(_EVERY_S)

    async def look(self) -> None:
        """Make today's, once it is time and where there is anything to tell. Raises SQLAlchemyError."""
        now = self._clock.now()
        around = self._watch.around(now)
        local = now.astimezone(around.zone)
        if not is_working_day(local.date(), around.book.holidays) or local.time() < _AT:
            return
        due = datetime.combine(local.date(), _AT, around.zone)
        if now >= due + _OF_USE:
            return
        rows = self._rows(around, now)
        if rows:
            is_new: bool = await self._database.write(lambda db: _add_once(db, rows, due, now))
            if is_new:
                self._wake()

    def _rows(self, around: Circumstances, now: datetime) -> list[NotificationRow]:
        found = {}
        for row in self._watch.open_ones():
            subject = self._watch.subject_of(row)
            if row.priority is not Priority.DIGEST or around.hiding(subject):
                continue
            for recipient in recipients_of(subject, around):
                contact = contact_of(recipient, around.down)
                if contact is not None and recipient.id not in found:
                    found[recipient.id] = notifications.new(
                        None, DIGEST, 0, recipient.id, contact.id, contact.channel, now, now, now + _OF_USE
                    )
        return list(found.values())


def _add_once(db: Connection, rows: list[NotificationRow], since: datetime, now: datetime) -> bool:
    """Unless it was made already."""
    if any(row.what == DIGEST for row in notifications.between(db, since, now + timedelta(seconds=1))):
        return False
    notifications.add(db, rows)
    return True
