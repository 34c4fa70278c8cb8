"""What a room says when one part of it cannot be said."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_agent.log import RoomLog
from edge_agent.reporter import Reporter
from edge_agent.room import without_choices
from edge_agent.store import Store
from tests.counterparts.waiting import wait_for
from wire.codec import encode
from wire.description import ActionSpec, ParamSpec
from wire.errors import TooLarge
from wire.ids import uuid7
from wire.messages import About, DeviceAbout, LogBatch, Report
from wire.times import SystemClock


class NarrowLink:
    """Carries everything but the description of the room."""

    is_connected = True

    def __init__(self) -> None:
        self.said: list[object] = []

    def say_about(self, about: About) -> bool:
        """It is always too large."""
        raise TooLarge(f"{about.revision} does not fit")

    def say_report(self, report: Report) -> bool:
        """Taken."""
        self.said.append(report)
        return True

    def say_log(self, batch: LogBatch) -> bool:
        """Taken."""
        self.said.append(batch)
        return True


def test_report_and_log_are_said_though_the_description_does_not_fit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, store, link = SystemClock(), Store(tmp_path), NarrowLink()
    log = RoomLog(store, clock)
    log.event("agent_started")
    devices: Any = SimpleNamespace(workers={}, specs={})
    reporter = Reporter(devices, link, log, uuid7(), "0" * 16, clock, lambda _: None)  # type: ignore[arg-type]
    reporter.interval_s = 1.0
    stop = threading.Event()
    thread = threading.Thread(target=reporter.run, args=(stop, lambda: None))
    thread.start()
    try:
        wait_for(lambda: sum(isinstance(each, Report) for each in link.said) >= 2, 20, "no report")
        assert any(isinstance(each, LogBatch) for each in link.said)
    finally:
        stop.set()
        thread.join(10)
        store.close()
    assert caplog.text.count("not_said what=about") == 1, "it is said once"


def test_a_room_whose_cameras_name_too_much_is_described_without_the_choices() -> None:
    tokens = tuple(f"{nr:0>64}" for nr in range(64))
    goto = ActionSpec("goto_preset", (ParamSpec("preset", "choice", values=tokens),))
    cameras = tuple(DeviceAbout(f"camera-{nr}", "camera", "camera_onvif", actions=(goto,)) for nr in range(40))
    about = About("0" * 16, cameras, {})
    with pytest.raises(TooLarge):
        encode(about)
    fits = without_choices(about)
    assert len(encode(fits)) < 32_000 and fits.revision == about.revision
    assert [device.actions[0].action for device in fits.devices] == ["goto_preset"] * 40
