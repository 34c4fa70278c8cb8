"""Commands of diemcau-server about people and the audit; each is called with the settings and what was given."""

import argparse
import sys
from contextlib import closing
from datetime import timedelta

from msgspec.structs import replace
from sqlalchemy import Connection

from fleet_server.config import Settings
from fleet_server.domain.access import Role
from fleet_server.errors import Conflict
from fleet_server.people.audit import lines_of
from fleet_server.people.proofs import password_hash
from fleet_server.people.users import link_of, new_invitation, new_user
from fleet_server.signing.keys import write_secret
from fleet_server.signing.one_time import hash_of, new_key
from fleet_server.store import audit as audit_store
from fleet_server.store import people
from fleet_server.store.database import Database
from fleet_server.store.people import KeyKind, KeyRow
from fleet_server.texts import translate
from wire.ids import uuid7
from wire.times import SystemClock

_BY = "diemcau-server"
_TOKEN_LIVES = timedelta(days=365)


def users(settings: Settings, given: argparse.Namespace) -> int:
    """Add a user: a one-time link for a person, a password from a file or a token into a file for a program."""
    sites = frozenset(filter(None, (given.sites or "").split(",")))
    now = SystemClock().now()
    user = new_user(given.login, given.name or "", Role(given.role), sites, now)
    password = password_hash(given.password_file.read_text().strip(), user.login) if given.password_file else ""
    invitation, invited = new_invitation(user.id, now)
    token = new_key()

    def add(db: Connection) -> None:
        if not people.add_user(db, replace(user, password=password)):
            raise Conflict("people.login_taken", login=user.login)
        if given.token_file:
            people.add_key(
                db, KeyRow(hash_of(token), uuid7(), user.id, KeyKind.TOKEN, _BY, now, now, now + _TOKEN_LIVES)
            )
        if not password:
            people.add_key(db, invited)
        audit_store.add(db, now, _BY, "command_line", "done", details={"users": user.login, "role": given.role})

    with closing(Database(settings.database)) as database:
        database.write_now(add)
    if given.token_file:
        write_secret(given.token_file, token.encode())
    if not password:
        print(translate(given.lang, "people.link"))
        print(link_of(settings.public_url, invitation))
    return 0


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
