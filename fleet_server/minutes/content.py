"""What stands in a minute: gathered from the record alone, so that it says the same whenever it is made."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import Connection

from fleet_server.domain.gate import Waiver
from fleet_server.domain.recordings import Recordings
from fleet_server.domain.sessions import Session
from fleet_server.store import commands, confirmations, decisions, recordings, setbacks, sites, stages
from fleet_server.store.commands import CommandRow, StepRow
from fleet_server.store.confirmations import Tick
from fleet_server.store.decisions import DecisionRow, SiteFound, SnapshotRow
from fleet_server.store.setbacks import SetbackRow
from fleet_server.store.stages import StageRow

_COMMANDS_BEFORE = timedelta(days=1)


class StageFound(Struct, frozen=True):
    """One stage with what it found; None where it found nothing."""

    row: StageRow
    snapshot: SnapshotRow | None


class Minute(Struct, frozen=True):
    """Everything about one session that a minute tells."""

    session: Session
    names: dict[str, str]
    """Site -> its name as it is now."""
    hubs: tuple[str, ...]
    stages: tuple[StageFound, ...]
    decisions: tuple[DecisionRow, ...]
    decided: SnapshotRow | None
    """The rooms as they were when the decision that stands was taken; else as the last stage found them."""
    waivers: tuple[Waiver, ...]
    setbacks: tuple[SetbackRow, ...]
    commands: tuple[tuple[CommandRow, tuple[StepRow, ...]], ...]
    duties: tuple[confirmations.DutyRow, ...]
    ticks: tuple[Tick, ...]
    recordings: tuple[Recordings, ...]

    def name(self, site: str) -> str:
        """A site's name."""
        return self.names.get(site, site)


def minute_of(db: Connection, session: Session) -> Minute:
    """Gather everything that was written down about a session."""
    known = {row.id: row for row in sites.all_sites(db)}
    found = tuple(
        StageFound(row, decisions.find_snapshot(db, row.snapshot) if row.snapshot is not None else None)
        for row in stages.of_session(db, session.id)
    )
    decided = decisions.decisions_of(db, session.id)
    since, until = session.starts_at - _COMMANDS_BEFORE, session.ends_at
    asked = commands.between(db, session.sites, since, until)
    steps = commands.steps_of(db, [row.id for row in asked])
    return Minute(
        session, {id: row.name for id, row in known.items()},
        tuple(id for id, row in known.items() if row.kind == "hub" and id in session.sites), found, tuple(decided),
        decisions.standing_snapshot(db, session.id),
        tuple(decisions.waivers_of(db, session.id)), tuple(reversed(setbacks.of_session(db, session.id))),
        tuple((row, tuple(steps.get(row.id, ()))) for row in asked),
        tuple(confirmations.duties_between(db, session.sites, since, until)),
        tuple(confirmations.ticks_of(db, session.id)),
        tuple(recordings.of_session(db, session.id)),
    )  # fmt: skip


def on_duty(minute: Minute, site: str, at: datetime) -> confirmations.DutyRow | None:
    """Who looked after a room when it began: the last who had said so until then or longer, else the first after."""
    mine = [row for row in minute.duties if row.site == site]
    before = [row for row in mine if row.duty.at <= at.timestamp() < row.duty.until]
    after = [row for row in mine if row.duty.at > at.timestamp()]
    return before[-1] if before else after[0] if after else None


def outcomes_of(found: Iterable[SiteFound]) -> Counter[str]:
    """How many sites were admitted, and how many were not."""
    return Counter("admitted" if each.admitted else "not_admitted" for each in found)
