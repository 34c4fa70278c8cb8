"""Every route of API and pages, asked by a user of every role; nothing of a site reaches whom it is not shown to."""

import html
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from sqlalchemy import delete, insert

from fleet_server.api.access import Open, demand_of
from fleet_server.api.application import routers
from fleet_server.store.alert_tables import incidents
from fleet_server.store.identities import CertificateRow, add_certificate
from fleet_server.store.rollout import RunRow, RunStep, save_run
from tests.counterparts.able_room import AbleRoom
from tests.counterparts.databases import database_in
from tests.counterparts.fleet import PASSWORD
from tests.counterparts.standing import StandingFleet, standing_fleet
from tests.counterparts.waiting import wait_for
from tests.counterparts.web_browser import WebBrowser, path_of
from wire.ids import uuid7

MINE, OTHER = "38-1", "38-2"
NAME_OF_OTHER = "Phường Hạc Thành"
USERS = {  # letter in the table -> login, role, sites
    "V": ("vi", "viewer"), "T": ("ky-thuat", "technician", MINE), "O": ("dieu-hanh", "operator"),
    "G": ("to-chuc", "organiser"), "A": ("quan-tri", "administrator"),
    "v": ("vi-1", "viewer", MINE), "o": ("dieu-hanh-1", "operator", MINE),
}  # fmt: skip
SCOPED = "Tvo"
OPEN = "open"
# Who may, at 38-1. Whoever has named sites (T, v, o) gets 404 for the same at 38-2.
TABLE = """
POST   /api/v1/sites/{site}/devices/{device}/commands        -TO-A-o
GET    /api/v1/commands/{id}                                 VTOGAvo
POST   /api/v1/commands/{id}/approval                        --O-A-o
POST   /api/v1/sites/{site}/duty                             -TOGA-o
GET    /api/v1/sites/{site}/duty                             VTOGAvo
GET    /api/v1/events                                        VTOGAvo
HEAD   /api/v1/health                                        open
GET    /api/v1/health                                        open
GET    /api/v1/intake                                        VTOGAvo
POST   /api/v1/sites/{site}/enrolments                       -TO-A-o
GET    /api/v1/enrolments                                    -TO-A-o
POST   /api/v1/enrolments/claim                              open
GET    /api/v1/enrolments/{id}/identity                      open
POST   /api/v1/enrolments/{id}/decision                      --O-A-o
POST   /api/v1/sites/{site}/identity/revocation              --O-A-o
POST   /api/v1/sites/{site}/decommission                     ----A--
GET    /api/v1/line-probes/{ticket}/down                     open
POST   /api/v1/line-probes/{ticket}/up                       open
POST   /api/v1/line-tests                                    -TOGA-o
GET    /api/v1/line-tests/load                               VTOGAvo
GET    /api/v1/line-tests/{id}                               VTOGAvo
GET    /api/v1/sites/{site}/provisioning                     VTOGAvo
POST   /api/v1/sites/{site}/provisioning                     -TO-A-o
GET    /api/v1/provisioning-runs/{id}                        VTOGAvo
GET    /api/v1/progress                                      VTOGAvo
PUT    /api/v1/sites/{site}/survey                           -TO-A-o
GET    /api/v1/sites/{site}/survey                           VTOGAvo
POST   /api/v1/sites/{site}/stage                            -TO-A-o
POST   /api/v1/sites/{site}/desired                          -TO-A-o
POST   /api/v1/sites/{site}/found                            -TO-A-o
POST   /api/v1/sites/{site}/devices/{device}/accept          -TO-A-o
PUT    /api/v1/sites/{site}/secrets/{name}                   -TO-A-o
DELETE /api/v1/sites/{site}/secrets/{name}                   -TO-A-o
GET    /api/v1/sites/{site}/secrets                          VTOGAvo
GET    /api/v1/sessions/{id}/gate                            VTOGAvo
POST   /api/v1/sessions/{id}/decision                        ---GA--
GET    /api/v1/sessions/{id}/stages                          VTOGAvo
GET    /api/v1/sessions/{id}/setbacks                        VTOGAvo
POST   /api/v1/sessions/{id}/checks                          --OGA--
POST   /api/v1/sessions/{id}/minutes                         ---GA--
GET    /api/v1/sessions/{id}/minutes                         V-OGA--
GET    /api/v1/minutes/{id}/minute.pdf                       V-OGA--
GET    /api/v1/sessions/{id}/minute.xlsx                     V-OGA--
GET    /api/v1/sessions/{id}/recordings                      V-OGA--
POST   /api/v1/sessions/{id}/recordings                      --OGA--
GET    /api/v1/incidents                                     VTOGAvo
GET    /api/v1/incidents/{number}                            VTOGAvo
POST   /api/v1/incidents/{number}/acknowledgement            -TO-A-o
POST   /api/v1/incidents/{number}/notes                      -TO-A-o
POST   /api/v1/incidents/{number}/assignment                 -TO-A-o
POST   /api/v1/incidents/{number}/snooze                     -TO-A-o
GET    /api/v1/alerts                                        --O-A--
GET    /api/v1/alerts/texts                                  --O-A--
PUT    /api/v1/alerts/texts/{lang}/{key}                     --O-A--
POST   /api/v1/alerts/recipients                             --O-A--
DELETE /api/v1/alerts/recipients/{id}                        --O-A--
POST   /api/v1/alerts/recipients/{id}/contacts               --O-A--
DELETE /api/v1/alerts/contacts/{id}                          --O-A--
POST   /api/v1/alerts/contacts/{id}/test                     --O-A--
POST   /api/v1/alerts/shifts                                 --O-A--
DELETE /api/v1/alerts/shifts/{id}                            --O-A--
PUT    /api/v1/alerts/routes                                 --O-A--
POST   /api/v1/alerts/silences                               --O-A--
DELETE /api/v1/alerts/silences/{id}                          --O-A--
GET    /api/v1/alerts/holidays                               --O-A--
POST   /api/v1/alerts/holidays                               --O-A--
DELETE /api/v1/alerts/holidays/{day}                         --O-A--
POST   /api/v1/zalo/events                                   open
GET    /api/v1/releases                                      VTOGAvo
POST   /api/v1/releases/campaign                             --O-A--
POST   /api/v1/releases/campaign/act                         --O-A--
GET    /api/v1/firmware                                      VTOGAvo
POST   /api/v1/firmware/campaign                             --O-A--
POST   /api/v1/firmware/campaign/act                         --O-A--
GET    /api/v1/release-bundles/{ticket}                      open
GET    /api/v1/firmware-images/{ticket}                      open
GET    /api/v1/sessions/{id}/rehearsal                       VTOGAvo
GET    /api/v1/reports                                       VTOGAvo
GET    /api/v1/reports/report.xlsx                           VTOGAvo
GET    /api/v1/reports/{table}.csv                           VTOGAvo
POST   /api/v1/sessions/{id}/sites/{site}/invitations        -TOGA-o
GET    /api/v1/sessions/{id}/invitations                     -TOGA-o
POST   /api/v1/series                                        ---GA--
GET    /api/v1/series                                        VTOGAvo
DELETE /api/v1/series/{id}                                   ---GA--
POST   /api/v1/sessions                                      ---GA--
POST   /api/v1/sessions/preview                              ---GA--
GET    /api/v1/sessions                                      VTOGAvo
GET    /api/v1/sessions.ics                                  VTOGAvo
GET    /api/v1/sessions/{id}                                 VTOGAvo
PUT    /api/v1/sessions/{id}                                 ---GA--
POST   /api/v1/sessions/{id}/cancellation                    ---GA--
GET    /api/v1/sites                                         VTOGAvo
GET    /api/v1/sites/{site}                                  VTOGAvo
GET    /account                                              VTOGAvo
POST   /account/tokens                                       VTOGAvo
POST   /account/tokens/{id}/end                              VTOGAvo
POST   /account/password                                     VTOGAvo
GET    /assets/{name:path}                                   open
GET    /audit                                                ----A--
GET    /audit/audit.jsonl                                    ----A--
GET    /sites/{site}/duty                                    VTOGAvo
GET    /parts/duty/{site}                                    VTOGAvo
POST   /sites/{site}/duty                                    -TOGA-o
GET    /enrolments                                           -TO-A-o
GET    /parts/enrolments/list                                -TO-A-o
POST   /sites/{site}/enrolment                               -TO-A-o
POST   /enrolments/{id}                                      --O-A-o
POST   /sites/{site}/revocation                              --O-A-o
POST   /sites/{site}/decommission                            ----A--
GET    /                                                     VTOGAvo
GET    /parts/map/list                                       VTOGAvo
GET    /map/sites.json                                       VTOGAvo
GET    /map/boundaries.json                                  VTOGAvo
GET    /people                                               ----A--
POST   /people                                               ----A--
POST   /people/{id}                                          ----A--
GET    /progress                                             VTOGAvo
GET    /progress/progress.xlsx                               VTOGAvo
GET    /progress/surveys.xlsx                                VTOGAvo
POST   /progress                                             --O-A--
GET    /parts/server                                         VTOGAvo
GET    /sessions/{id}/minutes                                V-OGA--
POST   /sessions/{id}/minutes                                ---GA--
GET    /minutes/{id}                                         V-OGA--
GET    /sessions/{id}/recordings                             V-OGA--
GET    /parts/sessions/{id}/recordings                       V-OGA--
POST   /sessions/{id}/recordings                             --OGA--
GET    /reports                                              VTOGAvo
GET    /incidents                                            VTOGAvo
GET    /parts/incidents                                      VTOGAvo
GET    /incidents/{number}                                   VTOGAvo
GET    /parts/incidents/{number}                             VTOGAvo
POST   /incidents/{number}                                   -TO-A-o
GET    /alerts                                               --O-A--
GET    /parts/alerts                                         --O-A--
POST   /alerts                                               --O-A--
GET    /releases                                             VTOGAvo
GET    /parts/releases                                       VTOGAvo
POST   /releases                                             --O-A--
GET    /firmware                                             VTOGAvo
GET    /parts/firmware                                       VTOGAvo
POST   /firmware                                             --O-A--
GET    /holidays                                             --O-A--
POST   /holidays                                             --O-A--
GET    /zalo                                                 --O-A--
POST   /zalo                                                 --O-A--
GET    /zalo/consent/begin                                   --O-A--
GET    /zalo/consent                                         --O-A--
GET    /stop                                                 open
POST   /stop                                                 open
GET    /told                                                 open
POST   /told                                                 open
GET    /room                                                 open
POST   /room/open                                            open
GET    /room/part                                            open
POST   /room/duty                                            open
POST   /room/tick                                            open
POST   /room/microphone                                      open
GET    /room/events                                          open
GET    /sessions/{id}/people                                 -TOGA-o
GET    /parts/sessions/{id}/people                           -TOGA-o
POST   /sessions/{id}/people/{site}                          -TOGA-o
GET    /sessions/{id}/plan                                   ---GA--
POST   /sessions/{id}/plan                                   ---GA--
POST   /sessions/{id}/cancel                                 ---GA--
POST   /series                                               ---GA--
POST   /series/{id}/end                                      ---GA--
GET    /sessions/{id}                                        VTOGAvo
GET    /parts/sessions/{id}/gate                             VTOGAvo
GET    /parts/sessions/{id}/head                             VTOGAvo
POST   /sessions/{id}                                        ---GA--
POST   /sessions/{id}/checks                                 --OGA--
GET    /sessions                                             VTOGAvo
POST   /sessions                                             ---GA--
GET    /set-up                                               open
POST   /set-up                                               open
GET    /sign-in                                              open
POST   /sign-in                                              open
GET    /sign-in/code                                         open
POST   /sign-in/code                                         open
GET    /sign-in/second-factor                                open
POST   /sign-in/second-factor                                open
GET    /sign-in/provider                                     open
GET    /sign-in/provider/answer                              open
POST   /sign-out                                             VTOGAvo
GET    /sites/{site}                                         VTOGAvo
GET    /parts/sites/{site}/{part}                            VTOGAvo
GET    /sites/{site}/devices/{device}/actions/{action}       -TO-A-o
POST   /sites/{site}/devices/{device}/actions/{action}       -TO-A-o
POST   /sites/{site}/commands/{id}/approval                  --O-A-o
POST   /sites/{site}/provisioning                            -TO-A-o
POST   /sites/{site}/line-test                               -TOGA-o
POST   /sites/{site}/found                                   -TO-A-o
POST   /sites/{site}/secrets/{name}                          -TO-A-o
POST   /sites/{site}/devices/{device}/accept                 -TO-A-o
GET    /sites/{site}/survey                                  VTOGAvo
POST   /sites/{site}/survey                                  -TO-A-o
POST   /sites/{site}/stage                                   -TO-A-o
GET    /wall                                                 VTOGAvo
GET    /parts/wall/list                                      VTOGAvo
"""
ROWS = {(method, path): who for method, path, who in (line.split() for line in TABLE.strip().splitlines())}
GUARDED = {asked: who for asked, who in ROWS.items() if who != OPEN}
_NO_SITE = "urn:diemcau:sites.not_found"


class World:
    """A server with a user of every role, two rooms that speak, and something of everything at the other site."""

    def __init__(self, fleet: StandingFleet) -> None:
        self.fleet = fleet
        self.tokens: dict[str, str] = {}
        self.run, self.of_other = uuid7(), {}
        self.rooms: list[AbleRoom] = []

    def prepare(self, fleet: StandingFleet) -> None:
        """While the server does not run yet."""
        for letter, (login, role, *sites) in USERS.items():
            self.tokens[letter] = fleet.add_user(login, role, *sites)
        now = datetime.now(UTC)
        run = RunRow(self.run, OTHER, "tests", now, now, "done", (RunStep("camera-1", "ntp_server", "a", "b", "set"),))
        known = CertificateRow("1", MINE, "authority", now, now + timedelta(days=30), uuid7(), "no certificate")
        database = database_in(fleet.folder)
        database.write_now(lambda db: (save_run(db, run), add_certificate(db, known)))
        database.close()

    def fill(self) -> None:
        """Something of everything at the other site."""
        client = self.fleet.client
        self.rooms = [AbleRoom(site, self.fleet.broker_port) for site in (MINE, OTHER)]
        for room in self.rooms:
            room.report()
            self.fleet.wait_until(room.site, verdict="ready")
        of_both, self.of_other["session"] = (self.session(*sites) for sites in ((MINE, OTHER), (OTHER,)))
        self.shared = of_both
        self.of_other["command"] = self.fleet.command(OTHER, "display-1", "on")["id"]
        (test,) = client.post("/line-tests", json={"sites": [OTHER]}).json()["items"]
        self.of_other["line_test"], self.of_other["run"] = test["id"], self.run
        self.of_other["enrolment"] = client.post(f"/sites/{OTHER}/enrolments", json={}).json()["id"]
        survey = {"pieces": {"ups": {"has": True, "make": "SANTAK"}}, "contact": "Bà ở Hạc Thành"}
        assert client.put(f"/sites/{OTHER}/survey", json=survey).status_code == 200
        assert client.put(f"/sites/{OTHER}/secrets/camera-1", json={"value": "a secret word"}).status_code == 204
        self.fleet.confirm_duty(OTHER)

    def session(self, *sites: str) -> str:
        starts_at = datetime.now(UTC) + timedelta(hours=5)
        times = {"starts_at": starts_at.isoformat(), "ends_at": (starts_at + timedelta(hours=1)).isoformat()}
        answer = self.fleet.client.post("/sessions", json={"title": "Phiên", "sites": sites, **times})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def client(self, letter: str) -> httpx.Client:
        """Of one user, by token."""
        headers = {"Authorization": f"Bearer {self.tokens[letter]}"} if letter else {}
        return httpx.Client(base_url=self.fleet.address, timeout=15, headers=headers)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made: list[World] = []

    def before(fleet: StandingFleet) -> None:
        made.append(World(fleet))
        made[0].prepare(fleet)

    with standing_fleet(tmp_path_factory.mktemp("who"), before):
        made[0].fill()
        yield made[0]
        for room in made[0].rooms:
            room.leave()


def asked(client: httpx.Client, method: str, path: str, site: str = MINE, **more: Any) -> tuple[int, str]:
    """Ask a route for something that does not exist, or cannot be meant: status, and the type of the problem."""
    filled = path.replace(":path", "").format_map(
        _Filled(site=site, device="camera-9", id=uuid7(), name="camera-9", action="reboot", part="checks")
    )
    body = None if method in ("GET", "HEAD", "DELETE") else {}
    with client.stream(method, filled, json=body, **more) as answer:
        if "event-stream" in answer.headers.get("content-type", ""):
            return answer.status_code, ""
        content = answer.read()
        is_json = answer.headers.get("content-type", "").endswith("json")
        told = json.loads(content) if is_json and content else {}
        return answer.status_code, told.get("type", "") if isinstance(told, dict) else ""


class _Filled(dict[str, str]):
    """Whatever else stands in a path is called x."""

    def __missing__(self, name: str) -> str:
        return "x" * 20


def test_the_table_has_a_row_for_every_route_and_says_which_of_them_are_open() -> None:
    found = {}
    for package, part, prefix in (("fleet_server.api.v1", "", "/api/v1"), ("fleet_server.pages", "page", "")):
        for router in routers(package, part):
            for route in router.routes:
                for method in route.methods:  # type: ignore[attr-defined]
                    found[method, f"{prefix}{route.path}"] = isinstance(demand_of(route), Open)  # type: ignore[attr-defined]
    assert found.keys() == ROWS.keys()
    assert {asked for asked, is_open in found.items() if is_open} == ROWS.keys() - GUARDED.keys()


def test_whoever_has_not_signed_in_is_told_so_by_every_route_that_is_not_open(world: World) -> None:
    with world.client("") as nobody:
        answers = {row: asked(nobody, *row)[0] for row in GUARDED}
        assert {row: status for row, status in answers.items() if status != 401} == {}
        for wrong in ("Bearer", "Bearer x", "Basic dGVzdHM6dGVzdHM=", f"bearer {'x' * 5_000}"):
            assert asked(nobody, "GET", "/api/v1/sites", headers={"Authorization": wrong})[0] == 401
        opened = {row: asked(nobody, *row)[0] for row in ROWS.keys() - GUARDED.keys()}
    assert {row: status for row, status in opened.items() if status >= 500} == {}


def test_a_browser_that_opens_a_page_without_having_signed_in_is_sent_to_do_so_and_comes_back(world: World) -> None:
    for method, path in GUARDED:
        if method != "GET" or path.startswith(("/api/", "/parts/")):
            continue
        wanted = path.format_map(_Filled(site=MINE, device="camera-1", id=uuid7(), action="reboot"))
        with WebBrowser(world.fleet.address) as browser:
            answer = browser.visit(f"{wanted}?lang=en")
            assert (answer.status_code, path_of(answer)) == (303, "/sign-in"), path
            assert answer.headers["location"] == f"/sign-in?next={quote(wanted + '?lang=en')}"


@pytest.mark.parametrize("letter", USERS)
def test_each_role_may_what_stands_in_the_table(world: World, letter: str) -> None:
    wrong = {}
    with world.client(letter) as client:
        for (method, path), who in GUARDED.items():
            status, kind = asked(client, method, path)
            refused = status == 403 and kind == "urn:diemcau:people.may_not"
            let_in = status not in (401, 403) and kind != _NO_SITE and status < 500
            if not (let_in if letter in who else refused):
                wrong[method, path] = (status, kind)
    assert wrong == {}


@pytest.mark.parametrize("letter", USERS)
def test_another_site_is_not_there_for_whoever_has_named_sites(world: World, letter: str) -> None:
    wrong = {}
    with world.client(letter) as client:
        for (method, path), who in GUARDED.items():
            if "{site}" not in path:
                continue
            status, kind = asked(client, method, path, OTHER)
            expected = 403 if letter not in who else 404 if letter in SCOPED else None
            if (status != expected) if expected else (kind == _NO_SITE or status in (401, 403)):
                wrong[method, path] = (status, kind)
            if expected == 404 and asked(client, method, path, "no-such-site") != (status, kind):
                wrong[method, path] = (status, "tells it from a site that does not exist")
    assert wrong == {}


def paths_of_one(world: World) -> list[str]:
    """Whatever exists of the other site, each by its own address."""
    known = world.of_other
    return [
        f"/api/v1/commands/{known['command']}", f"/api/v1/line-tests/{known['line_test']}",
        f"/api/v1/provisioning-runs/{known['run']}", f"/api/v1/sessions/{known['session']}/gate",
        f"/sessions/{known['session']}", f"/parts/sessions/{known['session']}/gate",
        f"/api/v1/sites/{OTHER}", f"/api/v1/sites/{OTHER}/survey", f"/api/v1/sites/{OTHER}/secrets",
        f"/api/v1/sites/{OTHER}/duty", f"/api/v1/sites/{OTHER}/provisioning",
        f"/sites/{OTHER}", f"/sites/{OTHER}/duty", f"/sites/{OTHER}/survey", f"/parts/duty/{OTHER}",
        *(f"/parts/sites/{OTHER}/{part}" for part in ("status", "checks", "provisioning", "identity", "commands")),
    ]  # fmt: skip


def test_what_exists_at_another_site_is_found_by_whoever_sees_all_and_by_nobody_else(world: World) -> None:
    with world.client("V") as everywhere:
        assert {path for path in paths_of_one(world) if everywhere.get(path).status_code != 200} == set()
    for letter in SCOPED:
        with world.client(letter) as scoped:
            assert {
                path: status for path in paths_of_one(world) if (status := scoped.get(path).status_code) != 404
            } == {}


def test_nothing_of_another_site_can_be_changed(world: World) -> None:
    known, before = world.of_other, told_of_other(world)
    for letter in SCOPED:
        with world.client(letter) as scoped:
            answers = [
                scoped.post("/api/v1/line-tests", json={"sites": [MINE, OTHER]}),
                scoped.put(f"/api/v1/sites/{OTHER}/secrets/camera-1", json={"value": "another word"}),
                scoped.delete(f"/api/v1/sites/{OTHER}/secrets/camera-1"),
                scoped.put(f"/api/v1/sites/{OTHER}/survey", json={}),
                scoped.post(f"/api/v1/sites/{OTHER}/duty", json={"name": "Kẻ lạ"}),
                scoped.post(f"/api/v1/sites/{OTHER}/devices/display-1/commands", json={"action": "on"}),
                scoped.post(f"/api/v1/sites/{OTHER}/enrolments", json={}),
                scoped.post(f"/api/v1/enrolments/{known['enrolment']}/decision", json={"accept": False}),
                scoped.post(f"/api/v1/commands/{known['command']}/approval"),
                scoped.post(f"/sites/{MINE}/commands/{known['command']}/approval"),
                scoped.post(f"/enrolments/{known['enrolment']}", data={"accept": "1"}),
            ]
            assert [(a.request.url.path, a.status_code) for a in answers if a.status_code not in (403, 404)] == []
    assert told_of_other(world) == before


def told_of_other(world: World) -> list[Any]:
    client = world.fleet.client
    mine = [f"/sites/{OTHER}/{what}" for what in ("survey", "secrets", "duty")]
    commands = client.get(f"{world.fleet.address}/parts/sites/{OTHER}/commands").text.count("<article")
    codes = [row["id"] for row in client.get("/enrolments").json() if row["site"] == OTHER]
    return [*(client.get(path).json() for path in mine), commands, codes]


def words_of(answer: Any) -> str:
    """The text of an answer; of an Excel file all its parts."""
    if not answer.content.startswith(b"PK"):
        return answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
        return html.unescape("\n".join(book.read(name).decode(errors="replace") for name in book.namelist()))


LISTS = (
    "/api/v1/sites", "/api/v1/progress", "/api/v1/sessions", "/api/v1/intake", "/api/v1/sessions/{shared}/gate",
    "/", "/?q=H%E1%BA%A1c", "/?state=ready", "/wall", "/map/sites.json", "/parts/map/list?q=38", "/parts/wall/list",
    "/progress", "/progress/progress.xlsx", "/progress/surveys.xlsx", "/sessions", "/sessions/{shared}",
    "/parts/sessions/{shared}/gate", "/account", "/parts/server", "/reports",
    "/api/v1/reports", "/api/v1/reports/report.xlsx", "/api/v1/reports/sites.csv", f"/sites/{MINE}",
    f"/parts/sites/{MINE}/commands",
)  # fmt: skip
SHOW_OTHER = {
    "/api/v1/sites", "/api/v1/progress", "/api/v1/sessions", "/api/v1/sessions/{shared}/gate", "/?q=H%E1%BA%A1c",
    "/map/sites.json", "/progress", "/progress/progress.xlsx", "/progress/surveys.xlsx", "/sessions/{shared}",
    "/parts/sessions/{shared}/gate", "/reports", "/api/v1/reports", "/api/v1/reports/report.xlsx",
    "/api/v1/reports/sites.csv",
}  # fmt: skip
"""Where everybody else sees it, so that the search can find something."""


def test_lists_and_pages_show_nothing_of_another_site(world: World) -> None:
    def shows(letter: str, path: str) -> bool:
        answer = client.get(path.format(shared=world.shared))
        assert answer.status_code in (200, 403), (letter, path, answer.status_code)
        text = words_of(answer)
        return NAME_OF_OTHER in text or f'"{OTHER}"' in text or f"/{OTHER}" in text or f">{OTHER}<" in text

    with world.client("A") as client:
        assert {path for path in LISTS if shows("A", path)} >= SHOW_OTHER
        assert all(shows("A", path) for path in ("/api/v1/enrolments", "/enrolments", "/parts/enrolments/list"))
    for letter in SCOPED:
        with world.client(letter) as client:
            paths = (*LISTS, "/api/v1/enrolments", "/enrolments", "/parts/enrolments/list")
            assert {path for path in paths if shows(letter, path)} == set(), letter
            assert world.of_other["session"] not in client.get("/api/v1/sessions").text
            (session,) = client.get("/api/v1/sessions").json()["items"]
            assert session["sites"] == [MINE]


def test_what_concerns_the_whole_fleet_is_handled_by_nobody_who_has_named_sites(world: World) -> None:
    """An hour's quiet would be everybody's."""
    number = 77_001
    row = {
        "number": number, "check": "centre_broker", "device": "", "role": "", "outcome": "fail", "counts": True,
        "says": "broker_lost", "params": "{}", "held": "[]", "priority": 1, "spells": 1, "opened_at": 1,
        "cleared_at": 2, "acknowledged_by": "", "assigned_to": "", "told": 0,
    }  # fmt: skip
    database = database_in(world.fleet.folder)
    database.write_now(lambda db: db.execute(insert(incidents).values(row)))
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    acts = {"acknowledgement": {}, "notes": {"note": "x"}, "assignment": {"to": "x"}, "snooze": {"until": until}}
    try:
        for letter, status in (("O", 409), ("T", 403), ("o", 403)):
            with world.client(letter) as client:
                assert client.get(f"/api/v1/incidents/{number}").status_code == 200, "everybody sees it"
                found = {act: client.post(f"/api/v1/incidents/{number}/{act}", json=body) for act, body in acts.items()}
                assert {act: answer.status_code for act, answer in found.items()} == dict.fromkeys(acts, status), letter
    finally:
        database.write_now(lambda db: db.execute(delete(incidents).where(incidents.c.number == number)))
        database.close()


class Listening:
    """Hears a stream of events while the test goes on."""

    def __init__(self, world: World, letter: str, **query: str) -> None:
        self.lines: list[str] = []
        self.ended = threading.Event()
        self._client = world.client(letter)
        self._thread = threading.Thread(target=self._hear, args=(query,), daemon=True)
        self._thread.start()
        wait_for(lambda: self.lines, 10, "the stream says nothing")

    def _hear(self, query: dict[str, str]) -> None:
        try:
            with self._client.stream("GET", "/api/v1/events", params=query, timeout=30) as answer:
                self.lines.append(str(answer.status_code))
                for line in answer.iter_lines():
                    self.lines.append(line)
        except (httpx.HTTPError, RuntimeError):
            pass  # the test has heard enough
        self.ended.set()

    def text(self) -> str:
        return "\n".join(self.lines)

    def leave(self) -> None:
        self._client.close()


@pytest.mark.parametrize("letter", SCOPED)
def test_the_stream_tells_nothing_of_another_site(world: World, letter: str) -> None:
    mine, other = world.rooms
    streams = [Listening(world, letter), Listening(world, letter, site=OTHER), Listening(world, "V")]
    other.report(battery_runtime=9e3 + len(letter), mic_muted=True)
    mine.report(mic_muted=True)
    wait_for(lambda: f'"{MINE}"' in streams[0].text(), 10, "nothing of the room's own")
    wait_for(lambda: f'"{OTHER}"' in streams[2].text(), 10, "nobody hears of it")
    for room in (other, mine):
        room.report()
        world.fleet.wait_until(room.site, verdict="ready")
    for stream in streams:
        stream.leave()
    assert OTHER not in streams[0].text() and OTHER not in streams[1].text()


def test_the_stream_does_not_tell_of_a_session_that_none_of_ones_sites_is_in(world: World) -> None:
    stream = Listening(world, "T")
    session = world.session(OTHER)
    shared = world.session(MINE)
    wait_for(lambda: shared in stream.text(), 10, "nor of one's own")
    stream.leave()
    assert session not in stream.text()


def test_a_technician_gives_a_code_and_the_machine_of_now_stays_in(world: World) -> None:
    with world.client("T") as technician, world.client("O") as operator:
        answer = technician.post(f"/api/v1/sites/{MINE}/enrolments", json={"put_out": True})
        assert answer.status_code in (201, 403), "a technician may give codes"
        page = technician.post(f"/sites/{MINE}/enrolment", data={"put_out": "1"})
        assert page.status_code == 200
        put_out = operator.post(f"/api/v1/sites/{MINE}/identity/revocation", json={"reason": "lost"}).json()
    assert put_out == {"certificates": 1}, "it is out already: whoever may not revoke has done so"


def test_a_key_of_somebody_elses_command_tells_nothing_of_it(world: World) -> None:
    command = world.fleet.command(OTHER, "display-1", "on", key="a-key-of-ours")
    with world.client("T") as technician:
        path = f"/api/v1/sites/{MINE}/devices/display-1/commands"
        answer = technician.post(path, json={"action": "on"}, headers={"Idempotency-Key": "a-key-of-ours"})
    assert command["id"] not in answer.text and OTHER not in answer.text


@pytest.mark.timeout(600)
@pytest.mark.parametrize("letter", "VTGvo")
@pytest.mark.filterwarnings("ignore")
def test_no_request_of_any_role_breaks_the_server_or_finds_another_site(world: World, letter: str) -> None:
    schema = schemathesis.openapi.from_url(f"{world.fleet.address}/api/v1/openapi.json")
    known = st.sampled_from([MINE, OTHER]), st.sampled_from([*world.of_other.values(), world.shared])
    headers = {"Authorization": f"Bearer {world.tokens[letter]}"}
    tried = 0
    for found in schema.exclude(path="/api/v1/events").get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy(), site=known[0], id=known[1])
        @settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        def try_it(case: schemathesis.Case, site: str, id: str) -> None:
            given_site = case.path_parameters.get("site")
            for name, value in (("site", site), ("id", id)):
                if name in case.path_parameters:
                    case.path_parameters[name] = value
            answer = case.call(base_url=world.fleet.address, timeout=10, headers=headers)
            case.validate_response(answer, checks=[not_a_server_error])
            if letter in SCOPED:
                assert NAME_OF_OTHER not in words_of(answer)
                assert answer.status_code in (403, 404, 422) or given_site is None or site == MINE

        try_it()
        tried += 1
    assert tried >= 35
    assert world.fleet.health()["status"] == "ok"


def test_the_password_of_the_users_here_is_the_one_that_signs_in(world: World) -> None:
    """So that the rows of the table are of people who could come in."""
    with WebBrowser(world.fleet.address) as browser:
        assert browser.sign_in("ky-thuat", PASSWORD).status_code == 303 and browser.is_in
