"""Displays over PJLink: the driver's library was written by others, so that it and our simulator check each other."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from device_drivers.display_pjlink.driver import DisplayPjlink
from device_drivers.display_pjlink.simulator import SimulatedDisplay
from device_drivers.equipment import EquipmentLoop
from device_drivers.errors import ActFailed, WrongCredentials
from tests.counterparts.waiting import wait_for
from wire.times import SystemClock


@pytest.fixture
def display(equipment: EquipmentLoop) -> SimulatedDisplay:
    found = SimulatedDisplay()
    equipment.run(found.plug_in())
    return found


@pytest.fixture
def driver(display: SimulatedDisplay) -> Iterator[DisplayPjlink]:
    found = driver_of(display)
    yield found
    found.close()


class HastyClock(SystemClock):
    """Every second is five minutes."""

    def monotonic(self) -> float:
        return super().monotonic() * 300


def driver_of(display: SimulatedDisplay, **changed: Any) -> DisplayPjlink:
    return DisplayPjlink(msgspec.convert(display.settings() | changed, DisplayPjlink.Settings), SystemClock())


def done(driver: DisplayPjlink, action: str, **params: Any) -> list[str]:
    told: list[str] = []
    driver.act(action, params, lambda detail, **_: told.append(detail))
    return told


def test_a_display_tells_what_it_is_and_shows(driver: DisplayPjlink, display: SimulatedDisplay) -> None:
    display.faults = "001020"
    seen = driver.observe()
    assert (seen.identity.make, seen.identity.model) == ("EPSON", "EB-L210W")
    assert (seen.identity.serial, seen.identity.firmware) == ("X4SW0100523", "1.05")
    assert seen.readings["power"] == "on"
    assert (seen.readings["input"], seen.readings["input_name"], seen.readings["input_right"]) == ("31", "HDMI1", True)
    assert seen.readings["lamp_hours"] == 1840
    assert seen.readings["temperature_fault"] == "warning"
    assert seen.readings["filter_fault"] == "error"
    assert seen.readings["lamp_fault"] == "ok"
    choose = next(spec for spec in seen.actions if spec.action == "set_input")
    assert choose.params[0].values == ("11", "31", "32", "51")


def test_an_older_display_tells_less_and_is_no_fault(driver: DisplayPjlink, display: SimulatedDisplay) -> None:
    display.pj_class = 1
    seen = driver.observe()
    assert seen.readings["power"] == "on"
    assert seen.readings["input"] == "31"
    assert seen.readings["input_name"] is None
    assert seen.identity.serial == ""


def test_a_display_that_is_off_says_so_and_has_no_input(driver: DisplayPjlink, display: SimulatedDisplay) -> None:
    display.takes_s = 3.0
    display.switch(False)
    assert driver.observe().readings["power"] == "cooling"
    wait_for(lambda: driver.observe().readings["power"] == "off", 3)
    seen = driver.observe().readings
    assert (seen["input"], seen["input_right"], seen["picture_muted"]) == (None, None, None)


@pytest.mark.parametrize(("ours", "theirs"), [("wrong", "right"), (None, "right")])
def test_a_wrong_password_is_said_to_be_one(display: SimulatedDisplay, ours: str | None, theirs: str) -> None:
    display.password = theirs
    assert driver_of(display).observe().readings["power"] == "on"
    with pytest.raises(WrongCredentials):
        driver_of(display, password=ours).observe()


@pytest.mark.parametrize("password", [None, "secret"])
def test_a_display_that_refuses_questions_while_it_warms_up_is_not_ill(
    display: SimulatedDisplay, password: str | None
) -> None:
    display.password, display.refuses_while_on_its_way, display.takes_s = password, True, 2.0
    driver = driver_of(display)
    assert done(driver, "off") == ["handed_over"]
    display.switch(True)
    assert driver.observe().readings["power"] is None, "it does not say"
    wait_for(lambda: driver.observe().readings["power"] == "on", 20)


def test_what_pjlink_does_not_have_is_no_reason_to_lose_the_rest(
    driver: DisplayPjlink, display: SimulatedDisplay
) -> None:
    display.muted = "10"
    readings = driver.observe().readings
    assert (readings["power"], readings["picture_muted"], readings["lamp_hours"]) == ("on", None, 1_840)


def test_on_and_off_are_done_when_the_display_is(driver: DisplayPjlink, display: SimulatedDisplay) -> None:
    display.takes_s = 3.0  # longer than a stall, or nobody sees it cool
    assert done(driver, "off") == ["handed_over", "cooling"]
    assert display.power == "0"
    assert done(driver, "on") == ["handed_over", "warming"]
    assert display.power == "1"


def test_an_ok_without_an_effect_is_a_failure(display: SimulatedDisplay) -> None:
    display.ignores_power = True
    driver = DisplayPjlink(msgspec.convert(display.settings(), DisplayPjlink.Settings), HastyClock())
    with pytest.raises(ActFailed, match="no_effect_seen"):
        done(driver, "off")


def test_an_input_is_chosen_or_the_refusal_is_told(driver: DisplayPjlink, display: SimulatedDisplay) -> None:
    driver.observe()
    done(driver, "set_input", input="32")
    assert display.input == "32"
    assert driver.observe().readings["input_right"] is False
    display.switch(False)
    with pytest.raises(ActFailed, match="refused_by_device"):
        done(driver, "set_input", input="31")
