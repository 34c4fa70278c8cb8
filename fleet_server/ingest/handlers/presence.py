"""Presence: whether the room's agent is there."""

import msgspec

from fleet_server.ingest.intake import Handler, Intake
from wire.messages import Message, Presence
from wire.mqtt import Received
from wire.topics import Said


def take(intake: Intake, site: str, message: Message, received: Received) -> None:
    """Only `online` is presence; a clean stop and a loss are the same to a session."""
    assert isinstance(message, Presence)
    entry = intake.entry(site)
    room = msgspec.structs.replace(entry.room, present=message.status == "online")
    if room.present:
        entry = intake.fleet.with_boot(entry, message.boot_id, retained=received.retained)
    intake.entries[site] = intake.fleet.judged(entry, room)


HANDLER = Handler(Said.PRESENCE, take)
