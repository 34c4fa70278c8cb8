"""The pages of a server while every room of the country loses its mains within the same minute, beside a quiet minute.

Rooms report by one connection every 15 s; their reports, the broker, the server, its database and the SMTP server that
takes what it tells are real.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from sqlalchemy import update

from bench.figure import Figure, percentile
from bench.packets import publish, send
from demo.broker import mosquitto, start_mosquitto
from demo.processes import Processes
from device_drivers.loopback import free_port
from fleet_server.domain.provisioning import Kept
from fleet_server.store.tables import site_state
from tests.counterparts.databases import database_in
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.mail_server import MailServer
from tests.counterparts.spoken_room import about_of_room, report_of_room
from tests.counterparts.waiting import listening, wait_for
from wire.codec import encode
from wire.ids import uuid7
from wire.messages import About, Report
from wire.topics import topic_of

_SITES, _EVERY_S, _QUIET_S, _STORM_S = 3_321, 15.0, 45.0, 90.0
_PAGES = ("/", "/incidents", "/sessions", "/sites/s-7", "/wall", "/api/v1/incidents")


def measure() -> Iterator[Figure]:
    """The slowest twentieth of page loads in the storm, in milliseconds, beside that of the quiet minute."""
    program = mosquitto()
    if program is None:
        print("storm: mosquitto is not on this machine", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory(prefix="dc-") as name:
        folder, processes, mail = Path(name), Processes(Path(name)), MailServer()
        port = free_port()
        mail.start()
        try:
            start_mosquitto(processes, program, folder / "broker", port)
            listening(port)
            quiet, storm = _pages_ms(processes, port, folder / "server", mail)
        finally:
            processes.end()
            mail.stop()
        yield Figure("storm.page_p95", percentile(storm, 0.95), "ms", "quiet minute", percentile(quiet, 0.95))
        yield Figure("storm.page_slowest", max(storm), "ms", "quiet minute", max(quiet))


def _pages_ms(processes: Processes, port: int, folder: Path, mail: MailServer) -> tuple[list[float], list[float]]:
    rows = "".join(f"s-{number},,Site {number},commune,38-hub,19,105,5,5\n" for number in range(_SITES))
    fleet = FleetUnderTest(processes, port, folder, rows)
    fleet.environment |= {"DIEMCAU_SMTP": f"smtp://127.0.0.1:{mail.port}", "DIEMCAU_SMTP_FROM": "diemcau@tinh.vn"}
    fleet.start()
    noc = fleet.client.post("/alerts/recipients", json={"name": "NOC"}).json()["id"]
    contact = {"channel": "email", "address": "noc@tinh.vn", "agreed": True}
    fleet.client.post(f"/alerts/recipients/{noc}/contacts", json=contact)
    about = about_of_room()
    send(port, [publish(topic_of(f"s-{n}", About.kind), encode(about), n + 1) for n in range(_SITES)])
    rooms = _Rooms(port)
    rooms.start()
    wait_for(lambda: fleet.client.get(f"/sites/s-{_SITES - 1}").json()["devices"], 120)
    _set_up(fleet)
    quiet = _visit(fleet, _QUIET_S)
    rooms.power = {"power_source": "battery", "battery_runtime": 600.0}
    storm = _visit(fleet, _STORM_S)
    rooms.stop()
    told = fleet.client.get("/incidents").json()["items"]
    print(f"storm: {len(told)} incidents shown, {len(mail.to('noc@tinh.vn'))} letters", file=sys.stderr)
    fleet.kill()
    fleet.close()
    return quiet, storm


def _set_up(fleet: FleetUnderTest) -> None:
    """The rooms were whole once; so says the database that the server takes up."""
    fleet.kill()
    database = database_in(fleet.folder)
    kept = msgspec.json.encode(Kept(set_up_at=time.time()))
    database.write_now(lambda db: db.execute(update(site_state).values(kept=kept)))
    database.close()
    fleet.start(60)
    wait_for(lambda: not fleet.health()["learning"], 120)


class _Rooms:
    """All of them, each in its turn."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.power: dict[str, object] = {}
        self._about, self._boot = about_of_room(), uuid7()
        self._seq = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        parts = 30
        while True:
            self._seq += 1
            for part in range(parts):
                began_s = time.monotonic()
                report = encode(report_of_room(self._about, self._boot, self._seq, **self.power))
                packets = [
                    publish(topic_of(f"s-{n}", Report.kind), report, n % 65_535 + 1) for n in range(part, _SITES, parts)
                ]
                send(self._port, packets)
                if self._stop.wait(max(0.0, _EVERY_S / parts - (time.monotonic() - began_s))):
                    return


def _visit(fleet: FleetUnderTest, for_s: float) -> list[float]:
    """One page after the other, as somebody who watches; milliseconds of each."""
    found, until_s = [], time.monotonic() + for_s
    while time.monotonic() < until_s:
        for page in _PAGES:
            began_s = time.perf_counter()
            answer = fleet.client.get(f"{fleet.address}{page}")
            assert answer.status_code == 200, (page, answer.status_code)
            found.append((time.perf_counter() - began_s) * 1_000)
            time.sleep(0.1)
    return found
