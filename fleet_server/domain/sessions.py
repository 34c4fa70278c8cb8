"""A session: when it is live, and what is wrong with a plan for one."""

from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

LIVE_BEFORE = timedelta(minutes=10)
"""Rooms are in use from here on: nothing is rebooted in them without an override."""
_LONGEST = timedelta(hours=24)


class Session(Struct, frozen=True):
    """One session as planned."""

    id: str
    title: str
    kind: str
    chair: str
    starts_at: datetime
    ends_at: datetime
    sites: tuple[str, ...]

    @property
    def planned_s(self) -> float:
        """Its length in seconds."""
        return (self.ends_at - self.starts_at).total_seconds()


def is_live(session: Session, now: datetime) -> bool:
    """Whether its rooms are in use."""
    return session.starts_at - LIVE_BEFORE <= now < session.ends_at


def wrong_plan(starts_at: datetime, ends_at: datetime, sites: tuple[str, ...], now: datetime) -> dict[str, Any] | None:
    """Text key and parameters of the first thing wrong with a plan; None when it is sound."""
    if ends_at <= starts_at:
        return {"key": "sessions.ends_before_start"}
    if ends_at - starts_at > _LONGEST:
        return {"key": "sessions.too_long"}
    if ends_at <= now:
        return {"key": "sessions.in_the_past"}
    if not sites:
        return {"key": "sessions.no_sites"}
    return None
