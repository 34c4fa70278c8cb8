"""The room's light on pins without a board, beside a camera whose readings are handed over as the agent would."""

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from device_drivers.driver import Sighting
from device_drivers.errors import ActFailed, Misconfigured, NotAnswering, NotOffered
from device_drivers.light.driver import Light
from device_drivers.light.simulator import SimulatedLight
from wire.times import SystemClock


def light_of(**settings: Any) -> Light:
    return Light(msgspec.convert(settings, Light.Settings), SystemClock())


@pytest.fixture
def room() -> SimulatedLight:
    return SimulatedLight()


@pytest.fixture
def light(room: SimulatedLight) -> Iterator[Light]:
    found = light_of(**room.settings())
    found.neighbour = room.neighbour
    yield found
    found.close()


def done(light: Light, action: str) -> tuple[list[str], dict[str, Any]]:
    steps: list[str] = []
    return steps, dict(light.act(action, {}, lambda detail, **_: steps.append(detail)))


def test_brightness_is_the_cameras_and_as_old_as_the_camera_says() -> None:
    asked: list[tuple[str, str]] = []
    seen_s = time.monotonic() - 240

    def camera(device: str, key: str) -> Sighting:
        asked.append((device, key))
        return Sighting(41.5, seen_s)

    light = light_of(camera="camera-2", make="Philips")
    light.neighbour = camera
    seen = light.observe()
    assert seen.readings == {"brightness": 41.5, "lit": None, "switched_on": None}
    assert seen.older == {"brightness": seen_s}
    assert seen.seen_s >= seen_s + 240, "the observation itself is new"
    assert asked == [("camera-2", "brightness")]
    assert (seen.actions, seen.identity.make) == ((), "Philips")


def test_brightness_is_not_made_up_when_the_camera_has_none() -> None:
    light = light_of(camera="camera-1")
    assert light.observe().readings["brightness"] is None, "nobody has put a room together"
    light.neighbour = lambda device, key: None
    seen = light.observe()
    assert (seen.readings["brightness"], seen.older) == (None, {})
    light.neighbour = lambda device, key: Sighting(None, 7.0)
    assert light.observe().readings["brightness"] is None


def test_the_sensor_is_read_as_its_pin_stands_when_it_changes(light: Light, room: SimulatedLight) -> None:
    assert (light.observe().readings["lit"], light.observe().readings["switched_on"]) == (True, True)
    room.burn_out()
    assert (light.observe().readings["lit"], light.observe().readings["switched_on"]) == (False, True)
    room.burn_out(False)
    assert light.observe().readings["lit"] is True


def test_a_switching_is_proved_by_pin_and_sensor_when_it_is_done(light: Light, room: SimulatedLight) -> None:
    steps, result = done(light, "switch_off")
    assert steps == ["handed_over"]
    assert result["took_s"] < 1
    assert room.board.pin(16).state is False, "a low level pulls the coil of the normally closed contact"
    seen = light.observe().readings
    assert (seen["lit"], seen["switched_on"]) == (False, False)
    done(light, "switch_on")
    seen = light.observe().readings
    assert (room.board.pin(16).state, seen["lit"], seen["switched_on"]) == (True, True, True)


def test_the_lamps_get_their_power_back_when_the_driver_is_closed(light: Light, room: SimulatedLight) -> None:
    done(light, "switch_off")
    assert room.board.pin(12).state == 0
    light.close()
    assert room.board.pin(16).function == "input", "the coil is released, and at rest the lamps have power"
    assert light.observe().readings["switched_on"] is True


def test_a_switching_on_has_failed_when_the_lamps_are_burnt_out(light: Light, room: SimulatedLight) -> None:
    done(light, "switch_off")
    room.burn_out()
    began_s = time.monotonic()
    with pytest.raises(ActFailed) as failed:
        done(light, "switch_on")
    assert failed.value.reason == "no_effect_seen"
    assert 9.5 < time.monotonic() - began_s < 12, "it is given its time, and no more"
    assert light.observe().readings["switched_on"] is True, "the relay did what it was told"


def test_the_pin_alone_is_the_proof_when_there_is_no_sensor(room: SimulatedLight) -> None:
    settings = room.settings()
    del settings["sensor"]
    light = light_of(**settings)
    room.burn_out()
    assert done(light, "switch_off")[0] == ["handed_over"]
    seen = light.observe().readings
    assert (seen["lit"], seen["switched_on"]) == (None, False)
    light.close()


def test_nothing_can_be_switched_when_there_is_no_relay(room: SimulatedLight) -> None:
    settings = room.settings()
    del settings["switch"]
    light = light_of(**settings)
    assert (light.observe().actions, light.observe().readings["switched_on"]) == ((), None)
    with pytest.raises(NotOffered):
        done(light, "switch_on")
    light.close()


def test_the_light_does_not_answer_when_the_board_is_gone(light: Light, room: SimulatedLight) -> None:
    light.observe()
    room.board.is_gone = True
    with pytest.raises(NotAnswering):
        light.observe()
    room.board.is_gone = False
    assert light.observe().readings["lit"] is True


def test_it_is_misconfigured_when_neither_camera_nor_sensor_is_named(room: SimulatedLight) -> None:
    with pytest.raises(Misconfigured, match="camera or a sensor"):
        light_of()
    with pytest.raises(Misconfigured, match="camera or a sensor"):
        light_of(switch=room.settings()["switch"])


@pytest.mark.parametrize(("settings", "carries"), [({"camera": "camera-1"}, False), ({"sensor": {"pin": 4}}, True)])
def test_pins_cost_nothing_when_there_is_only_a_camera(settings: dict[str, Any], carries: bool) -> None:
    settings = settings | {"board": {"pins": "mock"}}
    code = (
        "import sys, msgspec; from device_drivers.light.driver import Light; from wire.times import SystemClock\n"
        f"light = Light(msgspec.convert({settings!r}, Light.Settings), SystemClock())\n"
        "light.observe(); light.close()\n"
        "print(int('gpiozero' in sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (ran.returncode, ran.stdout.strip()) == (0, str(int(carries))), ran.stderr


def test_lamps_are_known_by_who_tells_of_them_when_nobody_says_what_they_are() -> None:
    assert light_of(camera="camera-2").observe().identity.model == "camera-2"
