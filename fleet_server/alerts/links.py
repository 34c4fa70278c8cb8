"""Links in messages: whoever got one can look at that incident, say once that they see to it, or end them."""

from datetime import timedelta

from fleet_server.alerts.desk import IncidentDesk
from fleet_server.alerts.directory import Directory
from fleet_server.errors import NotFound
from fleet_server.signing.one_time import hash_of, new_code
from fleet_server.store import ack_links
from fleet_server.store.ack_links import AckLink
from fleet_server.store.database import Database
from fleet_server.store.incidents import IncidentRow
from fleet_server.store.recipients import Contact, Recipient
from wire.times import Clock

_LIVES = timedelta(hours=24)


async def link_for(database: Database, clock: Clock, own_url: str, incident: int, name: str) -> str:
    """A new link for one message; its code is kept as a hash alone."""
    code, now = new_code(), clock.now()
    link = AckLink(hash_of(code), incident, name, now + _LIVES)
    await database.write(lambda db: ack_links.add(db, link, now))
    return f"{own_url}/told#{code}"


def stop_link(own_url: str, directory: Directory, contact: str) -> str:
    """By which whoever is written to ends it, for this contact alone; it is good as long as the contact is."""
    return f"{own_url}/stop#{directory.stop_code(contact)}"


class LinkDesk:
    """Opening changes nothing, however often; acknowledging uses the link up."""

    def __init__(self, database: Database, incidents: IncidentDesk, directory: Directory, clock: Clock) -> None:
        self._database, self._incidents, self._directory, self._clock = database, incidents, directory, clock

    async def look(self, code: str) -> tuple[IncidentRow, str]:
        """The incident, and by which name it would be acknowledged. Raises NotFound."""
        now, hashed = self._clock.now(), hash_of(code)
        link = await self._database.read(lambda db: ack_links.find(db, hashed, now))
        if link is None:
            raise NotFound("alerts.no_link")
        return await self._incidents.find(link.incident), link.name

    async def acknowledge(self, code: str) -> tuple[IncidentRow, str]:
        """They see to it. Raises NotFound for a link that was used or has run out, and Conflict once it is over."""
        row, name = await self.look(code)
        after = await self._incidents.acknowledge(row.number, name)
        if not await self._database.write(lambda db: ack_links.use(db, hash_of(code))):
            raise NotFound("alerts.no_link")
        return after, name

    def stopping(self, code: str) -> tuple[Recipient, Contact]:
        """Whose messages a link would end. Raises NotFound for a wrong link, and where they have ended."""
        contact = self._directory.stopped_by(code)
        return self._directory.recipient(contact.recipient), contact

    async def stop(self, code: str) -> tuple[Recipient, Contact]:
        """They are written to there no more. Raises NotFound."""
        recipient, contact = self.stopping(code)
        await self._directory.withdraw(contact.id)
        return recipient, contact
