"""Writes down how rooms are: a trouble when it begins and when it ends, and each minute's verdict."""

import logging
from collections import Counter
from collections.abc import Callable, Container, Mapping
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from fleet_server.domain.findings import Outcome
from fleet_server.domain.history import KEPT_DAYS, Hours, Turn, turn_of, usual_mend_min
from fleet_server.domain.setbacks import Key
from fleet_server.failing import Failing
from fleet_server.live.stream import Stream
from fleet_server.state.fleet import Fleet, SiteEntry
from fleet_server.store import history
from fleet_server.store.database import Database
from fleet_server.store.history import Sampled
from wire.times import Clock

log = logging.getLogger("diemcau.history")

_GATHER_S = 1.0
"""Rooms that change within this time are written down together."""
_SAMPLE_S = 60.0
_KEEP_EVERY = 5
"""Minutes are written down so many at a time; a kill loses no more."""
_LEARN_EVERY_S = 3_600.0
_LEARN_FROM = timedelta(days=180)


class Recorder:
    """`run` alone writes. Rooms that are only being set up are not written down: they are neither ready nor broken."""

    def __init__(
        self, database: Database, fleet: Fleet, stream: Stream, clock: Clock, hours: Hours,
        holidays: Callable[[], Container[date]],
    ) -> None:  # fmt: skip
        """`holidays`: the days on which nobody works, as they are known now."""
        self._database, self._fleet, self._stream, self._clock, self._hours = database, fleet, stream, clock, hours
        self._holidays = holidays
        self._open: dict[str, dict[Key, Outcome]] = {}
        self._moved: set[str] = set()
        self._wrote_s = self._sampled_s = self._learnt_s = float("-inf")
        self._minutes: Counter[Sampled] = Counter()
        self.mend_min: Mapping[str, int] = {}
        """Check -> how many minutes it usually took to mend here, where enough is known."""

    async def load(self) -> None:
        """Take up what was open when the server was stopped; every room is looked at anew."""
        self._open = await self._database.read(history.open_troubles)
        self._moved = set(self._fleet.entries)
        self._wrote_s = self._sampled_s = self._clock.monotonic()
        self._learnt_s = float("-inf")

    async def run(self) -> None:
        """Write for ever. What cannot be written is written later; minutes and troubles are kept until then."""
        await self.load()
        failing = Failing(log, "history_not_kept")
        async for change in self._stream.read(None, _GATHER_S):
            if change is not None and change.site is not None and change.kind in ("site", "report"):
                self._moved.add(change.site)
            with failing:
                await self.look()
            if failing:
                self._wrote_s = self._clock.monotonic()

    async def look(self) -> None:
        """Write what is due by now. Raises SQLAlchemyError; nothing is lost. While the server learns nobody knows."""
        now_s = self._clock.monotonic()
        learning = self._fleet.is_learning
        if self._moved and now_s - self._wrote_s >= _GATHER_S and not learning:
            await self._write(self._moved)
            self._moved, self._wrote_s = set(), now_s
        if now_s - self._sampled_s >= _SAMPLE_S:
            self._sampled_s = now_s
            if not learning:
                await self._sample()
        if now_s - self._learnt_s >= _LEARN_EVERY_S:
            self._learnt_s = now_s
            await self._learn()

    async def _write(self, moved: set[str]) -> None:
        """What has changed in these rooms, in one transaction."""
        now = self._clock.now()
        turns: dict[str, tuple[Turn, dict[str, str]]] = {}
        for site in moved:
            entry = self._fleet.entries.get(site)
            open_ones = self._open.get(site, {})
            if entry is None:
                turns[site] = (Turn(gone=tuple(open_ones)), {})
            elif entry.is_set_up:
                turns[site] = (turn_of(entry.judgement, open_ones), _families(entry))
        turns = {site: told for site, told in turns.items() if told[0] != Turn()}
        if not turns:
            return

        def write(db: Connection) -> None:
            for site, (turn, families) in turns.items():
                history.open_them(db, site, turn.opened, families, now)
                history.worsen(db, site, turn.worsened)
                history.close(db, site, turn.mended, now, mended=True)
                history.close(db, site, turn.gone, now, mended=False)

        await self._database.write(write)
        for site, (turn, _) in turns.items():
            known = self._open.setdefault(site, {})
            known.update({(check.check, check.device or ""): check.outcome for check in (*turn.opened, *turn.worsened)})
            for key in (*turn.mended, *turn.gone):
                known.pop(key, None)

    async def _sample(self) -> None:
        """One minute more for each room as it is now."""
        now = self._clock.now()
        day, at_work = _day(now, self._hours), self._hours.hold(now, self._holidays())
        for site, entry in self._fleet.entries.items():
            if entry.is_set_up:
                self._minutes[Sampled(site, day, at_work, entry.verdict)] += 1
        if max(self._minutes.values(), default=0) >= _KEEP_EVERY:
            minutes = dict(self._minutes)
            await self._database.write(lambda db: history.add_minutes(db, minutes))
            self._minutes.clear()

    async def _learn(self) -> None:
        """From what was mended, how long it usually takes; and let go of what is too old."""
        now = self._clock.now()
        known = await self._database.read(lambda db: history.troubles_between(db, now - _LEARN_FROM, now))
        self.mend_min = usual_mend_min(known)
        await self._database.write(lambda db: history.forget(db, now - timedelta(days=KEPT_DAYS)))


def _families(entry: SiteEntry) -> dict[str, str]:
    return {fit.about.id: fit.profile.family for fit in entry.fits if fit.profile is not None}


def _day(now: datetime, hours: Hours) -> str:
    return now.astimezone(hours.zone).date().isoformat()
