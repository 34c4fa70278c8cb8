"""Queries about commands and their steps."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, func, insert, select, update

from fleet_server.domain.commands import FINAL, State, state_after
from fleet_server.store.database import millis, moment
from fleet_server.store.tables import command_steps, commands
from wire.fields import Params


class CommandRow(Struct, frozen=True):
    """A command as the server keeps it."""

    id: str
    site: str
    device: str
    action: str
    params: Params
    reason: str
    requested_by: str
    requested_from: str
    requested_at: datetime
    expires_at: datetime
    answer_by: datetime
    state: State
    idempotency_key: str | None = None
    approval: str | None = None
    """Who said the second yes; empty while it is waited for, None where none is needed."""
    asked_by_user: str | None = None
    """The user's id; names can change."""
    override: bool = False
    """Asked for although a session was live."""


class StepRow(Struct, frozen=True):
    """One step of a command."""

    at: datetime
    state: State
    detail: str
    params: Params


def add(db: Connection, row: CommandRow) -> CommandRow:
    """A new command with its first step; where its client's key is known already, the command of then."""
    if row.idempotency_key is not None and (known := find_by_key(db, row.idempotency_key)):
        return known
    values = msgspec.structs.asdict(row)
    for name in ("requested_at", "expires_at", "answer_by"):
        values[name] = millis(values[name])
    values |= {"params": msgspec.json.encode(row.params).decode(), "state": str(row.state)}
    db.execute(insert(commands).values(values))
    _add_step(db, row.id, StepRow(row.requested_at, State.REQUESTED, "requested", {}))
    return row


def advance(db: Connection, command: str, step: StepRow, site: str | None = None) -> tuple[CommandRow, State] | None:
    """Add a step and move the state as the domain says: the command and its new state.

    None for an unknown id, for a room that speaks of another room's command, and where it stands there already that the
    command is sent: whoever sends it again had looked before that was written.
    """
    row = find(db, command)
    if row is None or site not in (None, row.site):
        return None
    if step.state is State.SENT and any(known.state is State.SENT for known in steps(db, command)):
        return None
    state = state_after(row.state, step.state)
    _add_step(db, command, step)
    if state is not row.state:
        db.execute(update(commands).where(commands.c.id == command).values(state=str(state)))
    return row, state


def approve(db: Connection, command: str, by: str, expires_at: datetime, answer_by: datetime) -> bool:
    """The second yes, for whoever says it first; whether it was waited for."""
    waits = (commands.c.id == command) & (commands.c.approval == "") & (commands.c.state == str(State.REQUESTED))
    values = {"approval": by, "expires_at": millis(expires_at), "answer_by": millis(answer_by)}
    return db.execute(update(commands).where(waits).values(values)).rowcount == 1


def find(db: Connection, command: str) -> CommandRow | None:
    """A command by its id."""
    row = db.execute(select(commands).where(commands.c.id == command)).first()
    return _command(row) if row else None


def find_by_key(db: Connection, key: str) -> CommandRow | None:
    """A command by the key that its client gave."""
    row = db.execute(select(commands).where(commands.c.idempotency_key == key)).first()
    return _command(row) if row else None


def with_key(db: Connection, prefix: str) -> list[CommandRow]:
    """Commands whose idempotency key begins so, the oldest first."""
    key = commands.c.idempotency_key
    begins = (key >= prefix) & (key < prefix + "\uffff")  # by the index, which LIKE would not use
    rows = db.execute(select(commands).where(begins).order_by(commands.c.requested_at, commands.c.id))
    return [_command(row) for row in rows]


def steps(db: Connection, command: str) -> list[StepRow]:
    """The steps of a command, first to last."""
    return steps_of(db, [command]).get(command, [])


def steps_of(db: Connection, ids: Collection[str]) -> dict[str, list[StepRow]]:
    """Command -> its steps, first to last; a command without any is not in it.

    A room can answer before the server has written down that it sent the command: sending comes first all the same.
    """
    found: dict[str, list[StepRow]] = {}
    before_the_room = command_steps.c.state.in_([str(State.REQUESTED), str(State.SENT)])
    rows = db.execute(
        select(command_steps).where(command_steps.c.command.in_(list(ids)))
        .order_by(before_the_room.desc(), command_steps.c.nr)
    )  # fmt: skip
    for row in rows:
        step = StepRow(moment(row.at), State(row.state), row.detail, msgspec.json.decode(row.params))
        found.setdefault(row.command, []).append(step)
    return found


def unfinished(db: Connection) -> list[CommandRow]:
    """Every command without a final state, oldest first."""
    open_states = [str(state) for state in State if state not in FINAL]
    rows = db.execute(select(commands).where(commands.c.state.in_(open_states)).order_by(commands.c.requested_at))
    return [_command(row) for row in rows]


def between(db: Connection, sites: Collection[str], since: datetime, until: datetime) -> list[CommandRow]:
    """Commands that were asked of these sites in this time, the oldest first."""
    then = (commands.c.requested_at >= millis(since)) & (commands.c.requested_at < millis(until))
    rows = db.execute(
        select(commands).where(then & commands.c.site.in_(list(sites))).order_by(commands.c.requested_at)
    )  # fmt: skip
    return [_command(row) for row in rows]


def newest_of_site(db: Connection, site: str, most: int) -> list[CommandRow]:
    """The last commands of a site, newest first."""
    rows = db.execute(
        select(commands).where(commands.c.site == site).order_by(commands.c.requested_at.desc()).limit(most)
    )
    return [_command(row) for row in rows]


def _add_step(db: Connection, command: str, step: StepRow) -> None:
    last = db.execute(select(func.max(command_steps.c.nr)).where(command_steps.c.command == command)).scalar()
    db.execute(
        insert(command_steps).values(
            command=command, nr=(last or 0) + 1, at=millis(step.at), state=str(step.state), detail=step.detail,
            params=msgspec.json.encode(step.params).decode(),
        )
    )  # fmt: skip


def _command(row: Row[Any]) -> CommandRow:
    values = dict(row._mapping)
    for name in ("requested_at", "expires_at", "answer_by"):
        values[name] = moment(values[name])
    return CommandRow(**values | {"params": msgspec.json.decode(values["params"]), "state": State(values["state"])})
