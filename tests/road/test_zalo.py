"""Zalo on the whole road: consent in a browser, a message to a person, their answer, their last word."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo.processes import Processes
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.mail_server import MailServer, text_of
from tests.counterparts.waiting import wait_for
from tests.counterparts.web_browser import WebBrowser
from tests.counterparts.zalo_server import APP, GROUP, SECRET, WEBHOOK_SECRET, ZaloServer

PERSON = "2512523625412515"


@pytest.fixture
def zalo() -> Iterator[ZaloServer]:
    server = ZaloServer()
    yield server
    server.close()
    assert server.violations == [], "what Zalo forbids"


@pytest.fixture
def mail() -> Iterator[MailServer]:
    server = MailServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def fleet(
    processes: Processes, mosquitto_port: int, tmp_path: Path, zalo: ZaloServer, mail: MailServer
) -> Iterator[FleetUnderTest]:
    server = FleetUnderTest(processes, mosquitto_port, tmp_path / "server")
    for name, words in (("secret", SECRET), ("webhook", WEBHOOK_SECRET)):
        (tmp_path / name).write_text(words)
    server.environment |= {
        "DIEMCAU_ZALO_APP": APP, "DIEMCAU_ZALO_SECRET_FILE": str(tmp_path / "secret"),
        "DIEMCAU_ZALO_WEBHOOK_SECRET_FILE": str(tmp_path / "webhook"), "DIEMCAU_ZALO_OAUTH": zalo.address,
        "DIEMCAU_ZALO_OPENAPI": zalo.address, "DIEMCAU_ZALO_BUSINESS": zalo.address,
        "DIEMCAU_SMTP": f"smtp://127.0.0.1:{mail.port}", "DIEMCAU_SMTP_FROM": "diemcau@tinh.vn",
        "DIEMCAU_TIMEZONE": f"Etc/GMT{datetime.now(UTC).hour - 12:+d}",
    }  # fmt: skip
    server.start()
    zalo.webhook = f"{server.address}/api/v1/zalo/events"
    yield server
    server.close()


def give_consent(fleet: FleetUnderTest, browser: WebBrowser) -> int:
    """To Zalo and back, as the browser goes; the status of the last page."""
    away = browser.visit("/zalo/consent/begin")
    back = httpx.get(away.headers["Location"], follow_redirects=False, timeout=30).headers["Location"]
    return browser.visit(back.removeprefix(fleet.address)).status_code


def recipient(fleet: FleetUnderTest, name: str, channel: str, address: str) -> str:
    made = fleet.client.post("/alerts/recipients", json={"name": name})
    assert made.status_code == 201, made.text
    id: str = made.json()["id"]
    wanted = {"channel": channel, "address": address, "agreed": True}
    assert fleet.client.post(f"/alerts/recipients/{id}/contacts", json=wanted).status_code == 201
    return id


def try_contact(fleet: FleetUnderTest, name: str) -> None:
    (who,) = [each for each in fleet.client.get("/alerts").json()["recipients"] if each["name"] == name]
    assert fleet.client.post(f"/alerts/contacts/{who['contacts'][0]['id']}/test").status_code == 202


def times_of(fleet: FleetUnderTest, number: int) -> list[str | None]:
    return [each["reached_at"] for each in fleet.client.get(f"/incidents/{number}").json()["told"]]


def opened(fleet: FleetUnderTest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = fleet.client.get("/incidents").json()["items"]
    return found


def test_consent_a_message_its_arrival_the_answer_and_the_last_word(
    fleet: FleetUnderTest, zalo: ZaloServer, mail: MailServer
) -> None:
    with WebBrowser(fleet.address) as browser:
        browser.sign_in("tests")
        assert "Chưa có sự đồng ý" in browser.visit("/zalo").text
        foreign = browser.visit("/zalo/consent?state=x&code=y")
        assert foreign.status_code == 409, "only the browser that went may come back"
        assert give_consent(fleet, browser) == 303
        page = browser.submit("/zalo").text
        assert GROUP in page and "Ca trực NOC" in page and "Tăng trưởng" in page
    states = lambda: fleet.client.get("/alerts").json()["channels"]  # noqa: E731
    wait_for(lambda: states()["zalo_person"] == states()["zalo_group"] == "ready", 10, "consent is noticed at once")
    zalo.last_interaction[PERSON] = zalo.now()
    id = recipient(fleet, "Bà An", "zalo_person", PERSON)
    mail.stop()
    recipient(fleet, "Ông Bình", "email", "binh@tinh.vn")
    try_contact(fleet, "Ông Bình")
    wait_for(lambda: zalo.sent_to(PERSON), 90, "the person is told that e-mail is down")
    told = zalo.sent_to(PERSON)[0]
    (incident,) = [each for each in opened(fleet) if each["check"] == "channel_down"]
    assert f"Đã nhận {incident['number']}" in told, "it says what one can answer"
    assert zalo.reached(zalo.inbox[-1]["id"], PERSON) == 200
    wait_for(lambda: any(times_of(fleet, incident["number"])), 10, "it reached her, however early that is told")
    assert zalo.reply(PERSON, "Đã nhận", secret="another") == 403
    assert zalo.reply("9999999999", f"Đã nhận {incident['number']}") == 200, "somebody whom we do not know"
    assert zalo.reply(PERSON, "Đã nhận", sent_s=zalo.now() - 3_600) == 200, "before they were told of it"
    assert fleet.client.get(f"/incidents/{incident['number']}").json()["incident"]["acknowledged_by"] == ""
    assert zalo.reply(PERSON, f"da nhan {incident['number']}") == 200
    story = fleet.client.get(f"/incidents/{incident['number']}").json()
    assert story["incident"]["acknowledged_by"] == "Bà An"
    assert zalo.reply(PERSON, "Dừng") == 200
    (who,) = [each for each in fleet.client.get("/alerts").json()["recipients"] if each["id"] == id]
    assert who["contacts"] == [], "one word, and the address is gone"
    rows = fleet.client.get(f"{fleet.address}/audit/audit.jsonl").text.splitlines()
    acts = [json.loads(row)["act"] for row in rows]
    assert {"handle", "withdraw"} <= set(acts)


def test_whoever_gets_letters_ends_them_by_the_link_in_them(fleet: FleetUnderTest, mail: MailServer) -> None:
    id = recipient(fleet, "Ông Bình", "email", "binh@tinh.vn")
    try_contact(fleet, "Ông Bình")
    wait_for(lambda: mail.letters, 30, "the test letter")
    code = text_of(mail.letters[0]).rpartition("/stop#")[2].split()[0]
    with WebBrowser(fleet.address) as browser:
        assert browser.visit("/stop").status_code == 200
        asked = browser.submit("/stop", code=code)
        assert "Ông Bình" in asked.text and "binh@tinh.vn" not in asked.text
        assert len(fleet.client.get("/alerts").json()["recipients"][0]["contacts"]) == 1, "looking ends nothing"
        wrong = browser.submit("/stop", code=code[:-8] + "AAAAAAA=", act="stop")
        assert wrong.status_code == 404
        assert "Đã ngừng" in browser.submit("/stop", code=code, act="stop").text
        assert browser.submit("/stop", code=code, act="stop").status_code == 404
    assert [each["contacts"] for each in fleet.client.get("/alerts").json()["recipients"] if each["id"] == id] == [[]]
