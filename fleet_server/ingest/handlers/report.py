"""Report: the whole room at one moment.

Evidence counts from its receipt, less the time that it waited at the broker, which the expiry that is left tells. A
retained copy that we have not seen live, and whose waiting nobody can tell, shows what was and is no evidence.
"""

import msgspec

from fleet_server.ingest.intake import Handler, Intake
from wire.messages import REPORT_EXPIRY_S, Message, Report
from wire.mqtt import Received
from wire.topics import Said


def take(intake: Intake, site: str, message: Message, received: Received) -> None:
    """It replaces the one before; one that is older, or the same again, changes nothing."""
    assert isinstance(message, Report)
    entry = intake.entry(site)
    before = entry.room.report
    if before is not None and before.boot_id == message.boot_id and message.seq <= before.seq:
        return
    waited_s = REPORT_EXPIRY_S - received.expiry_left_s if received.expiry_left_s is not None else 0
    received_at: float | None = intake.fleet.now() - max(0, waited_s)
    if received.retained and waited_s <= 0:
        if entry.room.received_at is not None:
            return  # what we saw live before is older, but how old it is we know; the next live one is due
        received_at = None
    present = entry.room.present or not received.retained
    room = msgspec.structs.replace(entry.room, report=message, received_at=received_at, present=present)
    entry = intake.fleet.with_boot(entry, message.boot_id, retained=received.retained)
    intake.entries[site] = intake.fleet.judged(entry, room, report_raw=received.payload)


HANDLER = Handler(Said.REPORT, take)
