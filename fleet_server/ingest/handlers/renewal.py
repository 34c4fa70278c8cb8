"""Renewal: the room asks for its next certificate."""

import asyncio
import logging

from fleet_server.ingest.intake import Handler, Intake
from wire.messages import Message, Renewal
from wire.mqtt import Received
from wire.topics import Said

log = logging.getLogger("diemcau.ingest")


def take(intake: Intake, site: str, message: Message, received: Received) -> None:
    """Handed to whoever issues; when too many wait it is left, and the room asks again."""
    assert isinstance(message, Renewal)
    try:
        intake.fleet.renewals.put_nowait((site, message))
    except asyncio.QueueFull:
        log.warning("renewal_left site=%s", site)


HANDLER = Handler(Said.RENEWAL, take)
