"""Each command's steps, on disk before the step is taken. This is what makes "never twice" true.

`accepted` -> `running` -> `succeeded` | `failed` | `refused` | `interrupted`. A step and its log entry are one commit.
"""

from contextlib import suppress
from pathlib import Path
from typing import Literal

from msgspec import Struct

from edge_agent.log import RoomLog
from edge_agent.store import Transactions
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
    """Thread-safe. What a call has written is on the disk when it returns.

    While a command runs there is a file of its id in `acting`: no release is taken into use in the middle of an act.
    """

    def __init__(self, store: Transactions, log: RoomLog, clock: Clock, acting: Path) -> None:
        """`acting`: a folder of ours; what a life before this one has left in it is over."""
        self._store, self._log, self._clock, self._acting = store, log, clock, acting
        with suppress(OSError):  # a disk that takes no file keeps nobody from acting
            acting.mkdir(exist_ok=True)
            for left in acting.iterdir():
                left.unlink()

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
        with suppress(OSError):
            if state == "running":
                (self._acting / command).touch()
            else:
                (self._acting / command).unlink(missing_ok=True)

    def unfinished(self) -> list[Unfinished]:
        """What an agent finds in its journal when it starts."""
        with self._store.read() as db:
            rows = db.execute(
                "SELECT command, device, action, state, mark FROM journal "
                "WHERE state IN ('accepted', 'running') ORDER BY command"
            ).fetchall()
        return [Unfinished(*row) for row in rows]
