"""The mixer driver against its simulator, and the simulator against a client that we did not write."""

import asyncio
import random
import struct
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from behringer_mixer import mixer_api
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.equipment import EquipmentLoop
from device_drivers.errors import ActFailed, BadAnswer, DriverError, Misconfigured, NotAnswering
from device_drivers.mixer_osc.driver import MixerOsc
from device_drivers.mixer_osc.line import decoded
from device_drivers.mixer_osc.protocol import FAMILIES, Family, db_of, peak_of, position_of, readings_of
from device_drivers.mixer_osc.simulator import SimulatedMixer
from tests.counterparts.waiting import wait_for
from wire.times import SystemClock


@pytest.fixture(params=["x32", "xair"])
def mixer(request: pytest.FixtureRequest, equipment: EquipmentLoop) -> SimulatedMixer:
    found = SimulatedMixer(family=request.param)
    equipment.run(found.plug_in())
    return found


@pytest.fixture
def driver(mixer: SimulatedMixer) -> Iterator[MixerOsc]:
    found = driver_of(mixer)
    yield found
    found.close()


def driver_of(mixer: SimulatedMixer, **changed: Any) -> MixerOsc:
    settings = mixer.settings() | {"timeout_s": 1.0} | changed
    return MixerOsc(msgspec.convert(settings, MixerOsc.Settings), SystemClock())


def strip(mixer: SimulatedMixer, target: str) -> str:
    return FAMILIES[mixer.family].strip(target)


def silent(detail: str, **params: object) -> None:
    return None


def test_a_mixer_says_who_it_is_and_what_is_muted(mixer: SimulatedMixer, driver: MixerOsc) -> None:
    seen = driver.observe()
    assert seen.identity.model == ("X32" if mixer.family == "x32" else "XR18")
    assert seen.readings["main_muted"] is False and seen.readings["mic_muted"] is False
    assert seen.readings["mic_fader"] == 0.0 and seen.readings["scene"] == 3
    assert seen.readings["input_level"] == -26.0
    mixer.values[f"{strip(mixer, '2')}/on"] = 0
    mixer.values[f"{strip(mixer, '2')}/fader"] = 0.5
    seen = driver.observe()
    assert seen.readings["mic_muted"] is True and seen.readings["muted_channels"] == "2"
    assert seen.readings["mic_fader"] == -10.0


def test_channels_that_a_mixer_does_not_have_are_a_matter_of_its_settings(mixer: SimulatedMixer) -> None:
    most = FAMILIES[mixer.family].channels
    assert driver_of(mixer, channels=[most]).settings.channels == (most,)
    if most < 32:
        with pytest.raises(Misconfigured, match=f"has {most} channels"):
            driver_of(mixer, channels=[1, most + 1])


def test_lost_replies_are_asked_for_again(mixer: SimulatedMixer, driver: MixerOsc) -> None:
    chance = random.Random(7)
    mixer.loses = lambda: chance.random() < 0.25
    for _ in range(10):
        assert driver.observe().readings["main_muted"] is False


def test_what_is_never_answered_is_no_evidence(mixer: SimulatedMixer, driver: MixerOsc) -> None:
    del mixer.values[f"{strip(mixer, 'main')}/on"]
    seen = driver.observe()
    assert seen.readings["main_muted"] is None and seen.readings["mic_muted"] is False


@pytest.mark.parametrize(
    ("action", "params", "address", "before", "after"),
    [
        ("mute", {"target": "main"}, "main/on", 1, 0),
        ("unmute", {"target": "2"}, "2/on", 0, 1),
        ("set_fader", {"target": "1", "level": -12.0}, "1/fader", 0.75, 0.475),
    ],
)
def test_what_was_set_is_read_back(
    mixer: SimulatedMixer, driver: MixerOsc, action: str, params: dict[str, Any], address: str, before: float,
    after: float,
) -> None:  # fmt: skip
    target, part = address.split("/")
    mixer.values[f"{strip(mixer, target)}/{part}"] = before
    assert float(driver.act(action, params, silent)["took_s"] or 0) < 1
    assert mixer.values[f"{strip(mixer, target)}/{part}"] == pytest.approx(after)


def test_a_scene_that_is_not_there_is_not_done(mixer: SimulatedMixer, driver: MixerOsc) -> None:
    driver.act("recall_scene", {"scene": 7.0}, silent)
    assert driver.observe().readings["scene"] == 7
    mixer.scenes = 5
    with pytest.raises(ActFailed, match="no_effect_seen"):
        driver.act("recall_scene", {"scene": 9.0}, silent)


def test_a_locked_desk_takes_the_order_and_nothing_happens(mixer: SimulatedMixer, driver: MixerOsc) -> None:
    mixer.is_locked = True
    with pytest.raises(ActFailed, match="no_effect_seen"):
        driver.act("mute", {"target": "main"}, silent)
    assert mixer.received and driver.observe().readings["main_muted"] is False


def test_a_mixer_that_goes_during_an_act_is_not_believed(
    mixer: SimulatedMixer, driver: MixerOsc, equipment: EquipmentLoop
) -> None:
    mixer.frozen = True
    with pytest.raises(NotAnswering):
        driver.act("mute", {"target": "main"}, silent)


def test_a_hand_at_the_desk_wakes_the_agent(mixer: SimulatedMixer, driver: MixerOsc, equipment: EquipmentLoop) -> None:
    stop, woken = threading.Event(), threading.Event()
    watcher = threading.Thread(target=driver.watch, args=(stop, woken.set))
    watcher.start()

    async def turn() -> None:
        mixer.turn(f"{strip(mixer, 'main')}/on", 0)

    def heard() -> bool:
        equipment.run(turn())
        return woken.wait(0.1)

    try:
        wait_for(heard, 5, "nobody was woken")
    finally:
        stop.set()
        watcher.join(5)
    assert not watcher.is_alive()


def test_an_independent_client_reads_the_simulator_as_we_do(mixer: SimulatedMixer, driver: MixerOsc) -> None:
    mixer.values[f"{strip(mixer, 'main')}/on"] = 0
    mixer.values[f"{strip(mixer, '2')}/fader"] = 0.5

    async def read() -> tuple[Any, ...]:
        kind = "X32" if mixer.family == "x32" else "XR18"
        client = mixer_api.create(kind, ip="127.0.0.1", port=mixer.port, delay=0.002, include=["channels", "mains"])
        assert await client.start()
        wanted = ("/main/st/mix_on", "/ch/2/mix_fader_db")
        try:
            async with asyncio.timeout(20):
                while any(client.state(key) is None for key in wanted):
                    await client.reload()
            return client.name(), *(client.state(key) for key in wanted)
        finally:
            await client.stop()

    name, main_on, fader_db = asyncio.run(read())
    seen = driver.observe()
    assert name == mixer.info[1]
    assert main_on is not seen.readings["main_muted"]
    assert fader_db == seen.readings["mic_fader"] == -10.0


@given(st.binary(max_size=300))
def test_any_datagram_is_a_message_or_a_typed_error(datagram: bytes) -> None:
    try:
        address, arguments = decoded(datagram, "a mixer")
    except DriverError:
        return
    assert address.startswith("/") and isinstance(arguments, list)


_ARGUMENT = st.one_of(st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=80), st.booleans(), st.none())


@given(st.sampled_from(["x32", "xair"]), st.data())
def test_any_arguments_are_readings_or_a_typed_error(family: Family, data: st.DataObject) -> None:
    at = FAMILIES[family]
    addresses = [at.scene, "/meters/1", *(f"{at.strip(target)}/{part}" for target in ("main", "1", "2")
                                          for part in ("on", "fader"))]  # fmt: skip
    answers = {address: data.draw(st.lists(_ARGUMENT, max_size=2)) for address in addresses}
    try:
        readings = readings_of(family, (1, 2), answers)
    except BadAnswer:
        return
    level = readings["input_level"]
    assert level is None or -128 <= float(level) <= 128


@given(st.floats(min_value=0, max_value=1))
def test_the_fader_law_goes_there_and_back(position: float) -> None:
    assert position_of(db_of(position)) == pytest.approx(position, abs=0.002)


def test_the_loudest_channel_counts() -> None:
    assert peak_of("x32", struct.pack("<i3f", 3, 0.1, 1.0, 0.5), (1, 3)) == pytest.approx(-6.0, abs=0.1)
    assert peak_of("xair", struct.pack("<i3h", 3, -256 * 40, 0, -256 * 20), (1, 3)) == -20.0
    with pytest.raises(BadAnswer):
        peak_of("x32", struct.pack("<i1f", 1, 0.1), (2,))
