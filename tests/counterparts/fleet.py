"""A server as a process, and what a client of its API does."""

import argparse
import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from demo.processes import Child, Processes
from device_drivers.loopback import free_port
from fleet_server.config import Settings, url_of
from fleet_server.people_cli import users
from fleet_server.sites_file import sites_of
from fleet_server.store.sites import replace_sites
from tests.counterparts.databases import database_in, url_in
from tests.counterparts.forked import SERVER
from tests.counterparts.identity import give_keys
from tests.counterparts.waiting import wait_for

SITES = """\
site_id,code,name,kind,parent,lat,lon,line_down_mbps,line_up_mbps
38-hub,,Trụ sở Tiếp công dân tỉnh,hub,,19.8,105.78,30,30
38-1,14758,Phường Hàm Rồng,commune,38-hub,19.84,105.77,5,5
38-2,14797,Phường Hạc Thành,commune,38-hub,19.80,105.79,5,5
38-3,14845,Xã Mường Lát,commune,38-hub,20.52,104.53,5,5
"""


PASSWORD = "a long word, for trying"


class FleetUnderTest:
    """`diemcau-server serve` on a port of its own; it can be killed and started again on the same files."""

    def __init__(self, processes: Processes, broker_port: int, folder: Path, more_sites: str = "") -> None:
        self._processes, self._broker_port, self.folder = processes, broker_port, folder
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.database = url_in(folder)
        self.environment = {"DIEMCAU_PUBLIC_URL": self.address, "DIEMCAU_SECOND_FACTOR": "0"}
        if self.database.startswith("postgresql"):
            self.environment["DIEMCAU_DATABASE_URL"] = self.database
        self._command = [*SERVER, "--folder", str(folder)]
        folder.mkdir(parents=True, exist_ok=True)
        give_keys(folder)
        self.import_sites(SITES + more_sites)
        self.client = self.client_of(self.add_user("tests", "administrator"))
        self.child: Child | None = None

    def add_user(self, login: str, role: str, *sites: str) -> str:
        """A user who signs in with `PASSWORD`; an API token of theirs."""
        secrets = self.folder / "secrets"
        secrets.mkdir(exist_ok=True)
        (secrets / "password").write_text(PASSWORD)
        token = secrets / f"{login}.token"
        settings = Settings(self.folder, database_url=url_of(self.database, {}))
        for act in ("add", "token"):
            given = argparse.Namespace(
                act=act, lang="en", login=login, name=login, role=role, sites=",".join(sites),
                password_file=secrets / "password", token_file=token,
            )  # fmt: skip
            users(settings, given)
        return token.read_text()

    def client_of(self, token: str) -> httpx.Client:
        """A client of the API with this token."""
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=f"{self.address}/api/v1", timeout=30, headers=headers)

    @property
    def headers(self) -> dict[str, str]:
        """For clients of a test's own: the token of our administrator."""
        return {"Authorization": self.client.headers["Authorization"]}

    def cookies(self, login: str = "tests") -> list[dict[str, Any]]:
        """What a browser has that this user has signed in with, as playwright takes it."""
        with httpx.Client(base_url=self.address, timeout=10) as browser:
            answer = browser.post("/sign-in", data={"login": login, "password": PASSWORD, "next": "/"})
            assert answer.status_code == 303, answer.text
            return [{"name": name, "value": value, "url": self.address} for name, value in browser.cookies.items()]

    def import_sites(self, rows: str, reopen: bool = False) -> None:
        """Take the rows of a CSV file in, beside a server that may run; with `reopen` also sites that were closed."""
        (self.folder / "sites.csv").write_text(rows, encoding="utf-8")
        database = database_in(self.folder)
        try:
            database.write_now(lambda db: replace_sites(db, sites_of(csv.reader(rows.splitlines())), reopen=reopen))
        finally:
            database.close()

    def start(self, within_s: float = 90.0) -> None:
        """Start it and wait until it is well."""
        command = [*self._command, "serve", "--port", str(self.port), "--broker", f"127.0.0.1:{self._broker_port}"]
        self.child = self._processes.start("server", command, self.environment)
        child = self.child

        def is_well() -> bool:
            assert child.poll() is None, f"the server has ended with {child.returncode}"
            return bool(self.health().get("broker"))

        wait_for(is_well, within_s, "the server is not well")

    def kill(self) -> None:
        """kill -9."""
        assert self.child is not None
        self.child.kill()
        self.child.wait()
        self._processes.forget(self.child)

    def close(self) -> None:
        """Close our connections to it."""
        self.client.close()

    def health(self) -> dict[str, Any]:
        """What it says of itself; nothing while nobody listens."""
        try:
            found: dict[str, Any] = self.client.get("/health").json()
        except httpx.HTTPError:
            return {}
        return found

    def site(self, site: str) -> dict[str, Any]:
        """One site with its checks and devices."""
        found: dict[str, Any] = self.client.get(f"/sites/{site}", headers={"Accept-Language": "en"}).json()
        return found

    def check(self, site: str, check: str) -> dict[str, Any]:
        """One check of a site."""
        found: dict[str, Any] = next(entry for entry in self.site(site)["checks"] if entry["check"] == check)
        return found

    def wait_until(self, site: str, within_s: float = 60.0, **wanted: Any) -> dict[str, Any]:
        """The site, once these of its fields are as wanted."""

        def fits() -> dict[str, Any] | None:
            found = self.site(site)
            return found if all(found.get(name) == value for name, value in wanted.items()) else None

        found = wait_for(fits, within_s, f"{site} is not {wanted}; it is {self.site(site)}")
        assert found is not None
        return found

    def command(self, site: str, device: str, action: str, **more: Any) -> dict[str, Any]:
        """Ask for an action; the command as the server took it."""
        key = more.pop("key", None)
        answer = self.client.post(
            f"/sites/{site}/devices/{device}/commands",
            json={"action": action, **more},
            headers={"Idempotency-Key": key} if key else {},
        )
        assert answer.status_code == 202, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def confirm_duty(self, site: str) -> None:
        """Somebody looks after the room."""
        answer = self.client.post(f"/sites/{site}/duty", json={"name": "Lê Thị B", "phone": "0237 385 2246"})
        assert answer.status_code == 201, answer.text

    def wait_for_command(self, command: str, states: set[str], within_s: float = 60.0) -> dict[str, Any]:
        """The command, once it is in one of these states."""
        look: Callable[[], dict[str, Any]] = lambda: self.client.get(f"/commands/{command}").json()  # noqa: E731
        wait_for(lambda: look().get("state") in states, within_s, f"command is not {states}")
        return look()
