"""A new user and the one-time link to set a password with: for pages, command line and the first start alike."""

import re
from datetime import datetime, timedelta

from sqlalchemy import Connection

from fleet_server.domain.access import Role
from fleet_server.errors import Invalid
from fleet_server.signing.one_time import hash_of, new_key
from fleet_server.store import people
from fleet_server.store.people import KeyKind, KeyRow, UserRow
from wire.ids import uuid7

_LOGIN = re.compile(r"^[a-z0-9][a-z0-9._@-]{1,63}$")
_INVITATION_LIVES = timedelta(hours=24)


def new_user(login: str, name: str, role: Role, sites: frozenset[str], now: datetime) -> UserRow:
    """A user without a password. Raises Invalid."""
    login = login.strip().casefold()
    if not _LOGIN.fullmatch(login):
        raise Invalid("people.bad_login")
    check_scope(role, sites)
    return UserRow(uuid7(), login, (name.strip() or login)[:120], role, sites, "", "", 0, None, now)


def check_scope(role: Role, sites: frozenset[str]) -> None:
    """A technician is one of named sites. Raises Invalid."""
    if role is Role.TECHNICIAN and not sites:
        raise Invalid("people.technician_needs_sites")


def new_invitation(user: str, now: datetime) -> tuple[str, KeyRow]:
    """The key of a link that works once within a day, and how it is kept."""
    key = new_key()
    return key, KeyRow(hash_of(key), uuid7(), user, KeyKind.INVITATION, "", now, now, now + _INVITATION_LIVES)


def link_of(public_url: str | None, key: str) -> str:
    """The link. The key stands behind the `#`, which no browser sends and no log sees; the page takes it from there."""
    return f"{public_url or ''}/set-up#{key}"


def first_link(db: Connection, public_url: str | None, now: datetime) -> str | None:
    """A link to make the first administrator with, while nobody can sign in; None once somebody can.

    An account that has a token and no password is a program's: no person is to share it.
    """
    known = people.all_users(db)
    if any(user.password or user.subject for user in known):
        return None
    programs = {key.user for key in people.live_keys(db, now) if key.kind is KeyKind.TOKEN}
    user = next((user for user in known if user.role is Role.ADMINISTRATOR and user.id not in programs), None)
    if user is None:
        user = new_user("admin", "", Role.ADMINISTRATOR, frozenset(), now)
        people.add_user(db, user)
    key, invited = new_invitation(user.id, now)
    people.drop_keys(db, user.id, (KeyKind.INVITATION,))
    people.add_key(db, invited)
    return link_of(public_url, key)
