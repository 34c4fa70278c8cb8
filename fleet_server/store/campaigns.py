"""Queries about campaigns, and about what rooms say of what they were offered."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, insert, select, update

from fleet_server.domain.waves import State, Step, WaveRoom
from fleet_server.store.campaign_tables import campaign_rooms, campaigns
from fleet_server.store.database import millis, moment
from fleet_server.store.tables import log_entries
from fleet_server.store.upsert import upsert

Kind = Literal["release", "firmware"]


class Campaign(Struct, frozen=True, kw_only=True):
    """One release, or one firmware image, on its way."""

    id: str
    kind: Kind
    subject: str
    """What goes: a release's version, an image's file."""
    version: str
    state: State
    rate_kbit_s: int
    hours: str = ""
    """In which part of the day, such as `20:00-05:00`; empty: always."""
    why: str = ""
    """The site that stopped it."""
    by: str
    made_at: datetime
    rooms: tuple[WaveRoom, ...] = ()


class Heard(Struct, frozen=True):
    """What a room's log says of an offer."""

    site: str
    event: str
    at: datetime
    """When we got it."""
    params: Mapping[str, object]

    def text(self, key: str) -> str:
        """One of its parameters, as a short text."""
        return str(self.params.get(key, ""))[:200]


def add(db: Connection, campaign: Campaign) -> None:
    """A new one."""
    values = {name: getattr(campaign, name) for name in campaign.__struct_fields__ if name != "rooms"}
    values |= {"state": str(campaign.state), "made_at": millis(campaign.made_at)}
    db.execute(insert(campaigns).values(values))
    save_rooms(db, campaign.id, campaign.rooms)


def set_state(db: Connection, campaign: str, state: State, why: str) -> None:
    """It is otherwise now."""
    db.execute(update(campaigns).where(campaigns.c.id == campaign).values(state=str(state), why=why[:200]))


def save_rooms(db: Connection, campaign: str, rooms: Iterable[WaveRoom]) -> None:
    """These rooms as they are now."""
    rows = [
        {"campaign": campaign, "site": room.site, "device": room.device, "wave": room.wave, "step": str(room.step),
         "before": room.before, "since": millis(room.since) if room.since is not None else None, "detail": room.detail}
        for room in rooms
    ]  # fmt: skip
    if rows:
        upsert(db, campaign_rooms, ["campaign", "site", "device"], rows)


def newest(db: Connection, kind: Kind, most: int = 20) -> list[Campaign]:
    """The last ones, the newest first, with their rooms."""
    order = (campaigns.c.made_at.desc(), campaigns.c.id.desc())
    found = db.execute(select(campaigns).where(campaigns.c.kind == kind).order_by(*order).limit(most)).all()
    rooms: dict[str, list[WaveRoom]] = {row.id: [] for row in found}
    wanted = select(campaign_rooms).where(campaign_rooms.c.campaign.in_(list(rooms)))
    for row in db.execute(wanted.order_by(campaign_rooms.c.wave, campaign_rooms.c.site, campaign_rooms.c.device)):
        since = moment(row.since) if row.since is not None else None
        room = WaveRoom(row.site, row.wave, Step(row.step), row.before, since, row.detail, row.device)
        rooms[row.campaign].append(room)
    return [
        Campaign(**dict(row._mapping) | {
            "state": State(row.state), "made_at": moment(row.made_at), "rooms": tuple(rooms[row.id])
        })
        for row in found
    ]  # fmt: skip


def heard_since(db: Connection, sites: Collection[str], events: Collection[str], since: datetime) -> list[Heard]:
    """Which of these events these rooms have had, in the order in which we got them."""
    table = log_entries.c
    wanted = table.site.in_(list(sites)) & table.event.in_(list(events)) & (table.received_at >= millis(since))
    rows = db.execute(select(log_entries).where(wanted).order_by(table.received_at, table.n))
    return [
        Heard(row.site, row.event, moment(row.received_at), msgspec.json.decode(row.params, type=dict[str, object]))
        for row in rows
    ]
