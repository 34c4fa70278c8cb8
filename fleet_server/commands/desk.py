"""What people may ask of devices: a wish becomes a command, is sent, and is followed to its end."""

import logging
from collections.abc import Callable, Iterable

from msgspec import Struct

from fleet_server.domain.commands import (
    APPROVE_WITHIN,
    START_WITHIN,
    State,
    answer_by,
    is_dangerous,
    refusal_of,
    spec_of,
)
from fleet_server.errors import Conflict, FleetError, Invalid, NotFound
from fleet_server.link import FleetLink
from fleet_server.live.stream import Stream
from fleet_server.state.fleet import Fleet
from fleet_server.store import commands
from fleet_server.store.commands import CommandRow, StepRow
from fleet_server.store.database import Database
from wire.fields import Params
from wire.ids import uuid7
from wire.messages import Command
from wire.times import Clock

log = logging.getLogger("diemcau.commands")

_SEEN_WITHIN_S = 20.0
"""A room's word that a device is back may come before the report in which the device answers."""

_BY_STATUS: dict[int, type[FleetError]] = {404: NotFound, 409: Conflict, 422: Invalid}


class Wish(Struct, frozen=True):
    """What somebody asks of a device."""

    action: str
    params: Params
    reason: str = ""
    override: bool = False
    by_centre: bool = False
    """The server itself asks, for something that people have asked for elsewhere."""


class CommandDesk:
    """Ask, send, follow."""

    def __init__(
        self, database: Database, fleet: Fleet, link: FleetLink, stream: Stream, clock: Clock,
        is_live: Callable[[str], bool], second_person: bool = False,
    ) -> None:  # fmt: skip
        self._second_person = second_person
        self._database, self._fleet, self._link, self._stream, self._clock = database, fleet, link, stream, clock
        self._is_live = is_live
        self.blinded: frozenset[tuple[str, str]] = frozenset()
        """Site and device of whoever is away, or will be, because it was told to be."""
        self._blind_until_s: dict[tuple[str, str], float] = {}

    async def request(
        self, site: str, device: str, wish: Wish, *, by: str, origin: str, key: str | None, user: str | None = None
    ) -> CommandRow:
        """A new command, committed and on its way; with a key that was used before, the command of then.

        Raises NotFound, Invalid or Conflict.
        """
        entry = self._fleet.entries.get(site)
        if entry is None:
            raise NotFound("sites.not_found", site=site)
        if key is not None and (known := await self._database.read(lambda db: commands.find_by_key(db, key))):
            return _same(known, site, device, wish)
        refusal = refusal_of(
            entry.fits if entry.room.about is not None else None, device, wish.action, dict(wish.params),
            live=self._is_live(site), override=wish.override, reason=wish.reason,
            by_centre=wish.by_centre, of_hub=entry.site.kind == "hub",
        )  # fmt: skip
        if refusal is not None:
            raise _BY_STATUS[refusal.status](refusal.key, **refusal.params)
        now = self._clock.now()
        spec = spec_of(entry.fits, device, wish.action)
        waits = (
            self._second_person and not wish.by_centre
            and is_dangerous(spec, of_hub=entry.site.kind == "hub", live=self._is_live(site))
        )  # fmt: skip
        expires_at = now + (APPROVE_WITHIN if waits else START_WITHIN)
        row = CommandRow(
            uuid7(), site, device, wish.action, wish.params, wish.reason.strip(), by, origin, now, expires_at,
            answer_by(spec, expires_at), State.REQUESTED, key, "" if waits else None, user, wish.override,
        )  # fmt: skip
        added = await self._database.write(lambda db: commands.add(db, row))
        if added is not row:  # somebody with the same key was faster
            return _same(added, site, device, wish)
        log.info("command_requested id=%s site=%s device=%s action=%s", row.id, site, device, wish.action)
        self._stream.publish("command", site, id=row.id, state=str(row.state))
        await self.send(row)
        return await self.find(row.id)

    async def approve(self, command: str, by: str, user: str) -> CommandRow:
        """A second person agrees: now it is sent. Raises NotFound, and Conflict for the one who asked, for one that is
        too late, and where it could not be asked for any more."""
        row = await self.find(command)
        if row.asked_by_user == user or row.requested_by == by:
            raise Conflict("commands.same_person")
        entry, now = self._fleet.entries.get(row.site), self._clock.now()
        if entry is None or now >= row.expires_at:
            raise Conflict("commands.not_waiting")
        refusal = refusal_of(
            entry.fits if entry.room.about is not None else None, row.device, row.action, dict(row.params),
            live=self._is_live(row.site), override=row.override, reason=row.reason, of_hub=entry.site.kind == "hub",
        )  # fmt: skip
        if refusal is not None:
            raise Conflict(refusal.key, **refusal.params)
        expires_at = now + START_WITHIN
        until = answer_by(spec_of(entry.fits, row.device, row.action), expires_at)
        if not await self._database.write(lambda db: commands.approve(db, command, by, expires_at, until)):
            raise Conflict("commands.not_waiting")
        log.info("command_approved id=%s", command)
        await self.send(await self.find(command))
        return await self.find(command)

    async def send(self, row: CommandRow) -> None:
        """Send a command, for the first time or again. A room that is away gets it once back, if in time."""
        left_s = (row.expires_at - self._clock.now()).total_seconds()
        entry = self._fleet.entries.get(row.site)
        if left_s <= 0 or entry is None or not entry.boots.now or row.approval == "":
            return  # before we know the agent's epoch nothing is signed for it; nor before a second yes
        command = Command(
            row.id, row.site, entry.boots.now, row.device, row.action, row.params, row.expires_at - START_WITHIN,
            row.expires_at, row.requested_by,
        )  # fmt: skip
        if not self._link.say_command(command, int(left_s)):
            return
        if row.state is State.REQUESTED:
            await self.step(row.id, State.SENT, "sent")

    async def step(self, command: str, state: State, detail: str) -> None:
        """Record a step that the server itself takes."""
        step = StepRow(self._clock.now(), state, detail, {})
        advanced = await self._database.write(lambda db: commands.advance(db, command, step))
        if advanced:
            self._stream.publish("command", advanced[0].site, id=command, state=str(advanced[1]))

    def note_under_way(self, rows: Iterable[CommandRow]) -> None:
        """These commands have no end yet."""
        begun = [row for row in rows if row.state in (State.ACCEPTED, State.RUNNING)]
        now_s = self._clock.monotonic()
        self._blind_until_s |= {(row.site, row.device): now_s + _SEEN_WITHIN_S for row in begun if self._blinds(row)}
        self._blind_until_s = {key: until_s for key, until_s in self._blind_until_s.items() if until_s > now_s}
        self.blinded = frozenset(self._blind_until_s)

    def _blinds(self, row: CommandRow) -> bool:
        entry = self._fleet.entries.get(row.site)
        return any(
            spec.action == row.action and spec.blind_s > 0
            for fit in (entry.fits if entry is not None else ()) if fit.about.id == row.device for spec in fit.actions
        )  # fmt: skip

    async def find(self, command: str) -> CommandRow:
        """A command by its id. Raises NotFound."""
        row = await self._database.read(lambda db: commands.find(db, command))
        if row is None:
            raise NotFound("commands.not_found", command=command)
        return row

    async def steps(self, command: str) -> list[StepRow]:
        """The steps of a command."""
        return await self._database.read(lambda db: commands.steps(db, command))

    async def of_site(self, site: str, most: int = 10) -> list[CommandRow]:
        """The last commands of a site."""
        return await self._database.read(lambda db: commands.newest_of_site(db, site, most))


def _same(known: CommandRow, site: str, device: str, wish: Wish) -> CommandRow:
    """The command that a key was used for, if it asked for the same. Raises Conflict."""
    if (known.site, known.device, known.action, known.params) != (site, device, wish.action, wish.params):
        raise Conflict("commands.key_used", used=(known.idempotency_key or "").partition(":")[2])
    return known
