"""Each command's steps, on disk before the step is taken. This is what makes "never twice" true.

`accepted` -> `running` -> `succeeded` | `failed` | `refused` | `interrupted`. A step and its log entry are one commit.
"""

from typing import Literal

from msgspec import Struct

from edge_agent.log import RoomLog
from edge_agent.store import Store
from wire.fields import Params
from wire.messages import Command
from wire.times import Clock, rfc3339

State = Literal["accepted", "running", "succeeded", "failed", "refused", "interrupted"]
_KEPT = 2_000
_INSERT = "INSERT INTO journal (command, device, action, state, mark, received_at) VALUES (?, ?, ?, '{state}', NULL, ?)"
"""Columns by name: a newer release, from which we came back, may have added one."""


class Unfinished(Struct, frozen=True):
    """A command that was accepted and has not ended."""

    command: str
    device: str
    action: str
    state: State
    mark: str | None


class Journal:
    """Thread-safe. What a call has written is on the disk when it returns."""

    def __init__(self, store: Store, log: RoomLog, clock: Clock) -> None:
        self._store, self._log, self._clock = store, log, clock

    def receive(self, command: Command) -> bool:
        """Remember a command as accepted; False when its id has been seen before."""
        with self._store.write() as db:
            if db.execute("SELECT 1 FROM journal WHERE command = ?", (command.id,)).fetchone():
                return False
            db.execute(
                _INSERT.format(state="accepted"),
                (command.id, command.device, command.action, rfc3339(self._clock.now())),
            )
            db.execute(
                "DELETE FROM journal WHERE state NOT IN ('accepted', 'running') AND command NOT IN "
                "(SELECT command FROM journal ORDER BY command DESC LIMIT ?)",
                (_KEPT,),
            )
            self._log.step(command.id, "accepted", "accepted", {})
            return True

    def refuse(self, command: Command, reason: str, params: Params) -> bool:
        """Remember a command as refused; False when its id has been seen before."""
        with self._store.write() as db:
            if db.execute("SELECT 1 FROM journal WHERE command = ?", (command.id,)).fetchone():
                return False
            db.execute(
                _INSERT.format(state="refused"),
                (command.id, command.device, command.action, rfc3339(self._clock.now())),
            )
            self._log.step(command.id, "refused", reason, params)
            return True

    def step(self, command: str, state: State, detail: str, params: Params, mark: str | None = None) -> None:
        """The command is at `state` now."""
        with self._store.write() as db:
            db.execute(
                "UPDATE journal SET state = ?, mark = coalesce(?, mark) WHERE command = ?",
                (state, mark, command),
            )
            self._log.step(command, state, detail, params)

    def unfinished(self) -> list[Unfinished]:
        """What an agent finds in its journal when it starts."""
        with self._store.read() as db:
            rows = db.execute(
                "SELECT command, device, action, state, mark FROM journal "
                "WHERE state IN ('accepted', 'running') ORDER BY command"
            ).fetchall()
        return [Unfinished(*row) for row in rows]
