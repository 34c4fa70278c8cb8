"""Queries about campaigns, and about what rooms say of the releases that they run."""

from collections.abc import Collection, Iterable
from datetime import datetime

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, insert, select, update

from fleet_server.domain.waves import State, Step, WaveRoom
from fleet_server.store.campaign_tables import campaign_rooms, campaigns
from fleet_server.store.database import millis, moment
from fleet_server.store.tables import log_entries
from fleet_server.store.upsert import upsert

TAKEN, WENT_BACK = "release_taken", "release_back"
"""Entries of a room's log."""


class Campaign(Struct, frozen=True):
    """One release on its way."""

    id: str
    version: str
    state: State
    rate_kbit_s: int
    why: str
    by: str
    made_at: datetime
    rooms: tuple[WaveRoom, ...] = ()


class Heard(Struct, frozen=True):
    """What a room's log says of releases."""

    site: str
    event: str
    at: datetime
    """When we got it."""
    version: str
    why: str


def add(db: Connection, campaign: Campaign) -> None:
    """A new one."""
    values = {name: getattr(campaign, name) for name in campaign.__struct_fields__ if name != "rooms"}
    db.execute(insert(campaigns).values(values | {"state": str(campaign.state), "made_at": millis(campaign.made_at)}))
    save_rooms(db, campaign.id, campaign.rooms)


def set_state(db: Connection, campaign: str, state: State, why: str) -> None:
    """It is otherwise now."""
    db.execute(update(campaigns).where(campaigns.c.id == campaign).values(state=str(state), why=why[:200]))


def save_rooms(db: Connection, campaign: str, rooms: Iterable[WaveRoom]) -> None:
    """These rooms as they are now."""
    rows = [
        {"campaign": campaign, "site": room.site, "wave": room.wave, "step": str(room.step), "before": room.before,
         "since": millis(room.since) if room.since is not None else None, "detail": room.detail}
        for room in rooms
    ]  # fmt: skip
    if rows:
        upsert(db, campaign_rooms, ["campaign", "site"], rows)


def newest(db: Connection, most: int = 20) -> list[Campaign]:
    """The last ones, the newest first, with their rooms."""
    found = db.execute(select(campaigns).order_by(campaigns.c.made_at.desc(), campaigns.c.id.desc()).limit(most)).all()
    rooms: dict[str, list[WaveRoom]] = {row.id: [] for row in found}
    wanted = select(campaign_rooms).where(campaign_rooms.c.campaign.in_(list(rooms)))
    for row in db.execute(wanted.order_by(campaign_rooms.c.wave, campaign_rooms.c.site)):
        since = moment(row.since) if row.since is not None else None
        rooms[row.campaign].append(WaveRoom(row.site, row.wave, Step(row.step), row.before, since, row.detail))
    return [
        Campaign(
            row.id, row.version, State(row.state), row.rate_kbit_s, row.why, row.by, moment(row.made_at),
            tuple(rooms[row.id]),
        )
        for row in found
    ]  # fmt: skip


def heard_since(db: Connection, sites: Collection[str], since: datetime) -> list[Heard]:
    """What these rooms have said of releases, in the order in which we got it."""
    table = log_entries.c
    wanted = table.site.in_(list(sites)) & table.event.in_([TAKEN, WENT_BACK]) & (table.received_at >= millis(since))
    rows = db.execute(select(log_entries).where(wanted).order_by(table.received_at, table.n))
    found = []
    for row in rows:
        params = msgspec.json.decode(row.params, type=dict[str, object])
        version, why = str(params.get("version", ""))[:40], str(params.get("why", ""))[:200]
        found.append(Heard(row.site, row.event, moment(row.received_at), version, why))
    return found
