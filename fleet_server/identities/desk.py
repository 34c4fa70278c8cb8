"""What people may ask of identities: let a machine in, put it out; and what a machine may ask: its certificate."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from fleet_server.authority.certificates import fingerprint_of, issue, requested_key
from fleet_server.authority.files import AuthorityFiles
from fleet_server.config import Settings
from fleet_server.domain.identities import CERTIFICATE_LIVES, RENEW_AFTER, Boots
from fleet_server.errors import Conflict, FleetError, Invalid, NotFound
from fleet_server.failing import Failing
from fleet_server.identities.doors import Doors
from fleet_server.identities.enrolments import NewCode, hash_of_code, new_code
from fleet_server.link import FleetLink
from fleet_server.live.stream import Stream
from fleet_server.signing.one_time import hash_of, new_key
from fleet_server.state.fleet import Fleet, keep
from fleet_server.store import identities
from fleet_server.store.database import Database
from fleet_server.store.identities import CertificateRow, EnrolmentRow, EnrolmentState
from fleet_server.store.sites import close_site
from wire.errors import NoSealingKey
from wire.messages import Certificate, Renewal
from wire.mqtt import Broker
from wire.sealing import seal
from wire.times import Clock

log = logging.getLogger("diemcau.identities")

_MOST_A_DAY = 12
"""Certificates for one site: a room asks twice a month, and once when the authority is replaced."""
_KEEP_OLD = timedelta(days=400)


class Claim(Struct, frozen=True):
    """What a machine brings."""

    code: str
    request: str
    sealing_key: str
    machine: str


class Given(Struct, frozen=True):
    """What a machine gets once a person has said yes."""

    site: str
    certificate: str
    authority: str
    renew_after: datetime
    authorities: str


class IdentityDesk:
    """`valid_until` and `barred` are kept in memory too, for every gate and every message asks for them."""

    def __init__(
        self, database: Database, fleet: Fleet, link: FleetLink, stream: Stream, clock: Clock, settings: Settings,
        authority: AuthorityFiles, broker: Callable[[], Broker],
    ) -> None:  # fmt: skip
        self._database, self._fleet, self._link, self._stream = database, fleet, link, stream
        self._clock, self._settings = clock, settings
        self.authority = authority
        self.valid_until: dict[str, datetime] = {}
        self.sealing_keys: dict[str, str] = {}
        self._issuing = asyncio.Lock()
        self.doors = Doors(database, authority, settings, clock, broker, lambda site: site in self.valid_until)

    async def load(self) -> None:
        """Take what is known from the database."""
        now = self._clock.now()
        self.valid_until = await self._database.read(lambda db: identities.valid_until(db, now))
        self.sealing_keys = await self._database.read(identities.sealing_keys)
        self._fleet.barred = await self._database.read(identities.barred_sites)

    @property
    def web_fingerprint(self) -> str | None:
        """Of the key that our pages answer with; None where they are reached without TLS."""
        if not self._settings.web_tls:
            return None
        _, key = self.authority.service("web", self._settings.names, self.authority.issuing)
        return self.authority.fingerprint(key)

    async def new_code(self, site: str, by: str, *, put_out: bool = False) -> NewCode:
        """A code for a machine of this site; with `put_out` the machine of now is out at once. Raises NotFound."""
        made = await self._database.write(lambda db: new_code(db, site, by, self._clock))
        log.info("enrolment_opened site=%s by=%s", site, by)
        if put_out:
            await self.revoke(site, by, "replaced")
        self._stream.publish("identity", site)
        return made

    async def claim(self, claim: Claim, origin: str) -> tuple[EnrolmentRow, str]:
        """A machine brings a code: the enrolment, and the token to fetch the answer with.

        Raises NotFound for a code that is wrong, was used or has run out, and Invalid for a bad request.
        """
        key = requested_key(claim.request)
        try:
            seal(claim.sealing_key, "tried", "")
        except NoSealingKey as error:
            raise Invalid("identities.wrong_request") from error
        token = new_key()
        values = {
            "request": claim.request, "sealing_key": claim.sealing_key, "machine": claim.machine,
            "fingerprint": fingerprint_of(key), "token_hash": hash_of(token), "claimed_from": origin,
        }  # fmt: skip
        now = self._clock.now()
        row = await self._database.write(lambda db: identities.claim(db, hash_of_code(claim.code), now, values))
        if row is None:
            log.warning("claim_refused from=%s", origin)
            raise NotFound("identities.no_such_code")
        log.info("enrolment_claimed site=%s machine=%r from=%s", row.site, row.machine, origin)
        self._stream.publish("identity", row.site)
        return row, token

    async def decide(self, id: str, accept: bool, by: str) -> EnrolmentRow:
        """A person has compared the fingerprints. Raises NotFound, Conflict.

        Whoever had the identity of the site before is out: a room has one machine that speaks for it.
        """
        row = await self.find(id)
        now = self._clock.now()
        if row.state is EnrolmentState.CLAIMED and accept:
            made = self._issue(row.site, row.request, row.id)

            def change(db: Connection) -> bool:
                if not identities.decide(db, id, True, by, now):
                    return False
                identities.revoke(db, row.site, by, "replaced", now)
                identities.add_certificate(db, made)
                return True

            async with self._issuing:
                decided = await self._database.write(change)
                if decided and row.site in self.valid_until:
                    self.doors.changing_hands.add(row.site)
        else:
            decided = not accept and await self._database.write(lambda db: identities.decide(db, id, False, by, now))
        if not decided:
            raise Conflict("identities.decided_already")
        log.info("enrolment_decided site=%s accept=%s by=%s", row.site, accept, by)
        if accept:
            had_one = row.site in self.doors.changing_hands
            await self._forget_boots(row.site)
            self._fleet.barred.discard(row.site)
            self.valid_until = {**self.valid_until, row.site: now + CERTIFICATE_LIVES}
            self.sealing_keys = {**self.sealing_keys, row.site: row.sealing_key}
            if had_one:
                await self.doors.hand_over(row.site)
        self._stream.publish("identity", row.site)
        return await self.find(id)

    async def collect(self, id: str, token: str) -> Given | EnrolmentState:
        """The answer for the machine that has the token: what it is given, or how far it is. Raises NotFound."""
        row = await self._database.read(lambda db: identities.find_enrolment(db, id))
        if row is None or not row.token_hash or not secrets.compare_digest(row.token_hash, hash_of(token)):
            raise NotFound("identities.no_such_enrolment")
        if row.state is EnrolmentState.ACCEPTED and row.site in self.doors.changing_hands:
            return EnrolmentState.CLAIMED
        if row.state is not EnrolmentState.ACCEPTED:
            return row.state
        found = await self._database.read(lambda db: identities.find_certificate(db, id))
        if found is None or found.revoked_at is not None:
            return EnrolmentState.REJECTED
        return Given(
            row.site, found.pem, found.authority, found.issued_at + RENEW_AFTER, self.authority.trusted_by_rooms
        )

    async def find(self, id: str) -> EnrolmentRow:
        """One by its id. Raises NotFound."""
        row = await self._database.read(lambda db: identities.find_enrolment(db, id))
        if row is None:
            raise NotFound("identities.no_such_enrolment")
        return row

    async def waiting(self) -> list[EnrolmentRow]:
        """Machines that wait for an answer, and codes that can be used."""
        now = self._clock.now()
        return await self._database.read(lambda db: identities.waiting_enrolments(db, now))

    async def revoke(self, site: str, by: str, reason: str) -> int:
        """Put the machine of a site out; how many certificates that were. Raises NotFound, Invalid without a reason."""
        if site not in self._fleet.entries:
            raise NotFound("sites.not_found", site=site)
        if not reason.strip():
            raise Invalid("identities.no_reason")
        now = self._clock.now()
        async with self._issuing:
            count = await self._database.write(lambda db: identities.revoke(db, site, by, reason.strip(), now))
            await self.load()
        log.info("identity_revoked site=%s certificates=%d by=%s", site, count, by)
        try:
            await self.doors.publish()
        finally:  # also where the lists cannot be written: what it has now is taken away
            self.doors.put_out(site)
        async with self._fleet.lock:
            entry = self._fleet.entries[site]
            absent = self._fleet.judged(entry, replace(entry.room, present=False))
            await keep(self._fleet, self._database, [absent])
        self._stream.publish("identity", site)
        return count

    async def decommission(self, site: str, by: str, reason: str) -> None:
        """The site is no more: its machine is out, and nothing is asked of it. Raises NotFound, Invalid."""
        await self.revoke(site, by, reason)
        now_ms = round(self._clock.now().timestamp() * 1000)
        await self._database.write(lambda db: close_site(db, site, now_ms))
        async with self._fleet.lock:
            self._fleet.drop(site)

    async def run(self) -> None:
        """Answer renewals, for ever."""
        failing = Failing(log, "renewals_failing", SQLAlchemyError, OSError)  # the room asks again in a minute
        while True:
            site, renewal = await self._fleet.renewals.get()
            try:
                with failing:
                    await self._renew(site, renewal)
            except FleetError as error:
                log.warning("renewal_refused site=%s reason=%s", site, error.key)

    async def _renew(self, site: str, renewal: Renewal) -> None:
        async with self._issuing:  # whoever is put out meanwhile gets no certificate that outlives it
            found = await self._renewed(site, renewal)
        self._link.say(
            Certificate(
                site, renewal.id, self._clock.now(), found.pem, found.authority, found.issued_at + RENEW_AFTER,
                self.authority.trusted_by_rooms,
            )
        )  # fmt: skip

    async def _renewed(self, site: str, renewal: Renewal) -> CertificateRow:
        """The certificate that answers this renewal, a new one or that of before. Raises Conflict, Invalid."""
        now = self._clock.now()
        if site in self.doors.changing_hands or site not in self.valid_until or self.valid_until[site] <= now:
            raise Conflict("identities.none_valid", site=site)
        found = await self._database.read(lambda db: identities.find_certificate(db, renewal.id))
        if found is not None:
            if found.site != site or found.revoked_at is not None:
                raise Conflict("identities.none_valid", site=site)
            return found
        since = now - timedelta(days=1)
        if await self._database.read(lambda db: identities.issued_since(db, site, since)) >= _MOST_A_DAY:
            raise Conflict("identities.too_many", site=site)
        made = self._issue(site, renewal.request, renewal.id)

        def change(db: Connection) -> None:
            identities.add_certificate(db, made)
            identities.forget_old(db, now - _KEEP_OLD)

        await self._database.write(change)
        self.valid_until = {**self.valid_until, site: made.not_after}
        log.info("certificate_issued site=%s serial=%s", site, made.serial)
        return made

    def _issue(self, site: str, request: str, asked: str) -> CertificateRow:
        """A certificate that names the site, whatever the request says. Raises Invalid."""
        now = self._clock.now()
        authority = self.authority.issuing
        made = issue(authority, site, requested_key(request), now, CERTIFICATE_LIVES)
        return CertificateRow(made.serial, site, authority.name, now, made.not_after, asked, made.pem)

    async def _forget_boots(self, site: str) -> None:
        """Another machine: what was heard of the one before says nothing of this one."""
        async with self._fleet.lock:
            if (entry := self._fleet.entries.get(site)) is not None:
                await keep(self._fleet, self._database, [replace(entry, boots=Boots())])
