"""A series goes on when one of its sites does not."""

import asyncio
from datetime import date, timedelta

from fleet_server.domain.series import Rhythm
from fleet_server.sessions.series import SeriesDesk
from fleet_server.store.database import millis
from fleet_server.store.series import SeriesRow
from fleet_server.store.sites import close_site
from tests.counterparts.centre_without_wires import HOURS, CentreWithoutWires
from wire.ids import uuid7


def test_a_series_goes_on_without_a_site_that_was_closed(centre: CentreWithoutWires) -> None:
    async def story() -> None:
        await centre.start()
        first: date = centre.clock.now().date() + timedelta(days=1)
        rhythm = Rhythm("week", weekday=first.weekday())
        row = SeriesRow(uuid7(), "Phiên định kỳ", "", rhythm, "08:00", 60, first, None, ("hub", "r001", "r002"), "x")
        await SeriesDesk(centre.database, centre.sessions, centre.clock, HOURS.zone).begin(row)
        before = len(centre.sessions.upcoming())
        centre.database.write_now(lambda db: close_site(db, "r002", millis(centre.clock.now())))
        centre.clock.pass_by(timedelta(days=70).total_seconds())
        await centre.start()
        again = SeriesDesk(centre.database, centre.sessions, centre.clock, HOURS.zone)
        for known in await again.going_on():
            await again._plan(known)
        coming = centre.sessions.upcoming()
        assert len(coming) >= before and coming[-1].sites == ("hub", "r001")

    asyncio.run(story())
