"""Who is told: recipients and their contacts, rotas, routes, silences. What changes here is in force at once."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from msgspec.structs import replace
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from fleet_server.alerts.centre import CHECKS
from fleet_server.alerts.templates import checked
from fleet_server.channels.registry import channels
from fleet_server.domain.checks import checks
from fleet_server.domain.routing import MOST_ROUTES, MOST_STEPS, Match, Route, Silence
from fleet_server.domain.setbacks import OFFLINE
from fleet_server.errors import Conflict, Invalid, NotFound, WrongSettings
from fleet_server.live.stream import Stream
from fleet_server.signing.secret_box import SecretBox
from fleet_server.state.fleet import Fleet
from fleet_server.store import recipients
from fleet_server.store.database import Database
from fleet_server.store.recipients import Book, Contact, Recipient, Shift
from wire.ids import uuid7
from wire.times import Clock

_MOST_CONTACTS = 12
_STOP = "stop"
_LONGEST_HOLIDAY = timedelta(days=31)


class Directory:
    """`book` is what is in force; it is read again after every change."""

    def __init__(self, database: Database, fleet: Fleet, stream: Stream, clock: Clock, box: SecretBox) -> None:
        self._database, self._fleet, self._stream, self._clock, self._box = database, fleet, stream, clock, box
        self.book = Book({}, (), (), ())

    async def load(self) -> None:
        """Read everything that is in force."""
        now = self._clock.now()
        self.book = await self._database.read(lambda db: recipients.book(db, now))
        self._stream.publish("alerts")

    def address_of(self, contact: Contact) -> str:
        """Where to reach it. Raises WrongSettings where it cannot be opened."""
        return self._box.open(f"contact:{contact.id}", contact.sealed)

    async def add_recipient(self, name: str, lang: str, user: str | None = None) -> Recipient:
        """Somebody new, without a contact yet. Raises Invalid, and Conflict where the name is taken."""
        if not name.strip() or lang not in ("vi", "en"):
            raise Invalid("alerts.no_name")
        found = Recipient(uuid7(), name.strip(), user, lang, self._clock.now())
        try:
            await self._database.write(lambda db: recipients.add_recipient(db, found))
        except IntegrityError as error:
            raise Conflict("alerts.name_taken", name=name) from error
        await self.load()
        return found

    async def remove_recipient(self, id: str, by: str) -> None:
        """They are not written to any more, and no route leads to them. Raises NotFound."""
        self.recipient(id)
        now = self._clock.now()
        left = [replace(each, steps=tuple(step for step in each.steps if step.to != id)) for each in self.book.routes]

        def write(db: Connection) -> None:
            recipients.remove_recipient(db, id)
            if tuple(left) != self.book.routes:
                recipients.replace_routes(db, [route for route in left if route.steps], by, now)

        await self._database.write(write)
        await self.load()

    def recipient(self, id: str) -> Recipient:
        """One by its id. Raises NotFound."""
        if (found := self.book.recipients.get(id)) is None:
            raise NotFound("alerts.no_recipient", recipient=id)
        return found

    def contact(self, id: str) -> Contact:
        """One by its id. Raises NotFound."""
        for recipient in self.book.recipients.values():
            for contact in recipient.contacts:
                if contact.id == id:
                    return contact
        raise NotFound("alerts.no_contact", contact=id)

    def stop_code(self, contact: str) -> str:
        """Whoever has it may end what is sent there, and nothing else."""
        return self._box.seal(_STOP, contact)

    def stopped_by(self, code: str) -> Contact:
        """The contact that a code was made for. Raises NotFound for another code, and for what has ended."""
        try:
            return self.contact(self._box.open(_STOP, code))
        except (WrongSettings, NotFound) as error:
            raise NotFound("alerts.no_stop") from error

    def contact_at(self, channel: str, address: str) -> Contact | None:
        """The one that is reached there."""
        for recipient in self.book.recipients.values():
            for contact in recipient.contacts:
                if contact.channel == channel and self.address_of(contact) == address:
                    return contact
        return None

    async def add_contact(self, recipient: str, channel: str, address: str, by: str) -> Contact:
        """Another way to reach somebody, tried after those that are known. Whoever enters it says that they agreed.

        Raises NotFound, and Invalid for an address that the channel cannot use.
        """
        known = self.recipient(recipient)
        kind = channels().get(channel)
        if kind is None:
            raise Invalid("alerts.no_channel", channel=channel)
        if len(known.contacts) >= _MOST_CONTACTS:
            raise Invalid("alerts.too_many_contacts", most=_MOST_CONTACTS)
        wanted = address.strip()
        if not kind.takes(wanted):
            raise Invalid("alerts.wrong_address", channel=channel)
        id, rank = uuid7(), max((each.rank for each in known.contacts), default=0) + 1
        sealed = self._box.seal(f"contact:{id}", wanted)
        contact = Contact(id, recipient, rank, channel, sealed, kind.shown(wanted)[:40], self._clock.now(), by)
        await self._database.write(lambda db: recipients.add_contact(db, contact))
        await self.load()
        return contact

    async def withdraw(self, contact: str) -> None:
        """They do not agree any more: from now on nothing is sent there. Raises NotFound."""
        now = self._clock.now()
        if not await self._database.write(lambda db: recipients.withdraw(db, contact, now)):
            raise NotFound("alerts.no_contact", contact=contact)
        await self.load()

    async def add_shift(self, rota: str, recipient: str, begins_at: datetime, ends_at: datetime, by: str) -> Shift:
        """Somebody is on duty; a later beginning stands above an earlier one, so that a swap is another shift.

        Raises NotFound, Invalid.
        """
        self.recipient(recipient)
        if not rota.strip() or ends_at <= begins_at or ends_at <= self._clock.now():
            raise Invalid("alerts.wrong_shift")
        shift = Shift(uuid7(), rota.strip(), recipient, begins_at, ends_at, by)
        await self._database.write(lambda db: recipients.add_shift(db, shift))
        await self.load()
        return shift

    async def remove_shift(self, id: str) -> None:
        """They are not. Raises NotFound."""
        if not await self._database.write(lambda db: recipients.remove_shift(db, id)):
            raise NotFound("alerts.no_shift", shift=id)
        await self.load()

    async def add_holidays(self, first: date, last: date, name: str, by: str) -> None:
        """Nobody works on these days. Raises Invalid for too many, and for days that are over."""
        yesterday = self._clock.now().date() - timedelta(days=1)
        if not name.strip() or not yesterday <= first <= last or last - first >= _LONGEST_HOLIDAY:
            raise Invalid("alerts.wrong_holiday", most=_LONGEST_HOLIDAY.days)
        days = [first + timedelta(days=nr) for nr in range((last - first).days + 1)]
        await self._database.write(lambda db: recipients.add_holidays(db, days, name.strip(), by))
        await self.load()

    async def remove_holiday(self, day: date) -> None:
        """It is a day like others. Raises NotFound."""
        if not await self._database.write(lambda db: recipients.remove_holiday(db, day)):
            raise NotFound("alerts.no_holiday", day=day.isoformat())
        await self.load()

    async def set_routes(self, routes: Sequence[Route], by: str) -> tuple[Route, ...]:
        """These and no others. Raises Invalid for one that leads nowhere, NotFound for one of what there is not."""
        if len(routes) > MOST_ROUTES:
            raise Invalid("alerts.too_many_routes", most=MOST_ROUTES)
        for route in routes:
            if not route.steps or len(route.steps) > MOST_STEPS or any(step.after_min < 0 for step in route.steps):
                raise Invalid("alerts.wrong_route", name=route.name, most=MOST_STEPS)
            if all(route.match != each.match for each in self.book.routes):  # an old one's site may be closed by now
                self._is_of_something(route.match)
            for step in route.steps:
                if not step.to.startswith("rota:"):
                    self.recipient(step.to)
        now = self._clock.now()
        named = [replace(route, id=route.id or uuid7()) for route in routes]
        await self._database.write(lambda db: recipients.replace_routes(db, named, by, now))
        await self.load()
        return self.book.routes

    async def silence(
        self, match: Match, begins_at: datetime, ends_at: datetime, reason: str, by: str, every: str = "once",
        last_until: datetime | None = None,
    ) -> Silence:  # fmt: skip
        """Nobody is told of these for a while. Raises Invalid without an end or a reason, NotFound as routes do."""
        now = self._clock.now()
        if not reason.strip() or ends_at <= begins_at or every not in ("once", "day", "week"):
            raise Invalid("alerts.wrong_silence")
        if (last_until or ends_at) <= now:
            raise Invalid("alerts.wrong_silence")
        self._is_of_something(match)
        silence = Silence(uuid7(), match, begins_at, ends_at, reason.strip(), by, every, last_until)  # type: ignore[arg-type]
        await self._database.write(lambda db: recipients.add_silence(db, silence, now))
        await self.load()
        return silence

    async def end_silence(self, id: str) -> None:
        """What it hid is told again. Raises NotFound."""
        now = self._clock.now()
        if not await self._database.write(lambda db: recipients.end_silence(db, id, now)):
            raise NotFound("alerts.no_silence", silence=id)
        await self.load()

    def _is_of_something(self, match: Match) -> None:
        for site in sorted(match.sites - self._fleet.entries.keys()):
            raise NotFound("sites.not_found", site=site)
        for check in sorted(match.checks - {OFFLINE, *checks(), *CHECKS}):
            raise NotFound("alerts.no_check", check=check)

    async def set_text(self, lang: str, key: str, text: str, by: str) -> None:
        """The province's own words in messages; none: ours again. Raises Invalid for what could not be sent."""
        wanted = checked(lang, key, text)
        now = self._clock.now()
        await self._database.write(lambda db: recipients.set_text(db, lang, key, wanted, by, now))
        await self.load()
