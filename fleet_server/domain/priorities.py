"""How much an incident matters, by what is at stake in its room."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from fleet_server.domain.findings import Outcome
from fleet_server.domain.sessions import Session, is_live

SOON = timedelta(hours=2)
"""So long before a session what is wrong in its rooms is no matter for a digest."""


class Stake(StrEnum):
    """What is at stake in a room."""

    IDLE = "idle"
    SOON = "soon"
    LIVE = "live"


class Priority(IntEnum):
    """What is told how: in a list now and then, to whoever is on duty, to whoever is on duty at once and loudly."""

    DIGEST = 1
    INCIDENT = 2
    ALARM = 3


def stake_of(sessions: Iterable[Session], now: datetime) -> tuple[Stake, Session | None]:
    """Of a room in these sessions, and the session that says so; rehearsals and cancelled ones put nothing at stake."""
    held = [each for each in sessions if each.cancelled_at is None and not each.is_rehearsal and each.ends_at > now]
    for session in held:
        if is_live(session, now):
            return Stake.LIVE, session
    near = [each for each in held if each.starts_at - SOON <= now]
    if near:
        return Stake.SOON, min(near, key=lambda each: each.starts_at)
    return Stake.IDLE, None


def priority_of(stake: Stake, outcome: Outcome, *, counts: bool, is_root: bool, is_new: bool = False) -> Priority:
    """`counts`: it makes the room not ready; `is_root`: the whole room hangs on it; `is_new`: it came in the session.

    A warning that the session was begun with is known to whoever decided to go.
    """
    hard = counts and outcome is not Outcome.WARN
    if stake is Stake.LIVE:
        return Priority.ALARM if hard else Priority.INCIDENT if is_new or is_root else Priority.DIGEST
    if stake is Stake.SOON:
        return Priority.INCIDENT if hard or is_root else Priority.DIGEST
    return Priority.INCIDENT if is_root and hard else Priority.DIGEST
