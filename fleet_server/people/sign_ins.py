"""Signing in: password, second factor, the one-time link before both. Every try is recorded."""

import asyncio
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from fleet_server.config import Settings
from fleet_server.domain.access import HARMLESS, Person, Role
from fleet_server.domain.throttle import Failures, after_failure, still_counting, wait_s
from fleet_server.errors import Conflict, Forbidden, Invalid, NotFound, NotSignedIn, TooOften
from fleet_server.people import proofs
from fleet_server.people.audit import AuditDesk
from fleet_server.people.known import Known, idle_of
from fleet_server.people.provider import Vouched
from fleet_server.people.users import check_scope, new_user
from fleet_server.signing import one_time
from fleet_server.signing.secret_box import SecretBox
from fleet_server.store import people
from fleet_server.store.database import Database
from fleet_server.store.people import KeyKind, UserRow
from wire.times import Clock

_HALF_LIVES = timedelta(minutes=10)
_BROWSER_LIVES = timedelta(days=180)
_STRANGER_EVERY_S = 60.0
_HASHING_AT_ONCE = 2
"""Each takes 19 MiB and a core for 50 ms; whoever sends many waits."""
_TOTP = "totp"


class SignedIn(Struct, frozen=True):
    """A browser that has given its password: the key for its cookie, and whether the second factor is still to come."""

    key: str
    needs_code: bool
    expires_at: datetime
    browser: str = ""
    """A key that says: this browser has signed in before."""


class SignInDesk:
    """Lets people in. Failures are counted in memory alone: a restart forgives."""

    def __init__(
        self, database: Database, known: Known, clock: Clock, settings: Settings, box: SecretBox, audit: AuditDesk
    ) -> None:  # fmt: skip
        self._database, self._known, self._clock = database, known, clock
        self._settings, self._box, self._audit = settings, box, audit
        self._pairs: dict[str, Failures] = {}
        self._accounts: dict[str, Failures] = {}
        self._strangers: dict[str, Failures] = {}
        """Address -> tries with names that nobody has since the last row, and when that was."""
        self._hashing = asyncio.Semaphore(_HASHING_AT_ONCE)

    async def sign_in(self, login: str, password: str, browser: str, origin: str) -> SignedIn:
        """A browser with login and password. Raises TooOften, and NotSignedIn for whatever else is wrong."""
        login = login.strip().casefold()[:64]
        user = next((known for known in self._known.users.values() if known.login == login), None)
        pair = f"{login} {origin}"
        is_known = user is not None and await self._known.is_browser_of(browser, user.id)
        if not await self._is_password(user, password, pair, login, is_known, origin):
            raise NotSignedIn("people.wrong_password")
        assert user is not None
        return await self._half_or_whole(user, origin)

    async def give_code(self, half: str, code: str, origin: str) -> SignedIn:
        """The second factor. Raises NotSignedIn, TooOften."""
        found = self._known.live(half, KeyKind.HALF)
        if found is None or not found[1].totp:
            raise NotSignedIn("people.begin_again")
        user, pair = found[1], f"{found[1].id} code"
        self._wait(pair, pair, True)
        if not await self._is_code(user, self._box.open(_TOTP, user.totp), code):
            await self._fail(user, pair, pair, "code", origin)
            raise NotSignedIn("people.wrong_code")
        self._pairs.pop(pair, None)
        await self._known.drop_key(half)
        return await self.whole(user, origin)

    def begin_totp(self, half: str) -> tuple[UserRow, str]:
        """A new secret for somebody who must set the second factor up. Raises NotSignedIn."""
        return self._without_totp(half), proofs.new_totp_secret()

    async def set_totp(self, half: str, secret: str, code: str, origin: str) -> SignedIn:
        """The first code of a new second factor proves that the app has it. Raises NotSignedIn, Invalid."""
        user = self._without_totp(half)
        if not (16 <= len(secret) <= 64 and secret.isalnum()) or not await self._is_code(user, secret, code):
            raise Invalid("people.wrong_code")
        await self._known.change(user.id, totp=self._box.seal(_TOTP, secret))
        await self._audit.record(user.login, "second_factor", "done", origin=origin)
        await self._known.drop_key(half)
        return await self.whole(user, origin)

    async def change_password(self, person: Person, old: str, new: str, keep: str) -> None:
        """A new password ends every sign-in but the one kept. Raises NotSignedIn for a wrong old one, Invalid."""
        user = self._known.user(person.user)
        pair = f"{user.id} password"
        if not await self._is_password(user, old, pair, pair, True, person.origin):
            raise NotSignedIn("people.wrong_password")
        async with self._hashing:
            kept = await asyncio.to_thread(proofs.password_hash, new, user.login)
        await self._known.change(user.id, password=kept)
        await self._known.end_keys(user.id, (KeyKind.SIGN_IN, KeyKind.HALF), but=keep)

    async def set_up(self, invitation: str, password: str, origin: str) -> SignedIn:
        """Somebody who was invited sets a password. Raises NotFound for a used link, Invalid for a bad password."""
        found = self._known.live(invitation, KeyKind.INVITATION)
        if found is None:
            raise NotFound("people.no_invitation")
        user, hashed = found[1], one_time.hash_of(invitation)
        async with self._hashing:
            kept = await asyncio.to_thread(proofs.password_hash, password, user.login)
        now = self._clock.now()
        if await self._database.write(lambda db: people.take_key(db, hashed, KeyKind.INVITATION, now)) is None:
            raise NotFound("people.no_invitation")
        await self._known.end_keys(user.id, (KeyKind.SIGN_IN, KeyKind.HALF))
        user = await self._known.change(user.id, password=kept, totp="")
        await self._audit.record(user.login, "set_up", "done", origin=origin)
        return await self._half_or_whole(user, origin)

    async def by_provider(self, vouched: Vouched, origin: str) -> SignedIn:
        """Somebody for whom the province's provider vouches; it has asked for the second factor.

        A new user where the provider names a new subject; role and sites are as it says, each time. Raises Conflict
        for a login that somebody has here who signs in with a password, and Forbidden for one who is locked out.
        """
        check_scope(vouched.role, vouched.sites)
        user = next((known for known in self._known.users.values() if known.subject == vouched.subject), None)
        if user is None:
            made = new_user(vouched.login, vouched.name, vouched.role, vouched.sites, self._clock.now())
            row = replace(made, subject=vouched.subject)
            if not await self._database.write(lambda db: people.add_user(db, row)):
                raise Conflict("people.login_taken", login=vouched.login)
            await self._known.load()
            user = self._known.user(row.id)
        if user.disabled_at is not None:
            raise Forbidden("people.locked_out")
        changed = await self._known.change(user.id, role=vouched.role, sites=vouched.sites, name=vouched.name)
        return await self.whole(changed, origin)

    async def whole(self, user: UserRow, origin: str) -> SignedIn:
        """The user is in: all that was to be proved is proved."""
        await self._audit.record(user.login, "sign_in", "done", origin=origin)
        row, key = await self._known.new_key(user.id, KeyKind.SIGN_IN, idle_of(user.role))
        _, browser = await self._known.new_key(user.id, KeyKind.BROWSER, _BROWSER_LIVES)
        return SignedIn(key, False, row.expires_at, browser)

    def must_have_totp(self, role: Role) -> bool:
        """Whether the role wants a second factor."""
        return self._settings.second_factor and role not in HARMLESS

    async def _half_or_whole(self, user: UserRow, origin: str) -> SignedIn:
        if not user.totp and not self.must_have_totp(user.role):
            return await self.whole(user, origin)
        row, key = await self._known.new_key(user.id, KeyKind.HALF, _HALF_LIVES)
        return SignedIn(key, True, row.expires_at)

    def _without_totp(self, half: str) -> UserRow:
        found = self._known.live(half, KeyKind.HALF)
        if found is None or found[1].totp:
            raise NotSignedIn("people.begin_again")
        return found[1]

    async def _is_code(self, user: UserRow, secret: str, code: str) -> bool:
        step = proofs.totp_step(secret, code, self._clock.now().timestamp())
        return step is not None and await self._database.write(lambda db: people.use_totp(db, user.id, step))

    async def _is_password(
        self, user: UserRow | None, password: str, pair: str, account: str, is_known: bool, origin: str
    ) -> bool:
        """Looked at one or two at a time, and each counted before the next: many at once are no more guesses."""
        async with self._hashing:
            self._wait(pair, account, is_known)
            right = await asyncio.to_thread(proofs.is_password, user.password if user else "", password)
            if not right or user is None or user.disabled_at is not None:
                await self._fail(user, pair, account, "password", origin)
                return False
        self._pairs.pop(pair, None)
        return True

    def _wait(self, pair: str, account: str, is_known: bool) -> None:
        now = self._clock.now().timestamp()
        wait = wait_s(self._pairs.get(pair, Failures()), self._accounts.get(account, Failures()), is_known, now)
        if wait > 0:
            raise TooOften("people.wait", seconds=round(wait) + 1)

    async def _fail(self, user: UserRow | None, pair: str, account: str, why: str, origin: str) -> None:
        now = self._clock.now().timestamp()
        self._pairs, self._accounts = still_counting(self._pairs, now), still_counting(self._accounts, now)
        self._pairs[pair] = after_failure(self._pairs.get(pair, Failures()), now)
        self._accounts[account] = after_failure(self._accounts.get(account, Failures()), now)
        if user is not None:
            await self._audit.record(user.login, "sign_in", "refused", origin=origin, why=why)
            return
        # Whoever tries name after name is stopped by no account's bound: a row a minute says it too.
        self._strangers = still_counting(self._strangers, now)
        met = self._strangers.get(origin)
        self._strangers[origin] = Failures(met.count + 1 if met else 0, met.last_at if met else now)
        if met is None or now - met.last_at >= _STRANGER_EVERY_S:
            self._strangers[origin] = Failures(0, now)
            # What nobody is called may be a password in the wrong field.
            await self._audit.record("?", "sign_in", "refused", origin=origin, why=why, more=met.count if met else 0)
