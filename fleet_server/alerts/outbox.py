"""Sends what is to be sent: written down before, written down after, once more after a crash and no more."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Mapping, Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from msgspec.structs import replace
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from fleet_server.alerts.centre import CentreHealth
from fleet_server.alerts.directory import Directory
from fleet_server.alerts.links import link_for, stop_link
from fleet_server.alerts.planner import CLEARED, TELLS, instead_of
from fleet_server.alerts.rooms import Rooms
from fleet_server.alerts.wording import Told, Words, digest_of, message_of, test_message
from fleet_server.channels.channel import Channel, Message, Undelivered
from fleet_server.domain.findings import Outcome
from fleet_server.domain.priorities import Priority
from fleet_server.domain.routing import COALESCED_S
from fleet_server.errors import FleetError
from fleet_server.failing import Failing
from fleet_server.live.stream import Stream
from fleet_server.store import incidents, notifications, recipients
from fleet_server.store.database import Database
from fleet_server.store.incidents import IncidentRow
from fleet_server.store.notifications import Delivery, NotificationRow
from fleet_server.store.recipients import Contact, Recipient
from fleet_server.texts import Lang
from wire.times import Clock

log = logging.getLogger("diemcau.alerts")

_EVERY_S = 5.0
_CHECK_S = 30.0
_KEEP_S = 30.0
_AT_WORK_S = 180.0
_TRIES = 4
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 5.0, 120.0
TEST, DIGEST = "test", "digest"
_ALONE = (TEST, DIGEST)
"""What stands in no message with others."""


class Outbox:
    """One contact hears one message at a time, in the order in which they were made."""

    def __init__(
        self, database: Database, stream: Stream, clock: Clock, zone: ZoneInfo, directory: Directory, rooms: Rooms,
        centre: CentreHealth, channels: Mapping[str, Channel], own_url: str,
    ) -> None:  # fmt: skip
        self._database, self._stream, self._clock, self._zone = database, stream, clock, zone
        self._directory, self._rooms, self._centre, self._channels = directory, rooms, centre, channels
        self._own_url = own_url
        self._wake = asyncio.Event()
        self._wrote_s: dict[str, float] = {}
        self._checked_s = self._looked_s = float("-inf")
        self._under_way: dict[str, asyncio.Task[None]] = {}
        """Channel -> its task: each sends one message at a time, so that a crash leaves one in doubt and no service is
        flooded; and none waits for another."""
        self._is_doubtful = True
        """Whether something may stand as being sent that nobody sends."""
        self._failing = Failing(log, "notifications_not_kept")

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    async def run(self) -> None:
        """Send for ever."""
        try:
            while True:
                self._wake.clear()
                with self._failing:
                    await self._begin()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_EVERY_S):
                        await self._wake.wait()
        finally:
            for task in self._under_way.values():
                task.cancel()

    async def send_due(self) -> None:
        """Everything that is due now. Raises SQLAlchemyError where it cannot be read; nothing is lost."""
        await self._begin()
        await asyncio.gather(*self._under_way.values())

    async def _begin(self) -> None:
        """Give each channel that is free what is due by it."""
        if self._is_doubtful:
            self._is_doubtful = False
            busy = list(self._under_way)
            if doubtful := await self._database.write(lambda db: notifications.take_up(db, busy)):
                log.warning("notifications_doubtful count=%d", doubtful)
        await self._look_at_channels()
        now, now_s = self._clock.now(), self._clock.monotonic()
        rows = await self._database.read(lambda db: notifications.due(db, now))
        numbers = {row.incident for row in rows if row.incident is not None}
        about = await self._database.read(
            lambda db: {number: found for number in numbers if (found := incidents.find(db, number)) is not None}
        )
        if any(row.what == DIGEST for row in rows):
            about |= {row.number: row for row in await self._database.read(incidents.open_ones)}
        by_contact: dict[tuple[str, str], list[NotificationRow]] = {}
        for row in rows:
            if row.until <= now:
                await self._save([replace(row, state=Delivery.CANCELLED, ended_at=now, detail="too_late")])
            else:
                by_contact.setdefault((row.contact, row.what if row.what in _ALONE else ""), []).append(row)
        loud_ones: dict[str, list[list[NotificationRow]]] = {}
        others: dict[str, list[list[NotificationRow]]] = {}
        for (contact, _), theirs in by_contact.items():
            loud = any(row.incident in about and about[row.incident].priority is Priority.ALARM for row in theirs)
            if loud or now_s - self._wrote_s.get(contact, float("-inf")) >= COALESCED_S or theirs[0].what == TEST:
                (loud_ones if loud else others).setdefault(theirs[0].channel, []).append(theirs)
        for channel in (loud_ones.keys() | others.keys()) - self._under_way.keys():
            messages = [*loud_ones.get(channel, []), *others.get(channel, [])]
            self._under_way[channel] = asyncio.create_task(self._send_all(channel, messages, about))
        self._looked_s = self._clock.monotonic()

    async def _send_all(
        self, channel: str, messages: Sequence[Sequence[NotificationRow]], about: Mapping[int, IncidentRow]
    ) -> None:
        """One after the other by one channel."""
        try:
            with self._failing:
                for rows in messages:
                    await self._send(rows, about)
        finally:
            self._is_doubtful |= bool(self._failing)
            del self._under_way[channel]
            self.wake()

    @property
    def is_at_work(self) -> bool:
        """Whether it looked at what is due within the last minutes."""
        return self._clock.monotonic() - self._looked_s < _AT_WORK_S

    def look_again(self) -> None:
        """Somebody has seen to a channel: what was down is tried now."""
        self._checked_s = float("-inf")
        self.wake()

    def channel_states(self) -> dict[str, str]:
        """Each channel: `ready`, `not_configured`, or why it is down."""
        return {
            name: "not_configured" if not channel.is_configured else self._centre.why(name) or "ready"
            for name, channel in self._channels.items()
        }

    async def test(self, contact: str) -> NotificationRow:
        """A message to one contact, so that somebody sees it. Raises NotFound."""
        known, now = self._directory.contact(contact), self._clock.now()
        until = now + timedelta(minutes=10)
        row = notifications.new(None, TEST, 0, known.recipient, known.id, known.channel, now, now, until)
        await self._database.write(lambda db: notifications.add(db, [row]))
        self.wake()
        return row

    async def _send(self, rows: Sequence[NotificationRow], about: Mapping[int, IncidentRow]) -> None:
        """All that one contact is to hear now, in one message."""
        recipient = self._directory.book.recipients.get(rows[0].recipient)
        contact = next((c for c in recipient.contacts if c.id == rows[0].contact), None) if recipient else None
        now = self._clock.now()
        if recipient is None or contact is None:
            await self._save([replace(r, state=Delivery.CANCELLED, ended_at=now, detail="withdrawn") for r in rows])
            return
        try:
            channel = self._channels.get(contact.channel)
            if channel is None:
                raise Undelivered("there is no such channel", permanent=True)
            if why := self._centre.why(contact.channel):
                raise Undelivered(why, permanent=False, whole_channel=True)
            message = replace(
                self._message(rows, about, recipient, await self._link(rows, recipient)),
                stop=stop_link(self._own_url, self._directory, contact.id),
            )
            await self._save([replace(row, state=Delivery.SENDING) for row in rows])
            reference = await channel.send(message, self._directory.address_of(contact))
        except Undelivered as error:
            await self._failed(rows, recipient, contact, error)
        except FleetError as error:
            await self._failed(rows, recipient, contact, Undelivered(error.key, permanent=True))
        except SQLAlchemyError:
            raise  # the database's, not the channel's: it is tried again
        except Exception as error:  # what no library of a channel can say must not keep others from hearing
            log.exception("channel_fault channel=%s", contact.channel)
            await self._failed(rows, recipient, contact, Undelivered(type(error).__name__, permanent=True))
        else:
            if rows[0].what != TEST:
                self._wrote_s[contact.id] = self._clock.monotonic()
            self._centre.works(contact.channel)
            ended = self._clock.now()
            await self._save(
                [replace(r, state=Delivery.SENT, ended_at=ended, detail="", reference=reference[:120]) for r in rows]
            )
            await self._tested(rows, contact, "sent")

    def _message(
        self, rows: Sequence[NotificationRow], about: Mapping[int, IncidentRow], recipient: Recipient, link: str
    ) -> Message:
        lang: Lang = "en" if recipient.lang == "en" else "vi"
        words = Words(lang, self._zone, self._clock.now(), self._own_url, self._directory.book.texts)
        if all(row.what == TEST for row in rows):
            return test_message(words, recipient.name)
        if all(row.what == DIGEST for row in rows):
            small = [row for row in about.values() if row.priority is Priority.DIGEST and row.cleared_at is None]
            small.sort(key=lambda row: (row.cause.outcome is Outcome.WARN, not row.cause.counts, row.opened_at))
            return digest_of([self._told(row, "opened") for row in small], words)
        told = {
            row.incident: self._told(about[row.incident], row.what)
            for row in rows if row.incident is not None and row.incident in about
        }  # fmt: skip
        first = sorted(told.values(), key=lambda each: (each.what == CLEARED, -each.row.priority, each.row.opened_at))
        opening = {row.incident for row in rows if row.what == "opened"}
        return message_of(first, words, lambda number: number in opening, link)

    async def _link(self, rows: Sequence[NotificationRow], recipient: Recipient) -> str:
        """By which one incident can be acknowledged; empty for several, and for what is over."""
        numbers = {row.incident for row in rows}
        (number, *others) = numbers
        if number is None or others or any(row.what not in TELLS for row in rows):
            return ""
        return await link_for(self._database, self._clock, self._own_url, number, recipient.name)

    def _told(self, row: IncidentRow, what: str) -> Told:
        return Told(row, self._rooms.name_of(row.site), self._rooms.session_of(row.session), what)

    async def _failed(
        self, rows: Sequence[NotificationRow], recipient: Recipient, contact: Contact, error: Undelivered
    ) -> None:
        """Try again, or hand over to the next contact; a channel that is down is not tried by each of its messages."""
        now = self._clock.now()
        if error.whole_channel:
            if not self._centre.why(contact.channel):
                log.error("channel_down channel=%s why=%s", contact.channel, error.why)
            self._centre.failed(contact.channel, error.why)
        after: list[NotificationRow] = []
        others: list[NotificationRow] = []
        for row in rows:
            gives_up = error.permanent or error.whole_channel or row.tries + 1 >= _TRIES
            other = instead_of(row, recipient, now, self._centre.down) if gives_up and row.what != TEST else None
            if other is not None:
                others.append(other)
                after.append(replace(row, state=Delivery.HANDED_OVER, ended_at=now, detail=error.why))
            elif row.what == TEST or (error.permanent and not error.whole_channel):
                after.append(replace(row, state=Delivery.FAILED, ended_at=now, detail=error.why))
            else:
                pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(row.tries, 8))
                due = now + timedelta(seconds=random.uniform(pause_s / 2, pause_s))  # noqa: S311 - jitter
                after.append(replace(row, state=Delivery.WAITING, tries=row.tries + 1, due_at=due, detail=error.why))
        await self._save(after, others)
        await self._tested(rows, contact, "failed")
        if others:
            self.wake()

    async def _tested(self, rows: Sequence[NotificationRow], contact: Contact, outcome: str) -> None:
        if any(row.what == TEST for row in rows):
            now = self._clock.now()
            await self._database.write(lambda db: recipients.tested(db, contact.id, outcome, now))
            await self._directory.load()

    async def keep_channels(self) -> None:
        """Once a minute, for ever: what channels need beside sending. What is lost is said at once."""
        while True:
            for name, channel in self._channels.items():
                if not channel.is_configured:
                    continue
                try:
                    await channel.keep()
                except Undelivered as error:
                    if error.whole_channel:
                        self._centre.failed(name, error.why)
                except (FleetError, SQLAlchemyError) as error:
                    log.error("channel_not_kept channel=%s error=%s", name, type(error).__name__)
            await asyncio.sleep(_KEEP_S)

    async def _look_at_channels(self) -> None:
        """Whether what was down works again; nothing would be sent by it that could show it."""
        if not self._centre.down or self._clock.monotonic() - self._checked_s < _CHECK_S:
            return
        self._checked_s = self._clock.monotonic()
        for name in self._centre.down:
            channel = self._channels.get(name)
            try:
                if channel is not None:
                    await channel.check()
                self._centre.works(name)
                log.warning("channel_works channel=%s", name)
            except (Undelivered, FleetError):
                continue

    async def _save(self, rows: Sequence[NotificationRow], new: Sequence[NotificationRow] = ()) -> None:
        def write(db: Connection) -> None:
            for row in rows:
                notifications.save(db, row)
            notifications.add(db, new)

        await self._database.write(write)
        self._stream.publish("alerts")
