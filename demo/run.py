"""The demo from its first process to its last turn: what starts when, what it waits for, what it prints."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from demo import this_machine
from demo.alerts import PrintedZalo, environment_of, tell_the_noc, tokens_of
from demo.broker import mosquitto, start_as_configured, start_embedded
from demo.centre import Centre
from demo.faults import FAULTS
from demo.people import ADMINISTRATOR, people_of
from demo.prepare import Plan
from demo.processes import Processes, is_listening
from demo.progress import Progress
from demo.province import province_of, write_sites
from demo.story import story_of
from demo.surveys import stage_of, survey_of
from device_drivers.loopback import free_port

_SESSION_IN = timedelta(minutes=10)
_RECORDS_BEFORE = timedelta(minutes=1)
_TICK_S = 0.2
_UNCONFIRMED = 2
"""In so many rooms of the session nobody has said yet that they are on duty."""


class Demo:
    """One demo in one folder. `run` returns never; it raises PartEnded where a part has ended by itself."""

    def __init__(self, given: argparse.Namespace, folder: Path, processes: Processes) -> None:
        self._given, self._folder, self._processes = given, folder, processes
        province = province_of(given.sites)
        self._outlines = province.outlines
        self._places = list(province.places)
        self.sites = [place.site_id for place in self._places]
        whole = max(1, given.whole)
        self.whole, self.light = self.sites[:whole], self.sites[whole:]
        if given.sites > whole and self._places[1].kind == "hub":  # the country: the hub, then communes of its province
            home = [place.site_id for place in self._places if place.parent == self.sites[0]][: whole - 1]
            self.whole = [self.sites[0], *home]
            self.light = [site for site in self.sites if site not in set(self.whole)]
        self.session = self.whole if len(self.whole) > 1 else self.sites[:2]
        self._progress = Progress()
        self._address = f"http://127.0.0.1:{given.port}"

    def run(self) -> None:
        """Start everything, print READY, then play faults and repairs until a signal ends it."""
        centre = self._start()
        self._wait_for_rooms(centre)
        tell_the_noc(centre.ask)
        records_at: datetime | None = self._plan_session(centre) - _RECORDS_BEFORE
        for site in self.whole:
            centre.ask(f"/sites/{site}/survey", survey_of(site), "PUT")
            if (stage := stage_of(site)) is not None:
                centre.ask(f"/sites/{site}/stage", {"stage": stage})
        print(f"READY {self._address}", flush=True)
        started_s = time.monotonic()
        broken = [] if self._given.no_faults else [site for site in self.sites if site != self.sites[0]]
        story = story_of(broken, tuple(FAULTS))
        turn = next(story, None)
        while True:
            self._processes.check()
            while turn is not None and turn.at_s <= time.monotonic() - started_s:
                self._order(turn.site, fault=turn.fault, on=turn.on)
                turn = next(story, None)
            if records_at is not None and datetime.now(UTC) >= records_at:
                for site in self.whole:  # what the officer in each room does
                    self._order(site, record=True)
                records_at = None
            time.sleep(_TICK_S)

    def _start(self) -> Centre:
        """Every process, each as soon as what it needs is there; the rooms load their libraries meanwhile."""
        given, folder, processes = self._given, self._folder, self._processes
        broker_port, inner_port = free_port(), free_port()
        program = mosquitto() if given.broker == "auto" else None
        if program is None:
            inner_port = broker_port
        server_folder = folder / "server"
        zalo = PrintedZalo()
        environment = {
            "DIEMCAU_PUBLIC_URL": self._address, "DIEMCAU_RENEWAL_SPREAD_S": "30", "DIEMCAU_SECOND_FACTOR": "0",
            **environment_of(zalo, folder),
        }  # fmt: skip
        if program is not None:
            environment |= {"DIEMCAU_BROKER_TLS": "1", "DIEMCAU_ROOMS_BROKER": f"127.0.0.1:{broker_port}"}
        people = people_of(self.session)
        own = msgspec.structs.replace(
            self._places[0], site_id=this_machine.SITE, name="Máy này (this machine)", kind="commune",
            parent=self.sites[0], lat=19.70, lon=106.05,
        )  # fmt: skip
        write_sites([*self._places, own], folder / "sites.csv")
        plan = Plan(
            str(server_folder), str(folder / "rooms"), str(folder / "sites.csv"), str(self._outlines),
            tuple(self.sites), this_machine.SITE, people, ADMINISTRATOR, "127.0.0.1", broker_port,
            program is not None, tokens_of(zalo),
        )  # fmt: skip
        (folder / "plan.json").touch(mode=0o600)
        (folder / "plan.json").write_bytes(msgspec.json.encode(plan))
        self._start_rooms(broker_port)
        prepared = processes.start_once(
            "prepare", [sys.executable, "-m", "demo.prepare", str(folder / "plan.json")],
            environment | {"DIEMCAU_BROKER": f"127.0.0.1:{inner_port}"},
        )  # fmt: skip
        missing = this_machine.prepare(processes, folder, given.port)
        self._wait("máy chủ được chuẩn bị / the server is prepared", prepared)
        if program is None:
            start_embedded(processes, folder / "broker", broker_port)
        else:
            start_as_configured(processes, program, server_folder / "broker" / "mosquitto.conf")
        serve = [sys.executable, "-m", "fleet_server.cli", "--folder", str(server_folder), "serve"]
        processes.start(
            "server", [*serve, "--port", str(given.port), "--broker", f"127.0.0.1:{inner_port}"], environment
        )  # fmt: skip
        self._wait("máy chủ / the server", lambda: is_listening(broker_port) and is_listening(given.port))
        self._order(self.sites[0], start=True)
        if self.light:
            self._order(self.light[0], start=True)
        print(f"DiemCau: {self._address}", flush=True)
        print("Đăng nhập / sign in:", flush=True)
        for person in people:
            print(f"  {person.login} ({person.role}), mật khẩu / password: {person.password}", flush=True)
        print(
            f"Phòng / rooms: 1 thật / real ({this_machine.SITE}), {len(self.whole)} đầy đủ / whole, "
            f"{len(self.light)} nhẹ / light", flush=True,
        )  # fmt: skip
        if missing:
            print(f"Không có trên máy này / not on this machine: {', '.join(missing)}", flush=True)
        centre = Centre(self._address, (folder / "token").read_text())
        enrolling = this_machine.enrol(folder, given.port, json.loads((folder / "code").read_text()))

        def is_enrolled() -> bool:
            centre.admit()
            return enrolling.poll() is not None

        self._wait("máy này được ghi danh / this machine is enrolled", is_enrolled)
        if enrolling.returncode == 0:
            this_machine.start(processes, folder)
        return centre

    def _start_rooms(self, broker_port: int) -> None:
        """Two processes, for whole and for light rooms; both wait for the order to start."""
        folder = self._folder
        common = ["--folder", str(folder / "rooms")]
        whole = [*common, "--broker-port", str(broker_port), "--web-port", str(self._given.port)]
        self._hosts = dict.fromkeys(
            self.whole,
            self._processes.start("rooms", [sys.executable, "-m", "demo.rooms", *whole, *self.whole], talk=True),
        )
        if self.light:
            (folder / "light.json").write_text(json.dumps(self.light), encoding="utf-8")
            light = [*common, "--centre", self._address, "--sites", str(folder / "light.json")]
            child = self._processes.start("light-rooms", [sys.executable, "-m", "demo.light", *light], talk=True)
            self._hosts |= dict.fromkeys(self.light, child)

    def _order(self, site: str, **what: object) -> None:
        """Have something happen in a room."""
        pipe = self._hosts[site].stdin
        assert pipe is not None
        pipe.write(json.dumps({"site": site, **what}).encode() + b"\n")
        pipe.flush()

    def _wait(self, what: str, is_done: Callable[[], bool]) -> None:
        """However long it takes; a slow machine is no reason to end. Raises PartEnded."""
        began_s = time.monotonic()
        while not self._is_done(is_done):
            self._processes.check()
            if time.monotonic() - began_s > 1.0:
                self._progress.show(f"Đang chờ / waiting for: {what} ({time.monotonic() - began_s:.0f} s)")
            time.sleep(_TICK_S)
        self._progress.clear()

    @staticmethod
    def _is_done(is_done: Callable[[], bool]) -> bool:
        try:
            return is_done()
        except (OSError, ValueError):  # the server does not answer yet, or not in time
            return False

    def _wait_for_rooms(self, centre: Centre) -> None:
        """Until every simulated room has been judged by a report of its own and is ready."""
        wanted = set(self.sites)
        while True:
            known = [site for site in centre.sites() if site["id"] in wanted]
            judged = sum(site["set_up"] and site["verdict"] == "ready" for site in known)
            if judged >= len(wanted):
                break
            self._processes.check()
            self._progress.show(f"{judged} / {len(wanted)} phòng sẵn sàng / rooms ready …")
            time.sleep(_TICK_S)
        self._progress.clear()

    def _plan_session(self, centre: Centre) -> datetime:
        """A session that is near, with most of what people do before one; when it starts."""
        starts_at = datetime.now(UTC) + _SESSION_IN
        session: dict[str, Any] = {
            "title": "Tiếp công dân định kỳ của Chủ tịch UBND tỉnh", "kind": "periodic", "chair": "Chủ tịch UBND tỉnh",
            "starts_at": starts_at.isoformat(), "ends_at": (starts_at + timedelta(hours=2)).isoformat(),
            "sites": list(self.session),
        }  # fmt: skip
        centre.ask("/sessions", session)
        # Each alone: for many at once none is measured so near to a session. Not the hub: a test may take half of its
        # line, so that it would always be found narrower than its contract.
        for site in self.session[1:]:
            centre.ask("/line-tests", {"sites": [site]})
        for site in self.session[: len(self.session) - _UNCONFIRMED]:
            survey = survey_of(site)
            centre.ask(f"/sites/{site}/duty", {"name": survey["contact"], "phone": survey["phone"]})
        return starts_at
