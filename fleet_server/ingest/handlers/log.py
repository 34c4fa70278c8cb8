"""Log: what happened in the room. It is acknowledged only once it is committed."""

from fleet_server.ingest.intake import Handler, Intake
from wire.messages import LogBatch, Message
from wire.mqtt import Received
from wire.topics import Said


def take(intake: Intake, site: str, message: Message, received: Received) -> None:
    """Kept for the commit of this round, in the order of arrival."""
    assert isinstance(message, LogBatch)
    intake.logs.append((site, message))


HANDLER = Handler(Said.LOG, take, newest_only=False)
