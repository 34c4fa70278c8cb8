"""Alerts on the whole road: a real room, a real server, a real SMTP server; what goes wrong reaches somebody."""

import http.server
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.broker import mosquitto
from demo.processes import Processes
from tests.conftest import need
from tests.counterparts.databases import everything_in
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.forked import SERVER
from tests.counterparts.guarded import GuardedFleet
from tests.counterparts.identity import PUBLIC
from tests.counterparts.mail_server import MailServer, text_of
from tests.counterparts.room import RoomUnderTest
from tests.counterparts.waiting import wait_for
from tests.counterparts.web_browser import WebBrowser
from wire.announcements import AlertNews
from wire.codec import decode
from wire.signing import PinnedKeys
from wire.topics import Announced


@pytest.fixture
def mail() -> Iterator[MailServer]:
    server = MailServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def fleet(processes: Processes, mosquitto_port: int, tmp_path: Path, mail: MailServer) -> Iterator[FleetUnderTest]:
    """A server that sends e-mail."""
    server = FleetUnderTest(processes, mosquitto_port, tmp_path / "server")
    server.environment |= {"DIEMCAU_SMTP": f"smtp://127.0.0.1:{mail.port}", "DIEMCAU_SMTP_FROM": "diemcau@tinh.vn"}
    server.environment["DIEMCAU_TIMEZONE"] = noon()
    server.start()
    yield server
    server.close()


def noon() -> str:
    """A zone in which it is about noon: at night what has no session behind it waits. POSIX counts the other way."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"


def recipient(fleet: FleetUnderTest, name: str, *contacts: tuple[str, str]) -> dict[str, Any]:
    made = fleet.client.post("/alerts/recipients", json={"name": name})
    assert made.status_code == 201, made.text
    for channel, address in contacts:
        body = {"channel": channel, "address": address, "agreed": True}
        answer = fleet.client.post(f"/alerts/recipients/{made.json()['id']}/contacts", json=body)
        assert answer.status_code == 201, answer.text
    items = fleet.client.get("/alerts").json()["recipients"]
    return next(dict(item) for item in items if item["name"] == name)


def story(fleet: FleetUnderTest, number: int) -> Any:
    return fleet.client.get(f"/incidents/{number}", headers={"Accept-Language": "en"}).json()


@pytest.mark.timeout(240)
def test_a_room_without_mains_is_written_to_the_noc_and_seen_to(
    fleet: FleetUnderTest, room: RoomUnderTest, mail: MailServer
) -> None:
    noc = recipient(fleet, "NOC", ("email", "noc@tinh.vn"))
    tested = fleet.client.post(f"/alerts/contacts/{noc['contacts'][0]['id']}/test")
    assert tested.status_code == 202
    wait_for(lambda: mail.to("noc@tinh.vn"), 10, "no test message")
    wait_for(lambda: recipient_named(fleet, "NOC")["contacts"][0]["tested"] == "sent", 10)
    fleet.wait_until("38-1", verdict="ready")
    wait_for(lambda: not fleet.health()["learning"], 30)
    room.ups.cut_mains(runtime_s=600)
    wait_for(lambda: len(mail.to("noc@tinh.vn")) >= 2, 90, "nobody was told")
    letter = mail.to("noc@tinh.vn")[1]
    text, _, end = "\n".join(text_of(letter).splitlines()).partition("\n\n")
    assert f"{fleet.address}/stop#" in end
    head, *rest = text.splitlines()
    assert head.startswith("Phường Hàm Rồng: ") and "điện" in head.lower(), text
    assert len(text) <= 500 and rest[-1].startswith(f"{fleet.address}/told#")
    assert letter["Message-ID"].startswith("<incident.") and letter["References"] is None
    assert letter["Auto-Submitted"] == "auto-generated" and letter.get_body(("html",)) is not None
    (found,) = fleet.client.get("/incidents").json()["items"][:1]
    assert found["site"] == "38-1" and found["check"] == "power_lasts" and found["priority"] == "incident"
    wait_for(lambda: story(fleet, found["number"])["told"][0]["state"] == "sent", 10)
    code = rest[-1].partition("#")[2]
    with WebBrowser(fleet.address) as anybody:
        for _ in range(3):  # a messenger that shows previews
            assert anybody.visit("/told").status_code == 200
        assert "Phường Hàm Rồng" in anybody.submit("/told", code=code).text
        assert story(fleet, found["number"])["incident"]["acknowledged_at"] is None, "looking changes nothing"
        assert anybody.submit("/told", code=code, act="acknowledge").status_code == 200
        assert anybody.submit("/told", code=code, act="acknowledge").status_code == 404, "once"
        assert anybody.submit("/told", code="x" * 32).status_code == 404
        assert anybody.visit(f"/incidents/{found['number']}").status_code == 303, "and nothing else"
    assert story(fleet, found["number"])["incident"]["acknowledged_by"] == "NOC"
    with WebBrowser(fleet.address) as browser:
        browser.sign_in("tests")
        assert "Phường Hàm Rồng" in browser.visit("/incidents").text
        browser.submit(f"/incidents/{found['number']}", act="note", note="Đã gọi điện lực")
        page = browser.visit(f"/incidents/{found['number']}").text
    assert "tests: Đã gọi điện lực" in page and "NOC nhận xử lý" in page and "đã gửi" in page


def recipient_named(fleet: FleetUnderTest, name: str) -> dict[str, Any]:
    return next(dict(item) for item in fleet.client.get("/alerts").json()["recipients"] if item["name"] == name)


class Listener:
    """A program of others that is told by webhook."""

    def __init__(self) -> None:
        self.heard: list[AlertNews] = []
        listener = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                signed = self.headers["DiemCau-Signature"].encode() + b"." + body
                found = decode(Announced.ALERT, PinnedKeys(PUBLIC).open(Announced.ALERT, signed))
                assert isinstance(found, AlertNews)
                listener.heard.append(found)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return None

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/alerts"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.timeout(240)
def test_a_channel_that_is_down_hands_over_and_is_an_incident_itself(
    fleet: FleetUnderTest, room: RoomUnderTest, mail: MailServer
) -> None:
    listener, other = Listener(), Listener()
    try:
        noc = recipient(fleet, "NOC", ("email", "noc@tinh.vn"), ("webhook", listener.address))["id"]
        admin = recipient(fleet, "Quản trị", ("webhook", other.address))["id"]
        routes = [
            {"name": "NOC", "match": {"least": "incident"}, "steps": [{"to": noc}]},
            {"name": "Kênh", "match": {"checks": ["channel_down"]}, "steps": [{"to": admin}]},
        ]
        assert fleet.client.put("/alerts/routes", json={"items": routes}).status_code == 200
        fleet.wait_until("38-1", verdict="ready")
        wait_for(lambda: not fleet.health()["learning"], 30)
        mail.stop()
        room.ups.cut_mains(runtime_s=600)
        wait_for(lambda: listener.heard, 100, "the next channel did not take over")
        first = listener.heard[0]
        assert first.subject.startswith("Phường Hàm Rồng") and first.thread.startswith("incident.")
        wait_for(lambda: other.heard, 40, "nobody is told of the channel")
        assert "email" in other.heard[0].text
        states = fleet.client.get("/alerts").json()["channels"]
        assert states["webhook"] == "ready" and states["email"] not in ("ready", "not_configured")
        checks = {item["check"] for item in fleet.client.get("/incidents").json()["items"]}
        assert "channel_down" in checks
        mail.start()
        wait_for(lambda: fleet.client.get("/alerts").json()["channels"]["email"] == "ready", 60, "it is not seen again")
        assert mail.to("noc@tinh.vn") == [], "what was handed over is not sent a second time"
    finally:
        listener.close()
        other.close()


def test_somebody_elsewhere_hears_that_the_server_is_silent(
    processes: Processes, mosquitto_port: int, tmp_path: Path, mail: MailServer
) -> None:
    """Both ways: the server's own heart beats outward, and a watcher on another machine asks."""
    beats = threading.Semaphore(0)

    class Heart(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()
            beats.release()

        def log_message(self, *_: object) -> None:
            return None

    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Heart)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    fleet = FleetUnderTest(processes, mosquitto_port, tmp_path / "server")
    fleet.environment["DIEMCAU_HEARTBEAT_URL"] = f"http://127.0.0.1:{listener.server_address[1]}/beat"
    try:
        fleet.start()
        assert beats.acquire(timeout=20), "no beat"
        told = [*SERVER, "--folder", str(tmp_path / "elsewhere"), "watch", fleet.address]
        environment = {"DIEMCAU_SMTP": f"smtp://127.0.0.1:{mail.port}", "DIEMCAU_SMTP_FROM": "watch@tinh.vn"}
        processes.start("watch", [*told, "--to", "noc@tinh.vn", "--every", "0.3", "--after", "3"], environment)
        fleet.kill()
        wait_for(lambda: mail.to("noc@tinh.vn"), 60, "nobody cried")
        assert "không trả lời" in mail.to("noc@tinh.vn")[0]["Subject"]
        fleet.start()
        wait_for(lambda: len(mail.to("noc@tinh.vn")) == 2, 60, "nobody said that it is back")
        assert "trả lời lại" in mail.to("noc@tinh.vn")[1]["Subject"]
    finally:
        fleet.close()
        listener.shutdown()
        listener.server_close()


def test_a_server_with_an_authority_of_its_own_is_watched_by_that_authority(
    processes: Processes, tmp_path: Path, mail: MailServer
) -> None:
    need(mosquitto(), "mosquitto")
    fleet = GuardedFleet(processes, tmp_path / "server", web_tls=True)
    fleet.start()
    known = tmp_path / "authority.pem"
    known.write_text(fleet.authority.trusted_by_rooms)
    told = [*SERVER, "--folder", str(tmp_path / "elsewhere"), "watch", fleet.address, "--authority", str(known)]
    environment = {"DIEMCAU_SMTP": f"smtp://127.0.0.1:{mail.port}", "DIEMCAU_SMTP_FROM": "watch@tinh.vn"}
    processes.start("watch", [*told, "--to", "noc@tinh.vn", "--every", "0.3", "--after", "3"], environment)
    fleet.kill()
    wait_for(lambda: mail.to("noc@tinh.vn"), 60, "nobody cried")
    fleet.start()
    wait_for(lambda: len(mail.to("noc@tinh.vn")) == 2, 60, "its certificate is not believed")
    assert "trả lời lại" in mail.to("noc@tinh.vn")[1]["Subject"]
    fleet.close()


def test_whoever_withdraws_is_erased_and_never_written_to_again(fleet: FleetUnderTest, mail: MailServer) -> None:
    one = recipient(fleet, "Ông A", ("email", "ong.a@tinh.vn"))
    contact = one["contacts"][0]
    assert "ong.a@tinh.vn" not in json.dumps(fleet.client.get("/alerts").json()), "others see a part of it"
    assert fleet.client.post(f"/alerts/contacts/{contact['id']}/test").status_code == 202
    wait_for(lambda: mail.to("ong.a@tinh.vn"), 10)
    assert fleet.client.delete(f"/alerts/contacts/{contact['id']}").status_code == 204
    assert fleet.client.post(f"/alerts/contacts/{contact['id']}/test").status_code == 404
    assert recipient_named(fleet, "Ông A")["contacts"] == []
    assert b"ong.a@tinh.vn" not in everything_in(fleet.folder), "the address was never there in the open"


@pytest.mark.parametrize(
    ("channel", "address"),
    [("email", "a@b\r\nBcc: x@y"), ("email", "nobody"), ("email", "a@b.vn, c@d.vn"), ("webhook", "http://example.vn/"),
     ("webhook", "https://user:secret@example.vn/"), ("webhook", "file:///etc/passwd"), ("pigeon", "x")],
)  # fmt: skip
def test_an_address_that_cannot_be_is_refused(fleet: FleetUnderTest, channel: str, address: str) -> None:
    who = recipient(fleet, "X")
    body = {"channel": channel, "address": address, "agreed": True}
    path = f"/alerts/recipients/{who['id']}/contacts"
    assert fleet.client.post(path, json=body).status_code == 422
    assert fleet.client.post(path, json=body | {"agreed": False}).status_code == 422


def test_routes_rotas_and_silences_are_set_and_seen(fleet: FleetUnderTest) -> None:
    who = recipient(fleet, "Trực NOC", ("email", "truc@tinh.vn"))
    now = datetime.now(UTC)
    times = {"begins_at": now.isoformat(), "ends_at": (now + timedelta(hours=8)).isoformat()}
    shift = fleet.client.post("/alerts/shifts", json={"rota": "noc", "recipient": who["id"], **times})
    assert shift.status_code == 201, shift.text
    route = {"name": "Trong giờ", "match": {"least": "incident", "hours": "work"}, "steps": [{"to": "rota:noc"}]}
    wrong = {**route, "steps": [{"to": "01a214ca-3bfd-7f93-96d3-b5ee3228d799"}]}
    assert fleet.client.put("/alerts/routes", json={"items": [wrong]}).status_code == 404
    assert fleet.client.put("/alerts/routes", json={"items": [route]}).status_code == 200
    quiet = {"match": {"sites": ["38-1"]}, "reason": "Sửa điện", **times}
    silence = fleet.client.post("/alerts/silences", json=quiet)
    assert silence.status_code == 201, silence.text
    for match, named in (({"sites": ["38-1", "39-1"]}, "39-1"), ({"checks": ["anwsers"]}, "anwsers")):
        for refused in (
            fleet.client.post("/alerts/silences", json=quiet | {"match": match}),
            fleet.client.put("/alerts/routes", json={"items": [route | {"match": match}]}),
        ):
            assert refused.status_code == 404 and named in refused.text, "a rule for what there is not tells nobody"
    found = fleet.client.get("/alerts").json()
    assert found["routes"][0]["match"]["hours"] == "work" and found["silences"][0]["reason"] == "Sửa điện"
    with WebBrowser(fleet.address) as browser:
        browser.sign_in("tests")
        page = browser.visit("/alerts").text
        assert "Trực NOC" in page and "Sửa điện" in page and "Trong giờ" in page
        made = browser.submit("/alerts", act="add_recipient", name="Bà B", lang="vi")
        assert made.status_code == 303 and "Bà B" in browser.visit("/alerts").text
    assert fleet.client.delete(f"/alerts/silences/{silence.json()['id']}").status_code == 204
    assert fleet.client.delete(f"/alerts/shifts/{shift.json()['id']}").status_code == 204
    assert fleet.client.get("/alerts").json()["silences"] == []


@pytest.mark.timeout(180)
def test_a_camera_that_was_told_to_restart_is_no_incident_while_it_does(
    fleet: FleetUnderTest, room: RoomUnderTest
) -> None:
    """It is away for longer than it takes to open one."""
    fleet.wait_until(room.site, verdict="ready")
    wait_for(lambda: not fleet.health()["learning"], 30)
    room.camera.reboot_s = 32.0
    asked = {"action": "reboot", "reason": "a test"}
    answer = fleet.client.post(f"/sites/{room.site}/devices/camera-1/commands", json=asked)
    assert answer.status_code == 202, answer.text
    fleet.wait_until(room.site, verdict="not_ready")
    assert fleet.wait_for_command(answer.json()["id"], {"succeeded", "failed"}, 90)["state"] == "succeeded"
    fleet.wait_until(room.site, verdict="ready")
    opened = fleet.client.get("/incidents?state=all").json()["items"]
    assert [each for each in opened if each["device"] in ("camera-1", None)] == []  # a busy machine's line may be slow
