"""A probe, against the web server of Python's own library and our page."""

import threading
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from typing import Any

import msgspec
import pytest

from device_drivers.equipment import EquipmentLoop
from device_drivers.errors import BadAnswer, NotAnswering
from device_drivers.probe.driver import Probe
from device_drivers.probe.simulator import SimulatedPage
from wire.times import SystemClock


@pytest.fixture
def page_of_others() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join(5)
    server.server_close()


def probe_of(port: int, **settings: Any) -> Probe:
    wanted = {"host": "127.0.0.1", "port": port, "timeout_s": 1} | settings
    return Probe(msgspec.convert(wanted, Probe.Settings), SystemClock())


def test_a_page_and_a_port_are_told_apart(page_of_others: int) -> None:
    assert probe_of(page_of_others, path="/nowhere").observe().readings["http_status"] == 404
    seen = probe_of(page_of_others).observe().readings
    assert seen["http_status"] is None and seen["response_time"] >= 0  # type: ignore[operator]


def test_tls_where_there_is_none_is_a_bad_answer(page_of_others: int) -> None:
    with pytest.raises((BadAnswer, NotAnswering)):
        probe_of(page_of_others, path="/", tls=True).observe()


def test_a_server_in_trouble_is_no_answer(equipment: EquipmentLoop) -> None:
    page = SimulatedPage()
    equipment.run(page.plug_in())
    page.status = 503
    with pytest.raises(BadAnswer, match="503"):
        probe_of(page.port, path="/").observe()


def test_what_is_probed_is_known_by_its_address_when_nobody_says_what_it_is(page_of_others: int) -> None:
    assert probe_of(page_of_others).observe().identity.make == "127.0.0.1"
