"""Queries about line tests."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, insert, select, update

from fleet_server.domain.line_tests import LineTest, LineTestState
from fleet_server.store.database import millis, moment
from fleet_server.store.tables import line_tests

_OPEN = (LineTestState.WAITING.value, LineTestState.RUNNING.value)


def add(db: Connection, tests: Sequence[LineTest]) -> None:
    """New tests, all of them or none."""
    if tests:
        db.execute(insert(line_tests), [_values(test) for test in tests])


def save(db: Connection, test: LineTest) -> None:
    """The test as it is now."""
    db.execute(update(line_tests).where(line_tests.c.id == test.id).values(_values(test)))


def not_ended(db: Connection) -> list[LineTest]:
    """Those that wait or run, in the order of their asking."""
    rows = db.execute(select(line_tests).where(line_tests.c.state.in_(_OPEN)).order_by(line_tests.c.id))
    return [_test(row) for row in rows]


def find(db: Connection, test: str) -> LineTest | None:
    """A test by its id."""
    row = db.execute(select(line_tests).where(line_tests.c.id == test)).first()
    return _test(row) if row is not None else None


def newest_of_site(db: Connection, site: str) -> LineTest | None:
    """The last test that was asked of a site."""
    row = db.execute(
        select(line_tests).where(line_tests.c.site == site).order_by(line_tests.c.id.desc()).limit(1)
    ).first()
    return _test(row) if row is not None else None


def _values(test: LineTest) -> dict[str, Any]:
    return {
        "id": test.id, "site": test.site, "by": test.by, "asked_at": millis(test.asked_at), "one_room": test.one_room,
        "state": str(test.state), "command": test.command,
        "started_at": millis(test.started_at) if test.started_at else None,
        "ended_at": millis(test.ended_at) if test.ended_at else None,
        "down_mbit_s": test.down_mbit_s, "up_mbit_s": test.up_mbit_s, "method": test.method, "detail": test.detail,
    }  # fmt: skip


def _test(row: Any) -> LineTest:
    return LineTest(
        row.id, row.site, row.by, moment(row.asked_at), bool(row.one_room), LineTestState(row.state), row.command,
        moment(row.started_at) if row.started_at is not None else None,
        moment(row.ended_at) if row.ended_at is not None else None,
        row.down_mbit_s, row.up_mbit_s, row.method, row.detail,
    )  # fmt: skip
