"""What administrators ask about users, and what people ask about their own account."""

import asyncio
from datetime import timedelta

from fleet_server.domain.access import Person, Role
from fleet_server.errors import Conflict, Forbidden, NotFound
from fleet_server.people.known import Known
from fleet_server.people.users import check_scope, new_invitation, new_user
from fleet_server.store import people
from fleet_server.store.database import Database
from fleet_server.store.people import KeyKind, KeyRow, UserRow
from wire.times import Clock


class PeopleDesk:
    """Users and their tokens."""

    def __init__(self, database: Database, known: Known, clock: Clock) -> None:
        self._database, self._known, self._clock = database, known, clock
        self._changing = asyncio.Lock()

    async def invite(self, login: str, name: str, role: Role, sites: frozenset[str]) -> str:
        """A new user; the key of the one-time link. Raises Conflict, Invalid."""
        row = new_user(login, name, role, sites, self._clock.now())
        if not await self._database.write(lambda db: people.add_user(db, row)):
            raise Conflict("people.login_taken", login=login)
        await self._known.load()
        return await self.invite_again(row.id)

    async def invite_again(self, user: str) -> str:
        """A one-time link, for somebody new or who has lost password or phone; until it is used nothing changes."""
        key, invitation = new_invitation(self._known.user(user).id, self._clock.now())
        await self._known.add_key(invitation)
        return key

    async def change(self, user: str, role: Role, sites: frozenset[str], disabled: bool) -> UserRow:
        """Another role, other sites, in or out. Raises NotFound, Invalid, and Conflict for the last administrator."""
        async with self._changing:  # two who lock each other out at once would leave nobody
            return await self._change(user, role, sites, disabled)

    async def _change(self, user: str, role: Role, sites: frozenset[str], disabled: bool) -> UserRow:
        self._known.user(user)
        check_scope(role, sites)
        last = [
            known.id for known in self._known.users.values()
            if known.role is Role.ADMINISTRATOR and known.disabled_at is None and not known.sites and known.can_sign_in
        ] == [user]  # fmt: skip
        if last and (role is not Role.ADMINISTRATOR or disabled or sites):
            raise Conflict("people.last_administrator")
        at = self._clock.now() if disabled else None
        changed = await self._known.change(user, role=role, sites=sites, disabled_at=at)
        if disabled:
            await self._known.end_keys(user, tuple(KeyKind))
        return changed

    async def new_token(self, person: Person, label: str, days: int, reads_only: bool) -> tuple[KeyRow, str]:
        """A personal API token, shown once; it may do no more than the person. Raises Forbidden by token."""
        if person.by_token:
            raise Forbidden("people.no_token_by_token")
        return await self._known.new_key(person.user, KeyKind.TOKEN, timedelta(days=days), label.strip(), reads_only)

    def tokens(self, user: str) -> list[KeyRow]:
        """A user's API tokens, the oldest first."""
        return sorted(self._known.keys_of(user, KeyKind.TOKEN), key=lambda key: key.made_at)

    async def drop_token(self, person: Person, id: str) -> None:
        """End a token. Raises NotFound."""
        if not await self._database.write(lambda db: people.drop_key(db, id, person.user)):
            raise NotFound("people.no_token")
        await self._known.load()
