"""The UPS driver against NUT's own upsd, and against commands that the dummy driver does not have."""

import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from demo.processes import Processes
from demo.this_machine import _DUMMY, _UPSD, start_upsd
from device_drivers.equipment import EquipmentLoop
from device_drivers.errors import ActFailed, DriverError, Misconfigured, NotAnswering, StaleAnswer, WrongCredentials
from device_drivers.ups_nut.driver import UpsNut
from device_drivers.ups_nut.protocol import actions_of, readings_of
from device_drivers.ups_nut.simulator import SimulatedUps
from tests.conftest import need
from tests.counterparts.waiting import listening, wait_for
from wire.times import SystemClock


def ups_at(port: int, **changed: Any) -> UpsNut:
    settings = {"ups": "room", "port": port, "username": "noc", "password": "noc", "timeout_s": 2.0} | changed
    return UpsNut(msgspec.convert(settings, UpsNut.Settings), SystemClock())


@pytest.fixture
def upsd(processes: Processes, tmp_path: Path) -> int:
    need(_UPSD.exists() and _DUMMY.exists(), "nut-server")
    port = start_upsd(processes, tmp_path / "nut")
    listening(port)
    return port


def seen(driver: UpsNut, key: str) -> object:
    try:
        return driver.observe().readings[key]
    except DriverError as error:
        return type(error)


def test_a_real_upsd_is_read_and_its_changes_are_seen(upsd: int, tmp_path: Path) -> None:
    driver = ups_at(upsd)
    wait_for(lambda: seen(driver, "power_source") == "mains", 15)
    found = driver.observe()
    assert found.identity.serial == "0000000001"
    assert (found.readings["battery_charge"], found.readings["battery_runtime"]) == (100.0, 10_800.0)
    assert "load.off" not in {action.action for action in found.actions}
    device = tmp_path / "nut" / "conf" / "room.dev"
    device.write_text(device.read_text().replace("OL CHRG", "OB DISCHRG LB").replace("10800", "240"))
    wait_for(lambda: seen(driver, "power_source") == "battery", 10)
    assert driver.observe().readings["battery_low"] is True
    assert driver.observe().readings["battery_runtime"] == 240.0


def test_a_real_upsd_that_has_lost_its_driver_is_stale_and_never_on_mains(upsd: int, processes: Processes) -> None:
    driver = ups_at(upsd)
    wait_for(lambda: seen(driver, "power_source") == "mains", 15)
    lost = next(child for name, child in processes._running if name == "ups-driver")
    os.kill(lost.pid, signal.SIGSTOP)
    wait_for(lambda: seen(driver, "power_source") is StaleAnswer, 20)
    os.kill(lost.pid, signal.SIGCONT)
    wait_for(lambda: seen(driver, "power_source") == "mains", 15)
    lost.kill()
    wait_for(lambda: seen(driver, "power_source") is StaleAnswer, 10)
    processes.forget(lost)


def test_a_real_upsd_names_what_is_wrong(upsd: int) -> None:
    wait_for(lambda: seen(ups_at(upsd), "power_source") == "mains", 15)
    assert seen(ups_at(upsd, ups="other"), "power_source") is Misconfigured


def test_a_wrong_password_is_told_apart_when_it_is_needed(equipment: EquipmentLoop) -> None:
    ups = SimulatedUps()
    equipment.run(ups.plug_in())
    driver = ups_at(ups.port, password="other")
    assert seen(driver, "power_source") == "mains"
    with pytest.raises(WrongCredentials):
        driver.act("beeper.mute", {}, lambda detail, **params: None)
    assert ups.executed == []


def test_an_act_that_has_no_effect_fails_although_upsd_says_ok(equipment: EquipmentLoop) -> None:
    class Deaf(SimulatedUps):
        def _command(self, command: str, given: dict[str, str]) -> str:
            self.executed.append(command)
            return "OK"

    ups = Deaf()
    equipment.run(ups.plug_in())
    with pytest.raises(ActFailed) as failed:
        ups_at(ups.port).act("beeper.mute", {}, lambda detail, **params: None)
    assert failed.value.reason == "no_effect_seen"
    assert ups.executed == ["beeper.mute"]


def test_a_command_is_said_once_where_upsd_hangs_up_and_what_the_ups_shows_counts(equipment: EquipmentLoop) -> None:
    ups = SimulatedUps()
    equipment.run(ups.plug_in())
    ups.hangs_up = True
    ups_at(ups.port).act("beeper.mute", {}, lambda detail, **params: None)
    assert ups.executed == ["beeper.mute"] and ups.variables["ups.beeper.status"] == "muted"
    with pytest.raises(NotAnswering):
        ups_at(ups.port).act("beeper.mute", {}, lambda detail, **params: None)
    assert ups.executed == ["beeper.mute", "beeper.mute"], "it was muted before: nothing tells that it took it"


def test_an_outlet_is_seen_off_and_on(equipment: EquipmentLoop) -> None:
    ups = SimulatedUps()
    equipment.run(ups.plug_in())
    steps: list[str] = []
    ups_at(ups.port).act("outlet.1.load.cycle", {}, lambda detail, **params: steps.append(detail))
    assert steps == ["handed_over", "outlet_off"]


def test_a_ups_that_dies_in_a_test_ends_it_with_an_error(equipment: EquipmentLoop) -> None:
    ups = SimulatedUps()
    ups.test_s = 60.0
    equipment.run(ups.plug_in())

    def then_unplug(detail: str, **params: object) -> None:
        if detail == "test_running":
            ups.commands = ()
            equipment.run(ups.unplug())

    driver = ups_at(ups.port)
    spec = next(spec for spec in driver.observe().actions if spec.action == "test.battery.start.quick")
    assert spec.takes_s <= 120
    clock = Hurrying()
    driver.clock = clock
    with pytest.raises(DriverError):
        driver.act("test.battery.start.quick", {}, then_unplug)


class Hurrying(SystemClock):
    """Each look at the clock is ten seconds later."""

    def __init__(self) -> None:
        self._s = 0.0

    def monotonic(self) -> float:
        self._s += 10.0 if self._s < 1e6 else 0.0
        return self._s / 10


def test_only_what_comes_back_by_itself_is_offered() -> None:
    listed = {
        "load.off", "load.on", "shutdown.return", "shutdown.stayoff", "outlet.1.load.off", "outlet.1.load.cycle",
        "test.battery.start", "test.battery.start.deep", "test.panel.start", "beeper.toggle", "beeper.mute",
    }  # fmt: skip
    assert [spec.action for spec in actions_of(listed)] == [
        "beeper.mute", "outlet.1.load.cycle", "test.battery.start", "test.battery.start.deep",
    ]  # fmt: skip
    assert all(spec.dangerous for spec in actions_of({"outlet.1.load.cycle"}))


@pytest.mark.parametrize(
    ("status", "source"),
    [("OL", "mains"), ("OL CHRG", "mains"), ("OB DISCHRG", "battery"), ("OL OB", "battery"), ("OFF", "off"),
     ("OL OFF", "off"), ("WAIT", None), ("", None), ("OL WAIT", None)],
)  # fmt: skip
def test_the_power_source_is_read_from_the_status(status: str, source: str | None) -> None:
    assert readings_of({"ups.status": status})["power_source"] == source
