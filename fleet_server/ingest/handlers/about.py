"""About: what the room consists of."""

import msgspec

from fleet_server.ingest.intake import Handler, Intake
from wire.messages import About, Message
from wire.mqtt import Received
from wire.topics import Said


def take(intake: Intake, site: str, message: Message, received: Received) -> None:
    """It replaces the one before."""
    assert isinstance(message, About)
    entry = intake.entry(site)
    if entry.room.about is None or entry.room.about.revision != message.revision:
        room = msgspec.structs.replace(entry.room, about=message)
        intake.entries[site] = intake.fleet.judged(entry, room, about_raw=received.payload)


HANDLER = Handler(Said.ABOUT, take)
