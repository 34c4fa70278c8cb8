"""The pair of tokens in the database: one row, one refresher at a time, a new pair on disk before it is used."""

from datetime import datetime, timedelta

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, insert, select, update

from fleet_server.store.alert_tables import zalo_tokens
from fleet_server.store.database import millis, moment
from fleet_server.zalo.oauth import Pair

LEASE = timedelta(seconds=30)
"""Who refreshes has so long; whoever comes later may try again."""


class Tokens(Struct, frozen=True):
    """What the row holds. The pair is sealed."""

    app: str
    sealed: str
    generation: int
    at: datetime
    """When this pair came."""
    began_at: datetime | None = None
    """A refresh has begun that has not ended."""
    stopped: str = ""
    """Why nothing is sent until somebody has seen to it; empty: all is well."""
    mark: str = ""
    """Of the configuration that it was stopped under."""


def read(db: Connection, app: str) -> Tokens | None:
    """As it is now."""
    row = db.execute(select(zalo_tokens).where(zalo_tokens.c.app == app)).first()
    if row is None:
        return None
    began = moment(row.began_at) if row.began_at is not None else None
    return Tokens(row.app, row.sealed, row.generation, moment(row.at), began, row.stopped, row.mark)


def put(db: Connection, tokens: Tokens) -> None:
    """A pair that an administrator has brought."""
    values = _values(tokens)
    known = read(db, tokens.app)
    if known is None:
        db.execute(insert(zalo_tokens).values(values))
    else:
        db.execute(
            update(zalo_tokens).where(zalo_tokens.c.app == tokens.app).values(
                values | {"generation": known.generation + 1}
            )
        )  # fmt: skip


def lease(db: Connection, app: str, generation: int, now: datetime) -> bool:
    """Whether the refresh of this very pair is ours to make: nobody else has begun it within the lease."""
    free = zalo_tokens.c.began_at.is_(None) | (zalo_tokens.c.began_at < millis(now - LEASE))
    mine = (zalo_tokens.c.app == app) & (zalo_tokens.c.generation == generation) & free & (zalo_tokens.c.stopped == "")
    return db.execute(update(zalo_tokens).where(mine).values(began_at=millis(now))).rowcount == 1


def renewed(db: Connection, app: str, generation: int, sealed: str, now: datetime) -> bool:
    """The new pair; whether it took the place of the one that it was asked with."""
    meant = (zalo_tokens.c.app == app) & (zalo_tokens.c.generation == generation)
    values = {"sealed": sealed, "generation": generation + 1, "at": millis(now), "began_at": None, "stopped": ""}
    return db.execute(update(zalo_tokens).where(meant).values(values)).rowcount == 1


def stop(db: Connection, app: str, why: str, mark: str) -> None:
    """Nothing is sent until somebody has seen to it; the pair stays as it is."""
    db.execute(update(zalo_tokens).where(zalo_tokens.c.app == app).values(stopped=why[:200], mark=mark, began_at=None))


def go_on(db: Connection, app: str) -> None:
    """The configuration is another one: what was given up under the old is tried again."""
    db.execute(update(zalo_tokens).where(zalo_tokens.c.app == app).values(stopped="", mark=""))


def packed(pair: Pair) -> str:
    """As it is sealed."""
    return msgspec.json.encode(pair).decode()


def unpacked(text: str) -> Pair:
    """As it was packed."""
    return msgspec.json.decode(text, type=Pair)


def _values(tokens: Tokens) -> dict[str, object]:
    began = millis(tokens.began_at) if tokens.began_at is not None else None
    return {
        "app": tokens.app, "sealed": tokens.sealed, "generation": tokens.generation, "at": millis(tokens.at),
        "began_at": began, "stopped": tokens.stopped, "mark": tokens.mark,
    }  # fmt: skip
