"""Makes minutes, seals them, and finds them again."""

import asyncio
import logging
from zoneinfo import ZoneInfo

from fleet_server.config import Office
from fleet_server.domain.sessions import Session
from fleet_server.errors import Conflict, NotFound, SignerGone
from fleet_server.minutes.content import Minute, minute_of
from fleet_server.minutes.document import document_of
from fleet_server.minutes.seal import digest, sealed
from fleet_server.minutes.tables import tables_of
from fleet_server.store import minutes
from fleet_server.store.database import Database
from fleet_server.store.minutes import MinuteRow
from fleet_server.texts import Lang, translate
from wire.announcements import MinuteSeal
from wire.ids import uuid7
from wire.signing import Signer, signed
from wire.times import Clock

log = logging.getLogger("diemcau.minutes")


class MinuteDesk:
    """One is set at a time: it takes a core for a second or two."""

    def __init__(
        self, database: Database, signer: Signer, clock: Clock, zone: ZoneInfo, office: Office, own_url: str
    ) -> None:
        self._database, self._signer, self._clock = database, signer, clock
        self._zone, self._office, self._own_url = zone, office, own_url
        self._setting = asyncio.Lock()

    async def make(self, session: Session, by: str) -> MinuteRow:
        """A new minute of a session, as PDF, sealed and kept. Raises Conflict before it is over, and SignerGone."""
        now = self._clock.now()
        if session.cancelled_at is None and session.ends_at > now:
            raise Conflict("minutes.not_over")
        async with self._setting:
            content = await self._content(session)
            id, year = uuid7(), now.astimezone(self._zone).year
            number = await self._database.read(lambda db: minutes.next_number(db, year))
            link = f"{self._own_url}/minutes/{id}"
            pdf = await asyncio.to_thread(document_of, content, self._office, number, now, self._zone, link)
            try:
                seal = signed(self._signer, MinuteSeal(id, session.id, now, digest(pdf)))
            except SignerGone as error:
                log.error("minute_not_sealed session=%s error=%s", session.id, error)
                raise
            row = MinuteRow(id, session.id, number, year, now, by, digest(pdf))
            await self._database.write(lambda db: minutes.add(db, row, sealed(pdf, seal)))
        log.info("minute_made id=%s session=%s number=%d", id, session.id, number)
        return row

    async def of_session(self, session: str) -> list[MinuteRow]:
        """Those of a session, the last one first."""
        return await self._database.read(lambda db: minutes.of_session(db, session))

    async def find(self, id: str) -> tuple[MinuteRow, bytes]:
        """One with its file. Raises NotFound."""
        found = await self._database.read(lambda db: minutes.find(db, id))
        if found is None:
            raise NotFound("minutes.not_found", minute=id)
        return found

    async def workbook(self, session: Session, lang: Lang) -> bytes:
        """The same as Excel, as the record stands now."""
        from fleet_server.workbook import workbook_of  # openpyxl takes a quarter of a second to load

        content = await self._content(session)
        tables = tables_of(content, lang, self._zone)
        return await asyncio.to_thread(workbook_of, tables, translate(lang, "minute.none"))

    async def _content(self, session: Session) -> Minute:
        return await self._database.read(lambda db: minute_of(db, session))
