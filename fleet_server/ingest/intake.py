"""What one batch of messages comes to, before it is committed."""

from collections.abc import Callable

from msgspec import Struct

from fleet_server.state.fleet import Fleet, SiteEntry
from wire.messages import LogBatch, Message
from wire.mqtt import Received
from wire.topics import Said


class Intake:
    """Collects the new entries and log batches of one round."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.entries: dict[str, SiteEntry] = {}
        self.logs: list[tuple[str, LogBatch]] = []

    def entry(self, site: str) -> SiteEntry:
        """The site's entry as this round has it so far."""
        return self.entries.get(site) or self.fleet.entries[site]


class Handler(Struct, frozen=True):
    """How one kind of message is taken in."""

    kind: Said
    take: Callable[[Intake, str, Message, Received], None]
    newest_only: bool = True
    """Each message replaces the one before, so that of a burst only the newest counts."""
