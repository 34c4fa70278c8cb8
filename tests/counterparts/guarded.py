"""A server and a Mosquitto behind TLS, as a province runs them, and machines that have an identity of theirs."""

import os
import ssl
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from demo.broker import mosquitto
from demo.processes import Child, Processes
from device_drivers.loopback import free_port
from edge_agent.certificate_request import new_request
from edge_agent.enrolment import Centre, enrol
from edge_agent.identity import FOLDER, Identity, Pair, save_new, write_private
from fleet_server.authority.certificates import issue, requested_key
from fleet_server.authority.files import AuthorityFiles
from fleet_server.broker.mosquitto import CONF, LOG, SERVER_NAME
from fleet_server.domain.identities import CERTIFICATE_LIVES, RENEW_AFTER
from fleet_server.store.identities import CertificateRow, add_certificate
from tests.counterparts.databases import database_in
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.forked import run_to_end
from tests.counterparts.identity import PUBLIC
from tests.counterparts.waiting import listening, wait_for
from wire.ids import uuid7
from wire.times import SystemClock
from wire.tls import Tls

SITE_ROW = "{id},,Xã {id},commune,38-hub,19.8,105.7,5,5\n"


def rows_of(sites: Iterable[str]) -> str:
    """These sites as lines of the file to import."""
    return "".join(SITE_ROW.format(id=site) for site in sites)


class GuardedFleet(FleetUnderTest):
    """`diemcau-server serve` beside a Mosquitto with the files of `broker config`; the API by HTTPS where wanted."""

    def __init__(
        self, processes: Processes, folder: Path, more_sites: str = "", *, web_tls: bool = False, spread_s: float = 2.0
    ) -> None:
        self.outer_port, self.inner_port = _two_ports()
        surroundings = {
            "DIEMCAU_BROKER_TLS": "1", "DIEMCAU_ROOMS_BROKER": f"127.0.0.1:{self.outer_port}",
            "DIEMCAU_BROKER": f"127.0.0.1:{self.inner_port}", "DIEMCAU_RENEWAL_SPREAD_S": str(spread_s),
            "DIEMCAU_WEB_TLS": "1" if web_tls else "0",
        }  # fmt: skip
        self._broker_output = folder / "broker" / LOG
        self._server_output = folder.parent / "server.log"
        super().__init__(_Surrounded(processes, surroundings), self.inner_port, folder, more_sites)
        self.authority = AuthorityFiles(folder / "authority", SystemClock())
        if web_tls:
            self.address = f"https://127.0.0.1:{self.port}"
            self.client.close()
            known = ssl.create_default_context(cadata=self.authority.trusted_by_rooms)
            self.client = httpx.Client(
                base_url=f"{self.address}/api/v1", timeout=10, verify=known, headers=self.headers
            )  # fmt: skip
        self.environment |= surroundings | {"DIEMCAU_PUBLIC_URL": self.address}
        self.broker: Child | None = None

    def start(self, within_s: float = 30.0) -> None:
        """Start the broker where it is not there yet, then the server."""
        if self.broker is None:
            self.cli("broker", "config", "--listen", "127.0.0.1")
            self.start_broker()
        super().start(within_s)

    def start_broker(self) -> None:
        """Mosquitto, until it listens at both doors."""
        program = str(mosquitto())
        self.broker = self._processes.start("broker", [program, "-c", str(self.folder / "broker" / CONF)])
        for port in (self.outer_port, self.inner_port):
            listening(port)

    def cli(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """`diemcau-server …` with the settings of this server."""
        done = run_to_end(
            "--folder", str(self.folder), "--lang", "en", *arguments, env={**os.environ, **self.environment}
        )
        if check:
            done.check_returncode()
        return done

    def server_says(self) -> str:
        """Its log until now."""
        return self._server_output.read_text(errors="replace")

    def broker_says(self) -> str:
        """The broker's log until now."""
        return self._broker_output.read_text(errors="replace")

    # What a person at the centre does.

    def new_code(self, site: str, *, put_out: bool = False) -> str:
        """A code for a machine of this site."""
        answer = self.client.post(f"/sites/{site}/enrolments", json={"put_out": put_out})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["code"])

    def enrolments(self) -> list[dict[str, Any]]:
        """Codes that can be used and machines that wait."""
        found: list[dict[str, Any]] = self.client.get("/enrolments").json()
        return found

    def claimed(self, site: str, within_s: float = 30.0) -> dict[str, Any]:
        """The machine that waits for an answer about this site, once there is one."""

        def waits() -> dict[str, Any] | None:
            of_site = (each for each in self.enrolments() if each["site"] == site)
            return next((each for each in of_site if each["state"] == "claimed"), None)

        found = wait_for(waits, within_s, f"no machine waits for {site}")
        assert found is not None
        return found

    def decide(self, enrolment: str, accept: bool = True) -> httpx.Response:
        """Yes or no."""
        return self.client.post(f"/enrolments/{enrolment}/decision", json={"accept": accept})

    def revoke(self, site: str, reason: str = "lost") -> int:
        """Put the machine out; how many certificates that were."""
        answer = self.client.post(f"/sites/{site}/identity/revocation", json={"reason": reason})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["certificates"])

    # What machines do.

    def centre(self, fingerprint: str | None = None) -> Centre:
        """The server as an agent reaches it."""
        return Centre(self.address, fingerprint)

    def enrolling(self, home: Path, code: str, fingerprint: str | None = None) -> "Future[Identity]":
        """A machine whose files are in `home` brings the code and waits for the answer, beside the test."""
        with_thread = ThreadPoolExecutor(1)
        found = with_thread.submit(enrol, home / FOLDER, self.centre(fingerprint), code, lambda *_: None, 60.0)
        with_thread.shutdown(wait=False)
        return found

    def enrol(self, site: str, home: Path) -> Identity:
        """The whole road: a code, a machine that brings it, a person's yes; `home` holds the identity then."""
        machine = self.enrolling(home, self.new_code(site))
        answer = self.decide(self.claimed(site)["id"])
        assert answer.status_code == 200, answer.text
        return machine.result(15)

    def furnish(self, homes: Mapping[str, Path], renew_after: datetime | None = None) -> None:
        """Identities by the hundred, as after as many enrolments; while the server does not run, for it would not know.

        The machine makes its key; `renew_after` is what it believes.
        """
        assert self.child is None
        now, issuing = datetime.now(UTC), self.authority.issuing
        rows = []
        for site, home in homes.items():
            pair, identity = uuid7(), home / FOLDER
            identity.mkdir(parents=True, mode=0o700)
            key = requested_key(new_request(identity / f"{pair}.key"))
            made = issue(issuing, site, key, now, CERTIFICATE_LIVES)
            write_private(identity / f"{pair}.pem", made.pem)
            rows.append(CertificateRow(made.serial, site, issuing.name, now, made.not_after, uuid7(), made.pem))
            known = Pair(pair, issuing.name, renew_after or now + RENEW_AFTER)
            save_new(
                identity,
                Identity(site, "127.0.0.1", self.outer_port, PUBLIC, True, self.authority.trusted_by_rooms, known),
            )
        database = database_in(self.folder)
        database.write_now(lambda db: [add_certificate(db, row) for row in rows])
        database.close()

    def own_tls(self) -> Tls:
        """What the server itself proves itself with."""
        certificate, key = self.authority.service(SERVER_NAME, (), self.authority.centre)
        return Tls(self.authority.trusted_by_rooms, str(certificate), str(key))


class _Surrounded(Processes):
    """Starts children among other children, with more in their environment."""

    def __init__(self, among: Processes, environment: Mapping[str, str]) -> None:
        self._among, self._environment = among, environment

    def start(self, name: str, command: Sequence[str], env: dict[str, str] | None = None, talk: bool = False) -> Child:
        return self._among.start(name, command, {**self._environment, **(env or {})}, talk)

    def forget(self, child: Child) -> None:
        self._among.forget(child)


def agent_cli(*arguments: str) -> list[str]:
    """`diemcau-agent …` as a command."""
    return [sys.executable, "-m", "edge_agent.cli", "--lang", "en", *arguments]


def _two_ports() -> tuple[int, int]:
    first = second = free_port()
    while second == first:
        second = free_port()
    return first, second
