"""Relays on gpiozero's own mock pins: pulses, contacts, and what is left when we end."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from device_drivers.equipment import EquipmentLoop
from device_drivers.errors import DriverError, Misconfigured
from device_drivers.relay_gpio.driver import RelayGpio
from device_drivers.relay_gpio.simulator import SimulatedRelays
from tests.counterparts.waiting import wait_for
from wire.times import SystemClock

CAMERA_PIN = 27


@pytest.fixture
def relays(equipment: EquipmentLoop) -> SimulatedRelays:
    found = SimulatedRelays()
    equipment.run(found.plug_in())
    return found


@pytest.fixture
def driver(relays: SimulatedRelays) -> Iterator[RelayGpio]:
    found = driver_of(relays.settings())
    yield found
    found.close()


def driver_of(settings: dict[str, Any]) -> RelayGpio:
    return RelayGpio(msgspec.convert(settings, RelayGpio.Settings), SystemClock())


def one_output(relays: SimulatedRelays, **changed: Any) -> RelayGpio:
    output = {"name": "load", "pin": CAMERA_PIN, "at_rest": "on", "pause_s": 0.3} | changed
    return driver_of(relays.settings() | {"outputs": [output], "inputs": {}})


def test_contacts_are_read_and_a_change_is_heard_at_once(driver: RelayGpio, relays: SimulatedRelays) -> None:
    assert driver.observe().readings["door_open"] is False
    stop, heard = threading.Event(), threading.Event()
    listener = driver_of(relays.settings())
    watcher = threading.Thread(target=listener.watch, args=(stop, heard.set))
    watcher.start()

    def is_heard() -> bool:
        relays.open_door(False)
        relays.open_door(True)
        return heard.is_set()

    wait_for(is_heard, 3)
    assert driver.observe().readings["door_open"] is True
    stop.set()
    watcher.join(3)


def test_a_power_cycle_takes_the_power_for_the_pause_and_gives_it_back(
    driver: RelayGpio, relays: SimulatedRelays
) -> None:
    driver.observe()
    pin, told = relays.board.pin(CAMERA_PIN), list[str]()
    pin.clear_states()
    driver.act("power_cycle", {"output": "camera"}, lambda detail, **_: told.append(detail))
    assert told == ["outlet_off"]
    assert [state.state for state in pin.states] == [True, False, True], "low pulls the coil, and only once"
    assert 0.5 <= pin.states[-1].timestamp < 1.5
    assert driver.observe().readings["output_2"] is True


@pytest.mark.parametrize("active_high", [False, True])
@pytest.mark.parametrize("at_rest", ["on", "off"])
def test_a_start_and_a_stop_release_the_coil(relays: SimulatedRelays, at_rest: str, active_high: bool) -> None:
    pin = relays.board.pin(CAMERA_PIN)
    driver = one_output(relays, at_rest=at_rest, active_high=active_high)
    assert driver.observe().readings["output_1"] is (at_rest == "on")
    assert pin.state is not active_high and not any(state.state == active_high for state in pin.states[1:])
    driver.act("power_off" if at_rest == "on" else "power_on", {"output": "load"}, lambda *_, **__: None)
    assert pin.state is active_high
    assert driver.observe().readings["output_1"] is (at_rest != "on")
    driver.close()
    assert pin.function == "input", "a board whose input floats lets go of the coil"
    again = one_output(relays, at_rest=at_rest, active_high=active_high)
    assert again.observe().readings["output_1"] is (at_rest == "on")
    again.close()


def test_the_power_comes_back_when_a_cycle_is_broken_off(driver: RelayGpio, relays: SimulatedRelays) -> None:
    driver.observe()

    def fails(detail: str, **_: Any) -> None:
        raise RuntimeError(detail)

    with pytest.raises(RuntimeError):
        driver.act("power_cycle", {"output": "camera"}, fails)
    assert driver.observe().readings["output_2"] is True


def test_a_crash_leaves_no_power_off_behind(relays: SimulatedRelays) -> None:
    """An exception that nobody handles ends the process: the interpreter lets go of every pin on its way out."""
    code = """
import atexit
# Registered before gpiozero's own, so that it runs after it.
atexit.register(lambda: print(board.pin(27).function))
import msgspec
from gpiozero import Device
from gpiozero.pins.mock import MockFactory
board = Device.pin_factory = MockFactory()
from device_drivers.relay_gpio.driver import RelayGpio
from wire.times import SystemClock
settings = {"outputs": [{"name": "load", "pin": 27, "at_rest": "on"}]}
driver = RelayGpio(msgspec.convert(settings, RelayGpio.Settings), SystemClock())
driver.act("power_off", {"output": "load"}, lambda *a, **k: None)
print(board.pin(27).function)
raise RuntimeError("crash")
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 1 and "crash" in ran.stderr
    assert ran.stdout.split() == ["output", "input"], ran.stderr


def test_a_computer_without_pins_is_misconfigured_and_not_a_crash() -> None:
    driver = driver_of({"board": {"pins": "lgpio"}, "outputs": [{"name": "load", "pin": 27, "at_rest": "on"}]})
    with pytest.raises(Misconfigured, match="lgpio"):
        driver.observe()


def test_two_loads_on_one_pin_are_misconfigured(relays: SimulatedRelays) -> None:
    twice = [{"name": name, "pin": 4, "at_rest": "on"} for name in ("a", "b")]
    driver = driver_of(relays.settings() | {"outputs": twice})
    with pytest.raises(Misconfigured, match="4"):
        driver.observe()
    with pytest.raises(DriverError):
        driver.observe()
