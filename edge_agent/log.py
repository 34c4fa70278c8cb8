"""The room's log: numbered entries, kept on disk until the server has committed them.

At most `most` entries wait. Beyond that the oldest events are summarised into one entry; steps of commands never are.
"""

from collections import Counter
from itertools import accumulate
from typing import Any

import msgspec

from edge_agent.store import Transactions
from wire.fields import LONGEST_TEXT, Params
from wire.ids import uuid7
from wire.messages import Ack, EventEntry, LogBatch, LogEntry, StepEntry, SummaryEntry
from wire.times import Clock

_BATCH, _BATCH_BYTES = 50, 48_000
"""What goes into one message, whose bound is 64 KiB."""
_ENTRY: msgspec.json.Decoder[LogEntry] = msgspec.json.Decoder(LogEntry)


class RoomLog:
    """Thread-safe; what a call has written is on the disk when it returns."""

    def __init__(self, store: Transactions, clock: Clock, most: int = 10_000) -> None:
        self._store, self._clock, self._most = store, clock, most
        with store.read() as db:
            self.log_id: str = db.execute("SELECT value FROM meta WHERE key = 'log_id'").fetchone()[0]

    def event(self, event: str, device: str | None = None, **params: Any) -> int:
        """Something happened; the number of its entry."""
        return self._append(
            lambda n: EventEntry(n=n, at=self._clock.now(), event=event, device=device, params=_bounded(params))
        )

    def step(self, command: str, state: Any, detail: str, params: Params) -> None:
        """A command came one step further. Joins the caller's transaction."""
        self._append(
            lambda n: StepEntry(
                n=n, at=self._clock.now(), command=command, state=state, detail=detail, params=_bounded(params)
            )
        )

    def batch(self) -> LogBatch | None:
        """The first entries that the server has not acknowledged; None when there are none."""
        with self._store.read() as db:
            rows = db.execute("SELECT n, entry FROM log ORDER BY n LIMIT ?", (_BATCH,)).fetchall()
        sizes = accumulate(len(raw) for _, raw in rows)
        fits = max(1, sum(size <= _BATCH_BYTES for size in sizes))
        entries = tuple(self._read(n, raw) for n, raw in rows[:fits])
        return LogBatch(log_id=self.log_id, entries=entries, from_=_first(entries[0])) if entries else None

    def acknowledged(self, ack: Ack) -> None:
        """The server has these: forget them. An acknowledgement of another log is none.

        Where it has more than we have ever said, this is an older copy of our file: what it takes for known is not what
        waits here, and goes out as another log.
        """
        if ack.log_id != self.log_id:
            return
        with self._store.write() as db:
            if ack.through < int(db.execute("SELECT value FROM meta WHERE key = 'next_n'").fetchone()[0]):
                db.execute("DELETE FROM log WHERE n <= ?", (ack.through,))
                return
            log_id = uuid7()
            db.execute("UPDATE meta SET value = ? WHERE key = 'log_id'", (log_id,))
        self.log_id = log_id
        self.event("log_restarted")

    def waiting(self) -> int:
        """How many entries the server has not acknowledged."""
        with self._store.read() as db:
            return int(db.execute("SELECT count(*) FROM log").fetchone()[0])

    def _append(self, entry_of: Any) -> int:
        with self._store.write() as db:
            n = int(db.execute("SELECT value FROM meta WHERE key = 'next_n'").fetchone()[0])
            entry: LogEntry = entry_of(n)
            db.execute(
                "INSERT INTO log (n, entry, is_event) VALUES (?, ?, ?)",
                (n, msgspec.json.encode(entry), not isinstance(entry, StepEntry)),
            )
            db.execute("UPDATE meta SET value = ? WHERE key = 'next_n'", (str(n + 1),))
            if db.execute("SELECT count(*) FROM log").fetchone()[0] > self._most:
                self._summarise(db)
        return n

    def _read(self, n: int, raw: bytes) -> LogEntry:
        """An entry; where a newer release, from which we came back, has written it: that there was one."""
        try:
            return _ENTRY.decode(raw)
        except msgspec.ValidationError:
            return EventEntry(n=n, at=self._clock.now(), event="entry_unreadable")

    def _summarise(self, db: Any) -> None:
        """Replace the oldest unbroken run of two events or more by one entry that counts them."""
        follows = "SELECT is_event FROM log AS next WHERE next.n > log.n ORDER BY next.n LIMIT 1"
        first = db.execute(f"SELECT min(n) FROM log WHERE is_event AND ({follows})").fetchone()[0]  # noqa: S608
        if first is None:
            return
        stop = db.execute("SELECT min(n) FROM log WHERE n > ? AND NOT is_event", (first,)).fetchone()[0]
        rows = db.execute(
            "SELECT n, entry FROM log WHERE n >= ? AND n < ? ORDER BY n LIMIT ?",
            (first, stop if stop is not None else 1 << 62, max(2, self._most // 10)),
        ).fetchall()
        counts: Counter[str] = Counter()
        for number, raw in rows:
            entry = self._read(number, raw)
            if isinstance(entry, SummaryEntry):
                counts.update(entry.events)
                first = min(first, entry.first)
            elif isinstance(entry, EventEntry):
                counts[entry.event] += 1
        last = rows[-1][0]
        summary = SummaryEntry(n=last, at=self._clock.now(), first=first, events=dict(counts.most_common(64)))
        db.execute("DELETE FROM log WHERE n >= ? AND n <= ?", (rows[0][0], last))
        db.execute("INSERT INTO log (n, entry, is_event) VALUES (?, ?, 1)", (last, msgspec.json.encode(summary)))


def _bounded(params: Params) -> Params:
    """As the contract has them: an entry beyond it would hold up all that come after it, for ever."""
    return {name: value[:LONGEST_TEXT] if isinstance(value, str) else value for name, value in params.items()}


def _first(entry: LogEntry) -> int:
    return entry.first if isinstance(entry, SummaryEntry) else entry.n
