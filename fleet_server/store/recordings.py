"""What the commands of a session's recordings came to: the commands themselves are the record."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace
from sqlalchemy import Connection

from fleet_server.domain.commands import FINAL, State
from fleet_server.domain.recordings import Recordings, SealedFile, Verified
from fleet_server.store import commands
from fleet_server.store.commands import CommandRow, StepRow
from wire.fields import Value

_DIFFER = "recordings_differ"


def seal_key(session: str, site: str, device: str, at: datetime) -> str:
    """The idempotency key of one attempt to seal."""
    return f"{_seals(session)}{site}:{device}:{round(at.timestamp())}"


def verify_key(session: str, site: str, device: str, at: datetime) -> str:
    """The idempotency key of one question; who asks twice within ten seconds asks once."""
    return f"{_verifies(session)}{site}:{device}:{round(at.timestamp()) // 10}"


def of_session(db: Connection, session: str) -> list[Recordings]:
    """What each room of a session has recorded, by site."""
    sealed = _newest(commands.with_key(db, _seals(session)))
    asked = _newest(commands.with_key(db, _verifies(session)))
    steps = commands.steps_of(db, [row.id for row in (*sealed.values(), *asked.values())])
    found = []
    for where, row in sorted(sealed.items()):
        recordings = _recordings(row, steps.get(row.id, []))
        verify = asked.get(where)
        if verify is not None and recordings.manifest:
            recordings = _verified(recordings, verify, steps.get(verify.id, []))
        found.append(recordings)
    return found


def _seals(session: str) -> str:
    return f"seal:{session}:"


def _verifies(session: str) -> str:
    return f"verify:{session}:"


def _newest(rows: Sequence[CommandRow]) -> dict[tuple[str, str], CommandRow]:
    """The last of each device, of rows from the oldest on."""
    return {(row.site, row.device): row for row in rows}


def _recordings(row: CommandRow, steps: Sequence[StepRow]) -> Recordings:
    if row.state not in FINAL or not steps:
        return Recordings(row.site, row.device, "asked", row.requested_at)
    last = steps[-1]
    if row.state is not State.SUCCEEDED:
        return Recordings(row.site, row.device, "failed", last.at, last.detail, last.params)
    files = tuple(
        SealedFile(str(said["file"]), _whole(said.get("bytes")), str(said.get("sha256", "")))
        for step in steps if step.detail == "recording_sealed" and (said := step.params).get("file")
    )  # fmt: skip
    told = last.params
    return Recordings(
        row.site, row.device, "sealed", last.at, manifest=str(told.get("manifest", "")),
        sha256=str(told.get("sha256", "")), count=_whole(told.get("files")), bytes=_whole(told.get("bytes")),
        files=files,
    )  # fmt: skip


def _verified(recordings: Recordings, row: CommandRow, steps: Sequence[StepRow]) -> Recordings:
    if row.state not in FINAL or not steps:
        return replace(recordings, verified=Verified(row.requested_at, row.requested_by, "asked"))
    last = steps[-1]
    if row.state is State.SUCCEEDED:
        same = last.params.get("sha256") == recordings.sha256
        found = Verified(last.at, row.requested_by, "unchanged" if same else "changed", "" if same else "list_differs")
    else:
        state = "changed" if last.detail == _DIFFER else "failed"
        found = Verified(last.at, row.requested_by, state, last.detail, last.params)  # type: ignore[arg-type]
    return replace(recordings, verified=found)


def _whole(value: Value) -> int:
    return int(value) if isinstance(value, int | float) else 0
