"""Watches every room, and the centre itself: what is wrong becomes an incident, and who is to be told is written down
in the same transaction."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace
from sqlalchemy import Connection

from fleet_server.alerts.centre import OF_SESSIONS, CentreHealth
from fleet_server.alerts.directory import Directory
from fleet_server.alerts.planner import (
    CLEARED,
    TELLS,
    Circumstances,
    cleared_for,
    is_open_question,
    is_out,
    owed,
    told_of,
)
from fleet_server.alerts.rooms import Rooms
from fleet_server.domain.causes import ONLY_CHARGING, POWER, Cause, Found
from fleet_server.domain.history import Hours
from fleet_server.domain.incidents import REMEMBERS_S, Happening, Timing, Turn, Watched, turn_of
from fleet_server.domain.priorities import priority_of
from fleet_server.domain.routing import Subject
from fleet_server.domain.setbacks import OFFLINE, Key
from fleet_server.failing import Failing
from fleet_server.live.stream import Change, Stream
from fleet_server.store import incidents, notifications
from fleet_server.store.database import Database
from fleet_server.store.incidents import IncidentRow, IncidentStep
from fleet_server.store.notifications import NotificationRow
from wire.times import Clock

log = logging.getLogger("diemcau.alerts")

_EVERY_S = 1.0
_MOST_AT_ONCE = 800
"""Rooms of one round: in a storm of a whole country others must be able to write too."""
CENTRE = ""
"""Stands where a site would, for what is wrong at the centre or with the whole fleet."""


class AlertWatch:
    """`run` alone opens and clears incidents; what people do to them goes through `changed`."""

    def __init__(
        self, database: Database, stream: Stream, clock: Clock, hours: Hours, directory: Directory, rooms: Rooms,
        centre: CentreHealth, wake: Callable[[], None],
    ) -> None:  # fmt: skip
        """`wake`: something may be due to be sent."""
        self._database, self._stream, self._clock, self._hours = database, stream, clock, hours
        self._directory, self._rooms, self._centre, self._wake = directory, rooms, centre, wake
        self._watched: dict[str, dict[Key, Watched]] = {}
        self._rows: dict[tuple[str, Key], IncidentRow] = {}
        self._due: dict[str, float] = {}
        self._lock = asyncio.Lock()
        """Held from looking at incidents until their change is committed: what a person does is not written over."""

    async def load(self) -> None:
        """Take up what was open when the server was stopped, and what was cleared so recently that it may come back."""
        since = self._clock.now() - timedelta(seconds=REMEMBERS_S)
        known = await self._database.read(lambda db: [*incidents.cleared_since(db, since), *incidents.open_ones(db)])
        for row in known:
            site, key = row.site or CENTRE, row.cause.key
            self._rows[site, key] = row
            self._due[site] = 0.0  # a room that was closed says nothing that would have it looked at
            is_open = row.cleared_at is None
            self._watched.setdefault(site, {})[key] = Watched(
                row.cause, is_open, row.opened_at.timestamp() if is_open else None,
                cleared_at=row.cleared_at.timestamp() if row.cleared_at is not None else None,
            )  # fmt: skip

    async def run(self) -> None:
        """Watch for ever."""
        await self.load()
        failing, looked_s = Failing(log, "incidents_not_kept"), float("-inf")
        async for change in self._stream.read(None, _EVERY_S):
            self.noticed(change)
            if self._clock.monotonic() - looked_s < _EVERY_S:
                continue
            with failing:
                await self.look()
            looked_s = self._clock.monotonic()

    def noticed(self, change: Change | None) -> None:
        """A room may be otherwise than it was."""
        if change is not None and change.site is not None and change.kind in ("site", "report"):
            self._due[change.site] = 0.0

    async def look(self) -> None:
        """Look at whatever is due. Raises SQLAlchemyError; then it is looked at again."""
        async with self._lock:
            await self._look()

    async def _look(self) -> None:
        now = self._clock.now()
        at = now.timestamp()
        turns: dict[str, Turn] = {CENTRE: self._turn(CENTRE, at)}
        if not self._rooms.is_blind:
            self._rooms.look(now)
            self._due.update(dict.fromkeys(self._rooms.take_moved(), 0.0))
            for site in [site for site, due in self._due.items() if due <= at][:_MOST_AT_ONCE]:
                turns[site] = self._turn(site, at)
        await self._write(turns, now)

    async def changed(
        self, number: int, change: Callable[[IncidentRow], IncidentRow], step: IncidentStep
    ) -> IncidentRow | None:
        """Somebody has done something about an incident; None where it is not open."""
        async with self._lock:
            return await self._change(number, change, step)

    async def _change(
        self, number: int, change: Callable[[IncidentRow], IncidentRow], step: IncidentStep
    ) -> IncidentRow | None:
        row = next((row for row in self._rows.values() if row.number == number and row.cleared_at is None), None)
        if row is None:
            return None
        after = change(row)

        def write(db: Connection) -> None:
            incidents.save(db, [after])
            incidents.add_steps(db, [(number, step)])
            if step.what in ("acknowledged", "snoozed"):
                notifications.cancel(db, number, TELLS, step.at, later_steps=step.what == "acknowledged")

        await self._database.write(write)
        self._rows[after.site or CENTRE, after.cause.key] = after
        self._stream.publish("alerts", after.site)
        return after

    def open_ones(self) -> list[IncidentRow]:
        """All that are open, what matters most first."""
        found = [row for row in self._rows.values() if row.cleared_at is None]
        return sorted(found, key=lambda row: (-row.priority, row.opened_at))

    def subject_of(self, row: IncidentRow) -> Subject:
        """What routes and silences see of it."""
        return self._rooms.subject_of(row)

    def around(self, now: datetime) -> Circumstances:
        """What is the same for all of them."""
        return Circumstances(self._directory.book, self._hours, now, self._centre.down)

    def _turn(self, site: str, at: float) -> Turn:
        known = self._watched.get(site, {})
        if site == CENTRE:
            return turn_of(known, self._centre.found(self._rooms.outage), at, lambda _: Timing(10.0, 30.0))
        found = self._rooms.found_in(site, datetime.fromtimestamp(at, UTC))
        away = found.causes.get((OFFLINE, ""))
        if away is not None and self._is_known_by_power(site, away):
            found = Found({}, frozenset())  # its battery is empty: that it is away is nothing new
        return turn_of(known, found, at, lambda key: self._rooms.timing_of(site, key))

    def _is_known_by_power(self, site: str, away: Cause) -> bool:
        """Whether it is without mains, and people know that as well as they would know that it is away."""
        stake, _ = self._rooms.stake_of(site)
        matters = priority_of(stake, away.outcome, counts=away.counts, is_root=True)
        return any(
            key[0] == POWER and seen.is_open and seen.cause.says != ONLY_CHARGING
            and (row := self._rows.get((site, key))) is not None and row.priority >= matters
            for key, seen in self._watched.get(site, {}).items()
        )  # fmt: skip

    async def _write(self, turns: dict[str, Turn], now: datetime) -> None:
        around = self.around(now)
        changed: dict[tuple[str, Key], IncidentRow] = {}
        told: dict[tuple[str, Key], list[str]] = {}
        for site, turn in turns.items():
            happened: dict[Key, list[Happening]] = {}
            for what, key in turn.happened:
                happened.setdefault(key, []).append(what)
            for key, seen in turn.watched.items():
                before = self._rows.get((site, key))
                after = self._after(site, key, seen, before, happened.get(key, []), now)
                if after is not None and after != before:
                    changed[site, key] = after
                    told[site, key] = [str(what) for what in happened.get(key, [])]
        planned = self._planned(changed, around)

        def write(db: Connection) -> dict[tuple[str, Key], IncidentRow]:
            number = incidents.next_number(db)
            done, steps, new = {}, [], []
            for place in changed.keys() | planned.keys():
                row = changed.get(place) or self._rows[place]
                if row.number == 0:
                    row, number = replace(row, number=number), number + 1
                steps += [(row.number, IncidentStep(now, what)) for what in told.get(place, ())]
                if "cleared" in told.get(place, ()):
                    notifications.cancel(db, row.number, TELLS, now)
                    new += cleared_for(row, notifications.of_incident(db, row.number), now)
                if "reopened" in told.get(place, ()):
                    notifications.cancel(db, row.number, (CLEARED,), now)
                    if any(each.what == CLEARED for each in notifications.of_incident(db, row.number) if is_out(each)):
                        row = replace(row, told=0)  # they believe that it is over
                if place in planned:
                    new += [replace(each, incident=row.number) for each in planned[place]]
                    steps.append((row.number, IncidentStep(now, "told", note=str(len(planned[place])))))
                    row = replace(row, told=int(row.priority))
                done[place] = row
            incidents.save(db, done.values())
            incidents.add_steps(db, steps)
            notifications.add(db, new)
            return done

        if changed or planned:
            self._rows.update(await self._database.write(write))
        for site, turn in turns.items():
            self._watched[site] = dict(turn.watched)
            self._due.pop(site, None)  # to the end: whoever waits longest is looked at first
            self._due[site] = turn.changes_at
        for place in changed:
            self._stream.publish("alerts", place[0] or None)
        if planned or any(what for what in told.values()):
            self._wake()
        self._forget()

    def _after(
        self, site: str, key: Key, seen: Watched, before: IncidentRow | None, what: list[Happening], now: datetime
    ) -> IncidentRow | None:
        """The incident as it is to be written down; None where there is none."""
        if not seen.is_open and Happening.CLEARED not in what:
            return None
        is_of_all = site == CENTRE and key[0] in OF_SESSIONS
        stake, session = self._rooms.stake_anywhere() if is_of_all else self._rooms.stake_of(site)
        cause: Cause = seen.cause
        began = before.opened_at if before is not None and before.cleared_at is None else now
        priority = priority_of(
            stake, cause.outcome, counts=cause.counts, is_root=cause.is_root or site == CENTRE,
            is_new=self._rooms.is_within(session, began),
        )  # fmt: skip
        if before is None or (Happening.OPENED in what and before.cleared_at is not None):
            return IncidentRow(0, site or None, cause, priority, session, now, len(seen.spells) or 1)
        if Happening.CLEARED in what:
            return replace(before, cleared_at=now)
        if Happening.REOPENED in what:
            return replace(
                before, cause=cause, priority=priority, session=session, cleared_at=None, spells=before.spells + 1,
                told=min(before.told, int(priority)),
            )  # fmt: skip
        came_again = self._is_new_spell(site, key, seen)
        return replace(
            before, cause=cause, priority=priority, session=session,
            spells=before.spells + 1 if came_again else before.spells,
            told=min(before.told, int(priority)),  # what was an alarm in one session is told again in the next
        )  # fmt: skip

    def _is_new_spell(self, site: str, key: Key, seen: Watched) -> bool:
        known = self._watched.get(site, {}).get(key)
        return known is not None and known.is_open and known.bad_since is None and seen.bad_since is not None

    def _planned(
        self, changed: dict[tuple[str, Key], IncidentRow], around: Circumstances
    ) -> dict[tuple[str, Key], list[NotificationRow]]:
        """Who is told what they do not know yet, what matters most first.

        Also of what did not change: a silence may have ended. Where nobody is there to be told it stays owed.
        """
        found: dict[tuple[str, Key], list[NotificationRow]] = {}
        if not around.book.recipients:
            return found
        asked = [each for each in {**self._rows, **changed}.items() if is_open_question(each[1])]
        for place, row in sorted(asked, key=lambda each: -each[1].priority):
            subject = self._rooms.subject_of(row)
            what = owed(row, subject, around)
            if what is not None and (rows := told_of(row, what, subject, around)):
                found[place] = rows
            if len(found) >= _MOST_AT_ONCE:
                break
        return found

    def _forget(self) -> None:
        """Let go of what was cleared and cannot come back as the same."""
        gone = [
            place for place, row in self._rows.items()
            if row.cleared_at is not None and place[1] not in self._watched.get(place[0], {})
        ]  # fmt: skip
        for place in gone:
            del self._rows[place]
