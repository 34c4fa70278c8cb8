"""When a session is checked by itself: which of its stages are due, which come late, which can only be missed."""

from collections.abc import Collection
from datetime import datetime, timedelta

from msgspec import Struct

from fleet_server.domain.sessions import Session

LATE_AFTER = timedelta(seconds=60)
_ACT_WITHIN = timedelta(minutes=20)


class Stage(Struct, frozen=True, order=True):
    """One automatic check of a session's rooms."""

    due_at: datetime
    minutes_before: int
    """By its name; a session that is planned too late for all of them has the last one at once."""


def stages_of(session: Session) -> list[Stage]:
    """Every stage of a session as it is planned now, in the order of their time."""
    if session.cancelled_at is not None:
        return []
    all_of_them = sorted(
        Stage(session.starts_at - timedelta(minutes=minutes), minutes) for minutes in set(session.stages_min)
    )
    to_come = [stage for stage in all_of_them if stage.due_at >= session.planned_at]
    if not to_come and all_of_them:
        return [Stage(session.planned_at, all_of_them[-1].minutes_before)]
    return to_come


def due_stages(session: Session, done: Collection[Stage], now: datetime) -> list[Stage]:
    """Stages whose time has come and that have no end yet, the oldest first."""
    return [stage for stage in stages_of(session) if stage.due_at <= now and stage not in done]


def is_missed(session: Session, now: datetime) -> bool:
    """Whether it is too late to check anything: the session is over."""
    return now >= session.ends_at


def act_within(stage: Stage) -> timedelta:
    """How long devices may take for a stage: what they have not done by half of the time that is left, is not done."""
    return min(_ACT_WITHIN, timedelta(minutes=stage.minutes_before) / 2) if stage.minutes_before else _ACT_WITHIN


def is_late(stage: Stage, now: datetime) -> bool:
    """Whether the stage begins later than it should have."""
    return now - stage.due_at > LATE_AFTER
