"""Topics, built and read. No other file holds one.

All that a room says lies under `up/`, all that it is told under `dn/`, so that a broker's access list is two patterns.
"""

import re
from enum import StrEnum
from functools import lru_cache

from wire.errors import UnknownTopic
from wire.ids import SLUG

BASE = "diemcau/v1"
_SITE = re.compile(SLUG)


class Said(StrEnum):
    """What a room says."""

    PRESENCE = "presence"
    ABOUT = "about"
    REPORT = "report"
    LOG = "log"
    RENEWAL = "renewal"


class Told(StrEnum):
    """What a room is told."""

    ACK = "ack"
    COMMAND = "command"
    CONFIG = "config"
    CERTIFICATE = "certificate"


class Announced(StrEnum):
    """What the centre says for whoever may listen: conference software, a door sign."""

    GATE = "gate"
    MINUTE = "minute"
    """On no topic: it stands at the end of a file."""
    ALERT = "alert"
    """On no topic: a program of others is told by HTTPS."""


RoomKind = Said | Told
Kind = RoomKind | Announced

FLEET = "_fleet"
"""Stands where a site's id would; none can be called so."""
ALL_ANNOUNCED = f"{BASE}/{FLEET}/#"
ALL_ROOMS = f"{BASE}/+/up/#"
"""What the server subscribes to."""


def one_room(site: str) -> str:
    """What a room subscribes to."""
    return f"{BASE}/{site}/dn/#"


def topic_of(site: str, kind: RoomKind) -> str:
    """The topic of one kind of message of one site."""
    way = "up" if isinstance(kind, Said) else "dn"
    return f"{BASE}/{site}/{way}/{kind}"


def gate_topic(session: str) -> str:
    """Where a session's gate is said, retained."""
    return f"{BASE}/{FLEET}/{Announced.GATE}/{session}"


@lru_cache(maxsize=16_384)
def parse(topic: str) -> tuple[str, RoomKind]:
    """Site and kind that a topic names. Raises UnknownTopic."""
    parts = topic.split("/")
    if len(parts) != 5 or f"{parts[0]}/{parts[1]}" != BASE or not _SITE.fullmatch(parts[2]):
        raise UnknownTopic(f"no topic of {BASE}: {topic[:120]!r}")
    kinds: type[Said] | type[Told] | None = {"up": Said, "dn": Told}.get(parts[3])  # type: ignore[assignment]
    if kinds is None or parts[4] not in tuple(kinds):
        raise UnknownTopic(f"no such message: {topic[:120]!r}")
    return parts[2], kinds(parts[4])
