"""Commands of diemcau-server about people and the audit; each is called with the settings and what was given."""

import argparse
import sys
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial

from msgspec.structs import replace
from sqlalchemy import Connection

from fleet_server.config import Settings
from fleet_server.domain.access import Role
from fleet_server.durable import write_whole
from fleet_server.errors import Conflict
from fleet_server.people.audit import lines_of
from fleet_server.people.proofs import password_hash
from fleet_server.people.users import link_of, new_invitation, new_user
from fleet_server.signing.one_time import hash_of, new_key
from fleet_server.store import audit as audit_store
from fleet_server.store import people
from fleet_server.store.database import Database
from fleet_server.store.people import KeyKind, KeyRow, UserRow
from fleet_server.texts import translate
from wire.ids import uuid7
from wire.times import SystemClock

_BY = "diemcau-server"
_TOKEN_LIVES = timedelta(days=365)


def users(settings: Settings, given: argparse.Namespace) -> int:
    """Add a person: by a one-time link, or with a password from a file. Or give a program its token."""
    now = SystemClock().now()
    sites = frozenset(filter(None, (given.sites or "").split(",")))
    user = new_user(given.login, given.name or "", Role(given.role), sites, now)
    with closing(Database(settings.database)) as database:
        if given.act == "token":
            token = new_key()
            database.write_now(partial(_put_token, user=user, token=token, now=now))
            write_whole(given.token_file, token.encode())
            return 0
        password = password_hash(given.password_file.read_text().strip(), user.login) if given.password_file else ""
        invitation, invited = new_invitation(user.id, now)
        database.write_now(partial(_add, user=replace(user, password=password), invited=invited, now=now))
    if not password:
        print(translate(given.lang, "people.link"))
        print(link_of(settings.public_url, invitation))
    return 0


def _add(db: Connection, user: UserRow, invited: KeyRow, now: datetime) -> None:
    if not people.add_user(db, user):
        raise Conflict("people.login_taken", login=user.login)
    if not user.password:
        people.add_key(db, invited)
    audit_store.add(db, now, _BY, "command_line", "done", details={"users": user.login, "role": str(user.role)})


def _put_token(db: Connection, user: UserRow, token: str, now: datetime) -> None:
    """The account is made where there is none; the token that it was given here before ends, others stay."""
    if not people.add_user(db, user):
        user = next(known for known in people.all_users(db) if known.login == user.login)
        people.drop_labelled(db, user.id, KeyKind.TOKEN, _BY)
    key = KeyRow(hash_of(token), uuid7(), user.id, KeyKind.TOKEN, _BY, now, now, now + _TOKEN_LIVES)
    people.add_key(db, key)
    audit_store.add(db, now, _BY, "command_line", "done", details={"token": user.login, "role": str(user.role)})


def audit(settings: Settings, given: argparse.Namespace) -> int:
    """Verify the chain, or write it out as JSON lines."""
    with closing(Database(settings.database)) as database:
        if given.act == "export":
            database.read_now(lambda db: sys.stdout.writelines(lines_of(list(audit_store.rows(db)))))
            return 0
        found = database.read_now(audit_store.verify)
        # Rows at the end may have been taken away: a hash that was noted earlier must still be there.
        is_there = not given.expect or database.read_now(lambda db: audit_store.has(db, given.expect))
    if found.broken is not None:
        print(translate(given.lang, "audit.broken", n=found.broken, good=found.rows))
        return 1
    if not is_there:
        print(translate(given.lang, "audit.cut", hash=given.expect))
        return 1
    print(translate(given.lang, "audit.whole", rows=found.rows, last=found.last))
    return 0
