"""Messages to committed state: decode, judge, commit in one transaction, only then acknowledge and tell."""

import asyncio
import logging
import re
from collections import Counter, defaultdict

from sqlalchemy import Connection

from fleet_server.discovery import modules_in
from fleet_server.domain.commands import State
from fleet_server.failing import Failing
from fleet_server.ingest.intake import Handler, Intake
from fleet_server.link import FleetLink
from fleet_server.live.stream import Stream
from fleet_server.state.fleet import Fleet, state_row
from fleet_server.store import agents, commands, logs
from fleet_server.store.database import Database, millis
from fleet_server.store.sites import save_states
from wire.codec import decode
from wire.errors import WireError
from wire.messages import Ack, EventEntry, LogEntry, StepEntry
from wire.mqtt import Received
from wire.times import Clock
from wire.topics import Said, parse

log = logging.getLogger("diemcau.ingest")

_RETRY_S = 1.0
_VERSION = re.compile(r"[0-9A-Za-z.+-]{1,60}")


class Ingest:
    """Takes in everything that rooms say. `counted` shows what could not be taken."""

    def __init__(self, link: FleetLink, fleet: Fleet, database: Database, stream: Stream, clock: Clock) -> None:
        self._link, self._fleet, self._database, self._stream, self._clock = link, fleet, database, stream, clock
        found = (module.HANDLER for module in modules_in("fleet_server.ingest.handlers"))
        self._handlers: dict[Said, Handler] = {handler.kind: handler for handler in found}
        self.counted: Counter[str] = Counter()
        self.failing = Failing(log, "ingest_failing")

    async def run(self) -> None:
        """Take in batches, for ever."""
        breaks = self._link.breaks
        while True:
            batch = await self._link.batch()
            if self._link.breaks != breaks:
                breaks = self._link.breaks
                self._fleet.learn()
            if batch:
                await self._take_until_committed(batch)

    async def _take_until_committed(self, batch: list[Received]) -> None:
        while True:
            with self.failing:
                await self.take(batch)
            if not self.failing:
                return
            await asyncio.sleep(_RETRY_S)

    async def take(self, batch: list[Received]) -> None:
        """One round. Raises SQLAlchemyError when it could not be committed; then nothing of it happened."""
        async with self._fleet.lock:
            intake = Intake(self._fleet)
            for kind, site, messages in self._by_site(batch):
                self._hand(intake, kind, site, messages)
            rows = [state_row(entry) for entry in intake.entries.values()]
            now_ms = millis(self._clock.now())
            acks: dict[str, Ack] = {}
            told: list[tuple[str, str, str]] = []
            changed: set[str] = set()

            def commit(db: Connection) -> None:
                acks.clear()
                told.clear()
                changed.clear()
                save_states(db, rows)
                for site, logged in intake.logs:
                    for entry in logs.commit(db, site, logged, now_ms):
                        if isinstance(entry, StepEntry):
                            step = commands.StepRow(entry.at, State(entry.state), entry.detail, entry.params)
                            advanced = commands.advance(db, entry.command, step, site)
                            if advanced:
                                told.append((site, entry.command, str(advanced[1])))
                        release = release_in(entry)
                        if release and agents.started(db, site, release, now_ms):
                            changed.add(site)
                    through = logs.through(db, site, logged.log_id)
                    acks[site] = Ack(site, logged.log_id, through, self._clock.now())

            if rows or intake.logs:
                await self._database.write(commit)
            self._fleet.replace(intake.entries.values())
        self._link.acknowledge(batch)
        for ack in acks.values():
            self._link.say(ack)
        for site, command, state in told:
            self._stream.publish("command", site, id=command, state=state)
        for site in {site for site, _ in intake.logs}:
            self._stream.publish("log", site)
        if changed:
            self._stream.publish("campaigns")

    def _by_site(self, batch: list[Received]) -> list[tuple[Said, str, list[Received]]]:
        """Messages of each site and kind together, in the order of first arrival."""
        together: dict[tuple[Said, str], list[Received]] = defaultdict(list)
        for received in batch:
            try:
                site, kind = parse(received.topic)
            except WireError as error:
                self._count(error.key, received.topic, error)
                continue
            if site not in self._fleet.entries or not isinstance(kind, Said):
                self._count("ingest.unknown_site", received.topic, None)
                continue
            if site in self._fleet.barred:
                self._count("ingest.revoked", received.topic, None)
                continue
            together[kind, site].append(received)
        return [(kind, site, messages) for (kind, site), messages in together.items()]

    def _hand(self, intake: Intake, kind: Said, site: str, messages: list[Received]) -> None:
        handler = self._handlers[kind]
        for received in reversed(messages) if handler.newest_only else messages:
            try:
                message = decode(kind, received.payload)
            except WireError as error:
                self._count(error.key, received.topic, error)
                continue
            try:
                handler.take(intake, site, message, received)
            except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
                # A message that stays unacknowledged comes again at every start: one room would hold up all.
                self._count("ingest.odd", received.topic, error)
                continue
            if handler.newest_only:
                return

    def _count(self, key: str, topic: str, error: Exception | None) -> None:
        self.counted[key] += 1
        if self.counted[key] == 1:
            log.warning("message_not_taken reason=%s topic=%s error=%s", key, topic[:120], error)


def release_in(entry: LogEntry) -> str:
    """The release that an agent says that it is of, as it starts; empty for anything else."""
    if not isinstance(entry, EventEntry) or entry.event != "agent_started":
        return ""
    said = entry.params.get("version")
    return said if isinstance(said, str) and _VERSION.fullmatch(said) else ""
