"""What people answer to a message: that they see to it, or want no more. And that a message has reached them."""

import asyncio
import logging
import re
import unicodedata
from datetime import datetime, timedelta

from fleet_server.alerts.desk import IncidentDesk
from fleet_server.alerts.directory import Directory
from fleet_server.errors import Conflict, NotFound
from fleet_server.failing import Failing
from fleet_server.people.audit import AuditDesk
from fleet_server.store import notifications
from fleet_server.store.database import Database
from fleet_server.store.recipients import Contact
from fleet_server.zalo.events import Event, Kind
from wire.times import Clock

log = logging.getLogger("diemcau.alerts")

_ORIGIN = "zalo"
_EARLY_EVERY_S, _EARLY_LIVES, _MOST_EARLY = 5.0, timedelta(minutes=1), 1_000
_WRITES_BY, _SENDS_BY = "zalo_person", ("zalo_person", "zalo_group", "zalo_template")
_TAKES = re.compile(r"(?:toi )?(?:da )?nhan(?: xu ly)?|ok|received")
_STOPS = re.compile(r"dung|ngung(?: nhan)?|stop")
_WORDS = re.compile(r"(?P<words>[a-z ]+?)[ .!]*(?:so )?(?P<number>\d{1,12})?[ .!]*")


class ReplyDesk:
    """An answer counts for what its writer had been told when they wrote it: one that comes twice does nothing new."""

    def __init__(
        self, database: Database, directory: Directory, incidents: IncidentDesk, audit: AuditDesk, clock: Clock
    ) -> None:
        self._database, self._directory, self._incidents = database, directory, incidents
        self._audit, self._clock = audit, clock
        self._early: dict[str, datetime] = {}
        """Messages that reached somebody before we had written down what the channel calls them."""

    async def run(self) -> None:
        """Bring what came too early to its message, for ever."""
        failing = Failing(log, "receipts_not_kept")
        while True:
            await asyncio.sleep(_EARLY_EVERY_S)
            with failing:
                await self._bring_early()

    async def take(self, event: Event) -> None:
        """Do what was asked for; what is none of ours is let go. Raises SQLAlchemyError."""
        if event.kind is Kind.REACHED:
            if not await self._reached(event.message, event.at) and len(self._early) < _MOST_EARLY:
                self._early[event.message] = event.at
        elif event.kind is Kind.SAID and (contact := self._directory.contact_at(_WRITES_BY, event.user)) is not None:
            await self._answered(contact, event)

    async def _reached(self, message: str, at: datetime) -> bool:
        found: bool = await self._database.write(lambda db: notifications.reached(db, _SENDS_BY, message, at))
        return found

    async def _bring_early(self) -> None:
        for message, at in list(self._early.items()):
            if await self._reached(message, at) or self._clock.now() - at > _EARLY_LIVES:
                del self._early[message]

    async def _answered(self, contact: Contact, event: Event) -> None:
        found = _WORDS.fullmatch(_plain(event.text))
        if found is None:
            return
        name = self._directory.recipient(contact.recipient).name
        if _STOPS.fullmatch(found["words"]):
            await self._directory.withdraw(contact.id)
            await self._audit.record(name, "withdraw", "done", origin=_ORIGIN)
        elif _TAKES.fullmatch(found["words"]):
            await self._acknowledge(contact, name, event, int(found["number"]) if found["number"] else None)

    async def _acknowledge(self, contact: Contact, name: str, event: Event, number: int | None) -> None:
        """The incident that they name, or else the last one that they were told of and nobody sees to yet."""
        told = await self._database.read(lambda db: notifications.told_to(db, contact.id, event.at))
        for incident in told if number is None else [each for each in told if each == number]:
            try:
                row = await self._incidents.find(incident)
                if row.cleared_at is not None or row.acknowledged_at is not None:
                    continue
                await self._incidents.acknowledge(incident, name)
            except (Conflict, NotFound):
                continue  # it ended while we looked
            await self._audit.record(name, "handle", "done", origin=_ORIGIN, site=row.site, incident=incident)
            return


def _plain(text: str) -> str:
    """Small letters without diacritics: people type on telephones."""
    bare = "".join(each for each in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(each))
    return " ".join(bare.replace("đ", "d").split())
