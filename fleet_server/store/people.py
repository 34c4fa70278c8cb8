"""Queries about users and what they sign in with. Keys are kept as SHA-256 alone."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from fleet_server.domain.access import Role
from fleet_server.store.database import millis, moment
from fleet_server.store.tables import keys, users


class UserRow(Struct, frozen=True):
    """One user."""

    id: str
    login: str
    name: str
    role: Role
    sites: frozenset[str]
    password: str
    """An argon2id hash; empty for somebody who signs in elsewhere, or not yet."""
    totp: str
    """The sealed secret of the second factor; empty without one."""
    totp_used: int
    """Number of the last time step that was used: no code counts twice."""
    subject: str | None
    """Issuer and subject at the province's identity provider."""
    made_at: datetime
    disabled_at: datetime | None = None

    @property
    def can_sign_in(self) -> bool:
        """Whether they have taken their invitation, or sign in elsewhere."""
        return bool(self.password or self.subject)


class KeyKind(StrEnum):
    """What a key opens."""

    INVITATION = "invitation"
    """Once: set a password."""
    SIGN_IN = "sign_in"
    """A browser that has given password and second factor."""
    HALF = "half"
    """A browser that has yet to give the second factor."""
    TOKEN = "token"
    """The API."""
    BROWSER = "browser"
    """A browser that has signed in before."""


class KeyRow(Struct, frozen=True):
    """A secret that stands for a user for some time."""

    hash: str
    id: str
    user: str
    kind: KeyKind
    label: str
    made_at: datetime
    used_at: datetime
    expires_at: datetime
    reads_only: bool = False


def all_users(db: Connection) -> list[UserRow]:
    """By login."""
    return [_user(row) for row in db.execute(select(users).order_by(users.c.login))]


def count_users(db: Connection) -> int:
    """How many there are."""
    return int(db.execute(select(func.count()).select_from(users)).scalar_one())


def add_user(db: Connection, row: UserRow) -> bool:
    """False when somebody has this login already."""
    if db.execute(select(users.c.id).where(users.c.login == row.login)).first():
        return False
    db.execute(insert(users).values(_values(row)))
    return True


def change_user(db: Connection, user: str, **changes: Any) -> None:
    """Change some of a user."""
    if "sites" in changes:
        changes["sites"] = msgspec.json.encode(sorted(changes["sites"])).decode()
    if isinstance(changes.get("disabled_at"), datetime):
        changes["disabled_at"] = millis(changes["disabled_at"])
    if "role" in changes:
        changes["role"] = str(changes["role"])
    db.execute(update(users).where(users.c.id == user).values(changes))


def use_totp(db: Connection, user: str, step: int) -> bool:
    """Whether this time step was not used before; from now on it is."""
    unused = (users.c.id == user) & (users.c.totp_used < step)
    return db.execute(update(users).where(unused).values(totp_used=step)).rowcount == 1


def live_keys(db: Connection, now: datetime) -> list[KeyRow]:
    """All that have not run out, but for the browsers': of these there is one more with every sign-in."""
    wanted = (keys.c.expires_at > millis(now)) & (keys.c.kind != str(KeyKind.BROWSER))
    return [_key(row) for row in db.execute(select(keys).where(wanted))]


def browser_key(db: Connection, hash: str, now: datetime) -> KeyRow | None:
    """A browser's, while it has not run out."""
    wanted = (keys.c.hash == hash) & (keys.c.kind == str(KeyKind.BROWSER)) & (keys.c.expires_at > millis(now))
    found = db.execute(select(keys).where(wanted)).first()
    return _key(found) if found is not None else None


def add_key(db: Connection, row: KeyRow) -> None:
    """A new one; those that have run out go."""
    db.execute(delete(keys).where(keys.c.expires_at <= millis(row.made_at)))
    db.execute(insert(keys).values(_values(row)))


def take_key(db: Connection, hash: str, kind: KeyKind, now: datetime) -> KeyRow | None:
    """Use up a key: it is there for whoever comes first."""
    mine = (keys.c.hash == hash) & (keys.c.kind == str(kind)) & (keys.c.expires_at > millis(now))
    row = db.execute(select(keys).where(mine)).first()
    if row is None or db.execute(delete(keys).where(mine)).rowcount != 1:
        return None
    return _key(row)


def touch_key(db: Connection, hash: str, now: datetime, expires_at: datetime) -> None:
    """It was used now, and is good for longer."""
    db.execute(update(keys).where(keys.c.hash == hash).values(used_at=millis(now), expires_at=millis(expires_at)))


def drop_keys(db: Connection, user: str, kinds: tuple[KeyKind, ...], but: str = "") -> None:
    """End all of a user's keys of these kinds, but one."""
    gone = (keys.c.user == user) & keys.c.kind.in_([str(kind) for kind in kinds]) & (keys.c.hash != but)
    db.execute(delete(keys).where(gone))


def drop_labelled(db: Connection, user: str, kind: KeyKind, label: str) -> None:
    """End a user's keys of this kind and label."""
    db.execute(delete(keys).where((keys.c.user == user) & (keys.c.kind == str(kind)) & (keys.c.label == label)))


def drop_key(db: Connection, id: str, user: str) -> bool:
    """End one key of a user; whether there was one."""
    return db.execute(delete(keys).where((keys.c.id == id) & (keys.c.user == user))).rowcount == 1


_TIMES = {"made_at", "used_at", "expires_at", "disabled_at"}


def _values(row: Struct) -> dict[str, Any]:
    values = msgspec.structs.asdict(row)
    for name in _TIMES & values.keys():
        values[name] = millis(values[name]) if values[name] is not None else None
    for name in ("role", "kind"):
        if name in values:
            values[name] = str(values[name])
    if "sites" in values:
        values["sites"] = msgspec.json.encode(sorted(values["sites"])).decode()
    return values


def _read(row: Row[Any]) -> dict[str, Any]:
    values = dict(row._mapping)
    for name in _TIMES & values.keys():
        values[name] = moment(values[name]) if values[name] is not None else None
    return values


def _user(row: Row[Any]) -> UserRow:
    values = _read(row)
    sites = frozenset(msgspec.json.decode(values["sites"], type=list[str]))
    return UserRow(**values | {"role": Role(values["role"]), "sites": sites})


def _key(row: Row[Any]) -> KeyRow:
    values = _read(row)
    return KeyRow(**values | {"kind": KeyKind(values["kind"])})
