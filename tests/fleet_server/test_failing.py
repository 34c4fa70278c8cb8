"""Work that fails for a while is said once when it begins and once when it is over."""

import logging

import pytest
from sqlalchemy.exc import OperationalError

from fleet_server.failing import Failing

BROKEN = OperationalError("SELECT secret", {}, Exception("the disk is full"))


def test_a_spell_of_failures_is_said_at_its_beginning_and_with_its_count_at_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failing, said = Failing(logging.getLogger("tests"), "thing_not_kept"), "thing_not_kept error=OperationalError"
    caplog.set_level(logging.INFO)
    for error in (None, BROKEN, BROKEN, BROKEN, None, None, BROKEN):
        with failing:
            if error is not None:
                raise error
        assert bool(failing) is (error is not None)
    assert [record.getMessage() for record in caplog.records] == [
        said, "thing_not_kept_no_more times=3", said,
    ]  # fmt: skip


def test_what_it_was_not_made_for_is_not_swallowed() -> None:
    failing = Failing(logging.getLogger("tests"), "thing_not_kept", OSError)
    with pytest.raises(ValueError), failing:
        raise ValueError
    with failing:
        raise FileNotFoundError
    assert failing
    with pytest.raises(ValueError), failing:
        raise ValueError
    assert failing, "that says nothing of what it was made for"
