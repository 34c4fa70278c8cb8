"""What becomes of a session's recordings: sealed by the room once it is over, and asked about for years."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from fleet_server.domain.sessions import LIVE_BEFORE, Session
from wire.fields import Value

SEAL, VERIFY = "seal_recordings", "verify_manifest"
"""Actions of the device that keeps recordings."""
GIVE_UP_AFTER = timedelta(days=30)
"""A room that was away for so long is not asked any more."""
_AFTER_THE_END = timedelta(minutes=2)
_RUNS_OVER = timedelta(hours=2)
AGAIN = timedelta(hours=1)
"""After a room was asked in vain."""


class SealedFile(Struct, frozen=True):
    """One recording as it was when it was sealed."""

    name: str
    bytes: int
    sha256: str


class Verified(Struct, frozen=True):
    """The newest answer to "is it still there, unchanged?"."""

    at: datetime
    by: str
    state: Literal["asked", "unchanged", "changed", "failed"]
    detail: str = ""
    """A text key of a command's step."""
    params: Mapping[str, Value] = {}


class Recordings(Struct, frozen=True):
    """What one room recorded of one session."""

    site: str
    device: str
    state: Literal["asked", "sealed", "failed"]
    at: datetime
    """When the room was asked, or answered."""
    detail: str = ""
    params: Mapping[str, Value] = {}
    manifest: str = ""
    """The name under which the room keeps the list."""
    sha256: str = ""
    """Of the list itself."""
    count: int = 0
    bytes: int = 0
    files: tuple[SealedFile, ...] = ()
    """As many as a room tells one by one; all of them stand in its list."""
    verified: Verified | None = None


def is_recorded(session: Session) -> bool:
    """Whether anything of it is to be kept."""
    return session.cancelled_at is None and not session.is_rehearsal


def is_due(session: Session, asked_at: datetime | None, now: datetime) -> bool:
    """Whether a room is to be asked for the list of its recordings, after it was last asked in vain at `asked_at`."""
    over = session.ends_at + _AFTER_THE_END <= now < session.ends_at + GIVE_UP_AFTER
    return over and (asked_at is None or asked_at + AGAIN <= now)


def still_records(session: Session, grows: Value, now: datetime) -> bool:
    """Whether somebody has yet to stop the recorder; after two hours it is another recording that grows."""
    return grows is True and now < session.ends_at + _RUNS_OVER


def window(session: Session, next_starts: Iterable[datetime]) -> tuple[int, int]:
    """Between which moments a file of this session was last written, in seconds since the epoch.

    `next_starts`: of later sessions in the same room, whose files are their own.
    """
    latest = session.ends_at + _RUNS_OVER
    others = [start - LIVE_BEFORE for start in next_starts if start >= session.ends_at]
    until = max(session.ends_at, min([latest, *others]))
    return int((session.starts_at - LIVE_BEFORE).timestamp()), int(until.timestamp())
