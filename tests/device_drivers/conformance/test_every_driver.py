"""One suite for every driver, by its being there."""

import socket
import subprocess
import sys
import threading
import time
from importlib import import_module
from typing import Any

import msgspec
import psutil
import pytest

from device_drivers import registry
from device_drivers.driver import Driver
from device_drivers.equipment import EquipmentLoop, SimulatedEquipment
from device_drivers.errors import ActFailed, DriverError, NotAnswering
from tests.counterparts.waiting import wait_for
from wire.times import SystemClock

DRIVERS = sorted(registry.drivers())
DEADLINE_S, PATIENT_S = 1.0, 5.0
"""For equipment that hangs, and for equipment that is well: a busy machine is no reason to call that dead."""


class Rig:
    """A driver and the simulated equipment that it speaks to."""

    def __init__(self, name: str, loop: EquipmentLoop) -> None:
        self.name, self.loop = name, loop
        self.equipment: SimulatedEquipment = import_module(f"device_drivers.{name}.simulator").SIMULATOR()
        loop.run(self.equipment.plug_in())

    def needs_a_wire(self) -> None:
        """What is in this process can be absent, but neither hang nor talk nonsense."""
        if self.equipment.transport == "memory":
            pytest.skip(f"{self.name}: no bytes pass between driver and equipment")

    def driver(self, timeout_s: float = PATIENT_S, **changed: Any) -> Driver:
        kind = registry.driver_class(self.name)
        settings = self.equipment.settings() | changed
        if "timeout_s" in kind.Settings.__struct_fields__:
            settings |= {"timeout_s": timeout_s}
        driver = kind(msgspec.convert(settings, kind.Settings), SystemClock())
        driver.neighbour = self.equipment.neighbour
        return driver


@pytest.fixture(params=DRIVERS)
def rig(request: pytest.FixtureRequest, equipment: EquipmentLoop) -> Rig:
    return Rig(request.param, equipment)


@pytest.mark.parametrize("name", DRIVERS)
def test_a_description_is_complete_and_translated(name: str) -> None:
    description = registry.description_of(name)
    assert description.driver == name
    keys = [spec.key for spec in description.readings]
    assert len(keys) == len(set(keys)) > 0
    for spec in description.readings:
        assert spec.label and spec.label.vi and spec.label.en, spec.key
        assert spec.max_age_s > 0
        assert (spec.type == "choice") == bool(spec.values), spec.key
    for action in description.actions:
        assert action.label and all(param.label for param in action.params), action.action
    texts = registry.texts_of(name)
    assert set(texts["readings"]) == set(keys)


@pytest.mark.parametrize("name", DRIVERS)
def test_a_description_costs_no_library(name: str) -> None:
    code = (
        f"import sys; from device_drivers import registry; registry.description_of({name!r}); "
        "here = {name.partition('.')[0] for name, module in list(sys.modules.items()) "
        "if 'site-packages' in (getattr(module, '__file__', None) or '')}; "
        "sys.exit(', '.join(here - {'msgspec', 'typing_extensions', '_distutils_hack'}) or 0)"
    )
    found = subprocess.run([sys.executable, "-c", code], timeout=30, check=False, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


def test_an_observation_is_what_the_description_promises(rig: Rig) -> None:
    driver = rig.driver()
    specs = {spec.key: spec for spec in registry.description_of(rig.name).readings}
    seen = driver.observe()
    assert set(seen.readings) == set(specs)
    for key, value in seen.readings.items():
        spec = specs[key]
        if value is None:
            continue
        kinds = {"number": (int, float), "bool": bool, "text": str, "choice": str}
        assert isinstance(value, kinds[spec.type]) and (spec.type == "bool" or not isinstance(value, bool)), key
        assert not spec.values or value in spec.values, key
        if isinstance(value, int | float):
            assert spec.low is None or value >= spec.low, key
            assert spec.high is None or value <= spec.high, key
    untold = {key for key, value in seen.readings.items() if value is None}
    assert untold == rig.equipment.after_an_act, "a healthy simulator tells everything"
    assert seen.identity.make and seen.identity.model
    assert all(action.label for action in seen.actions)
    driver.close()


def test_a_call_ends_with_an_error_when_the_equipment_hangs(rig: Rig) -> None:
    rig.needs_a_wire()
    driver = rig.driver(DEADLINE_S)
    driver.observe()
    rig.equipment.frozen = True
    began_s = time.monotonic()
    with pytest.raises(NotAnswering):
        driver.observe()
    assert time.monotonic() - began_s < DEADLINE_S * 10
    rig.equipment.frozen = False
    wait_for(lambda: _observes(driver), 5)
    driver.close()


def test_equipment_that_goes_and_comes_back_is_seen_to(rig: Rig) -> None:
    driver = rig.driver()
    driver.observe()
    rig.loop.run(rig.equipment.unplug())
    with pytest.raises(NotAnswering):
        driver.observe()
    rig.loop.run(rig.equipment.plug_in())
    wait_for(lambda: _observes(driver), 5)
    driver.close()


def test_an_address_where_nobody_lives_is_never_well(rig: Rig) -> None:
    rig.needs_a_wire()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        driver = rig.driver(DEADLINE_S, port=nobody.getsockname()[1])
        with pytest.raises(NotAnswering):
            driver.observe()
    driver.close()


NOISE = [
    b"",
    b"\n",
    b"\x00" * 10_000,
    b"\xff\xfe" * 2_000 + b"\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\nContent-Length: 11\r\n\r\n<a><b></a>\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 65_536,
    b'BEGIN LIST VAR room\nVAR room battery.charge "many"\nEND LIST VAR room\nBEGIN LIST CMD room\nEND LIST CMD room\n',
    b"BEGIN LIST VAR room\nVAR room\nEND LIST VAR room\n",
    b"ERR \xc3\x28\n",
    b'{"cpu": "hot"}\n',
    b"[" * 9_000 + b"\n",
]


@pytest.mark.parametrize("noise", NOISE, ids=range(len(NOISE)))
def test_noise_is_a_typed_error_and_never_a_reading(rig: Rig, noise: bytes) -> None:
    rig.needs_a_wire()
    if rig.equipment.any_answer is not None and noise.startswith(rig.equipment.any_answer):
        pytest.skip(f"{rig.name}: this is an answer in its protocol")
    with _Noisy(noise, rig.equipment.transport) as port:
        driver = rig.driver(DEADLINE_S, port=port)
        with pytest.raises(DriverError):
            driver.observe()
        driver.close()


def test_an_action_that_is_not_offered_is_refused(rig: Rig) -> None:
    driver = rig.driver()
    with pytest.raises(ActFailed) as refused:
        driver.act("open_the_window", {}, lambda detail, **params: None)
    assert refused.value.reason == "not_offered"
    driver.close()


def test_nothing_is_left_behind_when_a_driver_is_closed(rig: Rig) -> None:
    me = psutil.Process()
    rig.driver().close()
    threads, files = threading.active_count(), me.num_fds()
    for _ in range(20):
        driver = rig.driver()
        driver.observe()
        driver.close()
    wait_for(lambda: me.num_fds() <= files + 2, 5, "sockets are left")
    assert threading.active_count() <= threads


def test_memory_stays_flat_over_many_polls(rig: Rig) -> None:
    """Ten thousand polls, or as many as three seconds hold; `./dev bench driver_cost` has the rest."""
    driver = rig.driver()
    me = psutil.Process()
    for _ in range(200):
        driver.observe()
    before, until_s, polls = me.memory_info().rss, time.monotonic() + 3.0, 0
    while polls < 10_000 and (polls < 400 or time.monotonic() < until_s):
        driver.observe()
        polls += 1
    grown = me.memory_info().rss - before
    assert grown < 6_000_000, f"{grown} bytes in {polls} polls"
    driver.close()


def _observes(driver: Driver) -> bool:
    try:
        driver.observe()
    except DriverError:
        return False
    return True


class _Noisy:
    """Answers every connection with the same bytes and closes it, or every datagram with one such."""

    def __init__(self, noise: bytes, transport: str) -> None:
        self._noise, self._is_udp, self._stop = noise, transport == "udp", False

    def __enter__(self) -> int:
        if self._is_udp:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.bind(("127.0.0.1", 0))
        else:
            self._socket = socket.create_server(("127.0.0.1", 0))
        serve = self._serve_datagrams if self._is_udp else self._serve
        self._thread = threading.Thread(target=serve, daemon=True)
        self._thread.start()
        port: int = self._socket.getsockname()[1]
        return port

    def _serve(self) -> None:
        while True:
            try:
                talk, _ = self._socket.accept()
            except OSError:
                return
            with talk:
                try:
                    talk.settimeout(0.3)
                    talk.recv(65_536)
                    talk.sendall(self._noise)
                except OSError:
                    continue

    def _serve_datagrams(self) -> None:
        self._socket.settimeout(0.1)
        while not self._stop:
            try:
                _, sender = self._socket.recvfrom(65_536)
                self._socket.sendto(self._noise[:60_000], sender)
            except OSError:
                continue

    def __exit__(self, *_: object) -> None:
        self._stop = True
        if self._is_udp:
            self._thread.join(5)
            self._socket.close()
            return
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)
