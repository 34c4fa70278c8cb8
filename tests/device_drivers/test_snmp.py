"""SNMP against net-snmp's own agent, versions 2c and 3, and against a switch of ours that can ignore us."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.processes import Processes
from device_drivers.equipment import EquipmentLoop
from device_drivers.errors import ActFailed, BadAnswer, DriverError, Misconfigured, NotAnswering, WrongCredentials
from device_drivers.snmp import objects
from device_drivers.snmp.ber import is_sound
from device_drivers.snmp.driver import Snmp
from device_drivers.snmp.simulator import SimulatedAgent
from tests.conftest import need
from tests.counterparts.waiting import wait_for
from tests.device_drivers.conformance.test_every_driver import _Noisy
from wire.times import SystemClock

SNMPD = Path("/usr/sbin/snmpd")
USER = {"name": "noc", "auth": "authpass12", "priv": "privpass12"}
PORT = f"{objects.POE_ADMIN}.1.7"
CONFIG = f"""
agentaddress udp:127.0.0.1:{{port}}
rocommunity readonly 127.0.0.1
rwcommunity readwrite 127.0.0.1
sysname room-switch
createUser noc SHA "authpass12" AES "privpass12"
rouser noc priv
override -rw {PORT} integer 1
override {objects.UPS_MAKE} octet_str "Eaton"
override {objects.UPS_MODEL} octet_str "5P 1550i"
override {objects.BATTERY_STATUS} integer 3
override {objects.MINUTES_LEFT} integer 12
override {objects.CHARGE} integer 31
override {objects.OUTPUT_SOURCE} integer 5
override {objects.INPUT_VOLTAGE} integer 0
override {objects.LOAD} integer 40
override {objects.TEST_RESULT} integer 3
"""


@pytest.fixture
def snmpd(processes: Processes, tmp_path: Path) -> int:
    """The port of a net-snmp agent that also plays a UPS card and a port with PoE."""
    need(SNMPD if SNMPD.exists() else None, "snmpd")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    config = tmp_path / "snmpd.conf"
    config.write_text(CONFIG.format(port=port))
    environment = os.environ | {"SNMP_PERSISTENT_DIR": str(tmp_path), "SNMPCONFPATH": str(tmp_path)}
    processes.start("snmpd", [str(SNMPD), "-f", "-Lo", "-C", "-c", str(config)], env=environment)
    wait_for(lambda: answers(driver_at(port, community="readonly")), 10, "snmpd does not come up")
    return port


def answers(driver: Snmp) -> bool:
    try:
        driver.observe()
    except DriverError:
        return False
    return True


def driver_at(port: int, **settings: Any) -> Snmp:
    wanted = {"host": "127.0.0.1", "port": port, "timeout_s": 1.5} | settings
    return Snmp(msgspec.convert(wanted, Snmp.Settings), SystemClock())


def test_a_ups_that_tells_of_no_test_has_no_bad_battery_and_a_switch_has_none() -> None:
    """Many cards lack the result of a test; a room that waits for it would never be ready."""
    ups = objects.readings_of({objects.OUTPUT_SOURCE: 3, objects.BATTERY_STATUS: 2}, (), "")
    assert (ups["power_source"], ups["replace_battery"]) == ("mains", False)
    assert objects.readings_of({objects.SYS_UPTIME: 100}, (), "")["replace_battery"] is None


def test_an_agent_of_others_tells_its_readings(snmpd: int) -> None:
    seen = driver_at(snmpd, community="readonly").observe()
    assert seen.readings["system_name"] == "room-switch"
    assert seen.readings["links_up"] is None or seen.readings["links_up"] >= 0
    assert 0 <= seen.readings["uptime"] < 60  # type: ignore[operator]
    assert (seen.identity.make, seen.identity.model) == ("Eaton", "5P 1550i")
    assert seen.readings["power_source"] == "battery"
    assert (seen.readings["battery_low"], seen.readings["replace_battery"]) == (True, True)
    assert (seen.readings["battery_charge"], seen.readings["battery_runtime"]) == (31, 720)
    assert seen.actions == ()


@pytest.mark.parametrize(
    ("who", "error"),
    [
        ({"user": USER}, None),
        ({"user": USER | {"auth": "wrongpass12"}}, WrongCredentials),
        ({"user": USER | {"name": "nobody"}}, WrongCredentials),
        ({"user": {"name": "noc"}}, WrongCredentials),
        ({"user": USER | {"priv": "wrongpass12"}}, NotAnswering),
        ({"community": "wrong"}, NotAnswering),
    ],
)
def test_who_is_refused_is_told_so_where_the_protocol_tells_it(
    snmpd: int, who: dict[str, Any], error: type[DriverError] | None
) -> None:
    driver = driver_at(snmpd, **who)
    if error is None:
        assert driver.observe().readings["system_name"] == "room-switch"
        return
    with pytest.raises(error):
        driver.observe()


def test_a_port_is_cut_and_given_back_and_both_are_read_back(snmpd: int) -> None:
    driver = driver_at(snmpd, community="readonly", write_community="readwrite", poe={"ports": ["1.7"], "pause_s": 0.2})
    assert driver.observe().readings["poe_ports_off"] == 0
    told: list[str] = []
    driver.act("cycle_port", {"port": "1.7"}, lambda detail, **_: told.append(detail))
    assert told == ["outlet_off"]
    assert driver.observe().readings["poe_ports_off"] == 0
    assert driver.cuts("cycle_port", {"port": "1.7"}) == "1.7"


def test_a_port_that_was_off_when_we_were_killed_is_given_back(snmpd: int) -> None:
    held = {"ports": ["1.7"], "pause_s": 0.2}
    driver = driver_at(snmpd, community="readonly", write_community="readwrite", poe=held)
    mark = driver.mark("cycle_port", {"port": "1.7"})
    assert mark is not None
    driver._set(f"{objects.POE_ADMIN}.1.7", objects.POE_OFF)
    assert driver.observe().readings["poe_ports_off"] == 1
    driver.give_back("cycle_port", mark)
    assert driver.observe().readings["poe_ports_off"] == 0


def test_a_port_that_may_not_be_written_is_a_failure(snmpd: int) -> None:
    driver = driver_at(snmpd, community="readonly", write_community="readonly", poe={"ports": ["1.7"]})
    with pytest.raises((ActFailed, NotAnswering)):
        driver.act("cycle_port", {"port": "1.7"}, lambda *_, **__: None)


@pytest.fixture
def switch(equipment: EquipmentLoop) -> Iterator[SimulatedAgent]:
    found = SimulatedAgent()
    equipment.run(found.plug_in())
    yield found
    equipment.run(found.unplug())


def test_a_switch_that_says_yes_and_does_nothing_is_a_failure(switch: SimulatedAgent) -> None:
    driver = Snmp(msgspec.convert(switch.settings() | {"timeout_s": 0.5}, Snmp.Settings), SystemClock())
    switch.ignores_writes = True
    with pytest.raises(ActFailed, match="no_effect_seen"):
        driver.act("cycle_port", {"port": "1.1"}, lambda *_, **__: None)


def snmp_at(agent: SimulatedAgent, **changed: Any) -> Snmp:
    return Snmp(msgspec.convert(agent.settings() | {"timeout_s": 2.0} | changed, Snmp.Settings), SystemClock())


def test_a_card_that_answers_one_object_at_a_time_is_read(switch: SimulatedAgent) -> None:
    """Silent to more: the third look is as good as any, and asks for no more at once. Its rows are all there."""
    switch.most_binds = 1
    driver = snmp_at(switch)
    with pytest.raises(NotAnswering):
        driver.observe()
    readings = driver.observe().readings
    assert (readings["battery_charge"], readings["links_up"], readings["system_name"]) == (100.0, 8.0, "decoder")
    switch.largest = 0
    assert driver.observe().readings["poe_ports_off"] == 0 and switch.largest == 1


def test_a_card_that_says_too_big_is_read_at_once(switch: SimulatedAgent) -> None:
    switch.most_binds, switch.says_too_big = 1, True
    driver = snmp_at(switch)
    assert driver.observe().readings["links_up"] == 8.0
    switch.largest = 0
    assert driver.observe().readings["battery_charge"] == 100.0 and switch.largest == 1


def test_a_card_to_which_one_object_is_too_much_is_a_bad_answer(switch: SimulatedAgent) -> None:
    switch.most_binds, switch.says_too_big = 0, True
    with pytest.raises(BadAnswer):
        snmp_at(switch).observe()


def test_an_agent_that_was_away_is_asked_for_many_again(switch: SimulatedAgent, equipment: EquipmentLoop) -> None:
    driver = snmp_at(switch)
    equipment.run(switch.unplug())
    for _ in range(2):
        with pytest.raises(NotAnswering):
            driver.observe()
    equipment.run(switch.plug_in())
    for _ in range(2):
        switch.largest = 0
        assert driver.observe().readings["links_up"] == 8.0 and switch.largest > 10


def test_a_port_that_is_down_is_counted(switch: SimulatedAgent) -> None:
    driver = Snmp(msgspec.convert(switch.settings(), Snmp.Settings), SystemClock())
    switch.objects[f"{objects.IF_OPER}.3"] = 2
    switch.objects[f"{objects.IF_OPER}.4"] = 2
    switch.objects[f"{objects.IF_ADMIN}.4"] = 2  # shut by its administrator: not meant to be up
    seen = driver.observe().readings
    assert (seen["links_up"], seen["links_down"]) == (6, 1)


def test_an_agent_that_shows_nothing_of_itself_is_no_evidence(switch: SimulatedAgent) -> None:
    driver = Snmp(msgspec.convert(switch.settings() | {"community": "other"}, Snmp.Settings), SystemClock())
    with pytest.raises(NotAnswering):
        driver.observe()
    with pytest.raises(Misconfigured):
        Snmp(msgspec.convert({"host": "127.0.0.1"}, Snmp.Settings), SystemClock())


VALUES = st.none() | st.integers(-(2**70), 2**70) | st.binary(max_size=300) | st.text(max_size=5)


@given(st.dictionaries(st.sampled_from([*objects.SCALARS, f"{objects.IF_TYPE}.1", f"{objects.IF_OPER}.1"]), VALUES))
def test_whatever_an_agent_says_no_reading_is_made_up(told: dict[str, object]) -> None:
    readings = objects.readings_of(told, ("1.1",), objects.POE_ADMIN)
    assert readings["battery_charge"] is None or 0 <= readings["battery_charge"] <= 100  # type: ignore[operator]
    assert readings["power_source"] in (None, "mains", "battery", "off")
    if told.get(objects.OUTPUT_SOURCE) is None:
        assert readings["power_source"] is None and readings["on_bypass"] is None
    assert all(len(part) <= 120 for part in (objects.identity_of(told).make, objects.identity_of(told).model))


def test_an_identifier_without_end_is_a_bad_answer(equipment: EquipmentLoop) -> None:
    """Found by a hundred thousand changed answers: x690 runs off its end, and asyncio makes a RuntimeError of it."""
    agent = SimulatedAgent()
    equipment.run(agent.plug_in())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
        near.bind(("127.0.0.1", 0))
        near.settimeout(5)

        def carry() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
                far.settimeout(5)
                while True:
                    try:
                        question, asker = near.recvfrom(65_535)
                        far.sendto(question, ("127.0.0.1", agent.port))
                        answer = far.recv(65_535)
                        near.sendto(answer.replace(b"\x04\x07decoder", b"\x06\x07\x2b" + b"\x86" * 6), asker)
                    except OSError:
                        return

        thread = threading.Thread(target=carry, daemon=True)
        thread.start()
        with pytest.raises(BadAnswer):
            driver_at(near.getsockname()[1], community=agent.community).observe()
    thread.join(10)


ENDLESS = ("3006020101308002", "30050201013080", "30060201010480aa", "300b0201013080020101020101", "30800201010000")
"""A length without an end: the decoder below would read it for ever and fill the memory."""


@pytest.mark.timeout(20)
@pytest.mark.parametrize("answer", ENDLESS)
def test_an_answer_that_has_no_end_is_a_bad_answer(answer: str) -> None:
    with _Noisy(bytes.fromhex(answer), "udp") as port, pytest.raises(BadAnswer):
        driver_at(port, community="x").observe()


def test_what_an_agent_of_others_says_is_sound(snmpd: int) -> None:
    """Of both versions, so that no right answer is ever refused."""
    for who in ({"community": "readonly"}, {"user": USER}):
        assert driver_at(snmpd, **who).observe().readings["uptime"] is not None


@given(st.binary(max_size=400), st.integers(0, 399), st.integers(0, 255))
def test_no_bytes_are_sound_that_reach_beyond_themselves(content: bytes, at: int, octet: int) -> None:
    inner = b"\x04\x82" + len(content).to_bytes(2, "big") + content
    message = b"\x30\x82" + (len(inner) + 3).to_bytes(2, "big") + b"\x02\x01\x01" + inner
    assert is_sound(message)
    for end in range(0, len(message), 7):
        assert not is_sound(message[:end]), "cut off"
    changed = bytearray(message)
    changed[at % len(message)] = octet
    assert is_sound(bytes(changed)) in (True, False)
    v3 = b"\x30\x82" + (len(inner) + 5).to_bytes(2, "big") + b"\x02\x01\x03\x30\x00" + inner
    assert is_sound(v3) == is_sound(b"\x30\x82" + len(content).to_bytes(2, "big") + content)
