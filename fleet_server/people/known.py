"""Users and keys as they are now: few, asked for with every request, and so kept in memory beside the database."""

import asyncio
import logging
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from fleet_server.domain.access import HARMLESS, Person, Role
from fleet_server.errors import NotFound
from fleet_server.failing import Failing
from fleet_server.signing import one_time
from fleet_server.store import people
from fleet_server.store.database import Database
from fleet_server.store.people import KeyKind, KeyRow, UserRow
from wire.ids import uuid7
from wire.times import Clock

log = logging.getLogger("diemcau.people")

_LOOK_EVERY_S = 3.0
_TOUCH_EVERY = timedelta(minutes=5)
_IDLE = timedelta(hours=12)
_IDLE_HARMLESS = timedelta(days=90)
"""A wall screen runs for months; its viewer can change nothing."""


class Known:
    """The one place where users and keys change; what a call has changed is on the disk when it returns."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self.users: dict[str, UserRow] = {}
        self._keys: dict[str, KeyRow] = {}
        self._changes = 0
        """What was read while something changed is older than what we know, and is read once more."""

    async def load(self) -> None:
        """Take users and keys from the database."""
        while True:
            before, now = self._changes, self._clock.now()
            found = await self._database.read(people.all_users)
            keys = await self._database.read(lambda db, now=now: people.live_keys(db, now))  # type: ignore[misc]
            if self._changes == before:
                break
        self.users = {user.id: user for user in found}
        self._keys = {key.hash: key for key in keys}

    async def run(self) -> None:
        """The command line may add people beside us."""
        failing = Failing(log, "people_unreadable")
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            with failing:
                await self.load()

    def live(self, key: str, kind: KeyKind) -> tuple[KeyRow, UserRow] | None:
        """Whose key of this kind it is; None for nobody's any more."""
        row = self._keys.get(one_time.hash_of(key)) if key else None
        if row is None or row.kind is not kind or row.expires_at <= self._clock.now():
            return None
        user = self.users.get(row.user)
        return (row, user) if user is not None and user.disabled_at is None else None

    async def is_browser_of(self, key: str, user: str) -> bool:
        """Whether somebody has signed in as this user with this browser before."""
        if not key:
            return False
        hashed, now = one_time.hash_of(key), self._clock.now()
        row = await self._database.read(lambda db: people.browser_key(db, hashed, now))
        return row is not None and row.user == user

    async def by_cookie(self, key: str, origin: str) -> Person | None:
        """Who is signed in with this cookie; it is good for longer each time."""
        found = self.live(key, KeyKind.SIGN_IN)
        if found is None:
            return None
        row, user = found
        now = self._clock.now()
        if now - row.used_at > _TOUCH_EVERY:
            until = now + idle_of(user.role)
            await self._database.write(lambda db: people.touch_key(db, row.hash, now, until))
            self._changes += 1
            self._keys[row.hash] = replace(row, used_at=now, expires_at=until)
        return Person(user.id, name_of(user), user.role, user.sites, origin=origin)

    async def by_token(self, key: str, origin: str) -> Person | None:
        """Whose API token it is."""
        found = self.live(key, KeyKind.TOKEN)
        if found is None:
            return None
        row, user = found
        return Person(user.id, name_of(user), user.role, user.sites, row.reads_only, by_token=True, origin=origin)

    def user(self, user: str) -> UserRow:
        """One by id. Raises NotFound."""
        if user not in self.users:
            raise NotFound("people.not_found", user=user)
        return self.users[user]

    def keys_of(self, user: str, kind: KeyKind) -> list[KeyRow]:
        """A user's keys of a kind."""
        return [key for key in self._keys.values() if key.user == user and key.kind is kind]

    async def new_key(
        self, user: str, kind: KeyKind, lives: timedelta, label: str = "", reads_only: bool = False
    ) -> tuple[KeyRow, str]:
        """A new key and how it is kept."""
        key, now = one_time.new_key(), self._clock.now()
        row = KeyRow(one_time.hash_of(key), uuid7(), user, kind, label, now, now, now + lives, reads_only)
        await self.add_key(row)
        return row, key

    async def add_key(self, row: KeyRow) -> None:
        """Keep a key that was made elsewhere."""
        await self._database.write(lambda db: people.add_key(db, row))
        self._changes += 1
        if row.kind is not KeyKind.BROWSER:
            self._keys[row.hash] = row

    async def drop_key(self, key: str) -> None:
        """The key is worth nothing any more."""
        row = self._keys.pop(one_time.hash_of(key), None)
        self._changes += 1
        if row is not None:
            await self._database.write(lambda db: people.drop_key(db, row.id, row.user))
            self._keys.pop(row.hash, None)  # whoever read the keys before they were written has it again
            self._changes += 1

    async def end_keys(self, user: str, kinds: tuple[KeyKind, ...], but: str = "") -> None:
        """End all of a user's keys of these kinds, but one."""
        kept = one_time.hash_of(but) if but else ""
        await self._database.write(lambda db: people.drop_keys(db, user, kinds, kept))
        self._changes += 1
        await self.load()

    async def change(self, user: str, **changes: Any) -> UserRow:
        """Change some of a user."""
        await self._database.write(lambda db: people.change_user(db, user, **changes))
        self._changes += 1
        await self.load()
        return self.users[user]


def idle_of(role: Role) -> timedelta:
    """How long somebody stays signed in who does nothing."""
    return _IDLE_HARMLESS if role in HARMLESS else _IDLE


def name_of(user: UserRow) -> str:
    """As records show somebody: no two people have the same."""
    return user.login if user.name == user.login else f"{user.name} ({user.login})"
