"""The audit: what people do leaves a row, no row is ever changed or taken away unseen, no secret is in it."""

import argparse
import hashlib
import json
import re
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError

from fleet_server.config import Settings
from fleet_server.people_cli import audit as audit_cli
from fleet_server.store import audit
from fleet_server.store.tables import metadata
from tests.counterparts.able_room import AbleRoom
from tests.counterparts.databases import change_in, everything_in
from tests.counterparts.fleet import PASSWORD
from tests.counterparts.forked import run_to_end
from tests.counterparts.standing import StandingFleet, standing_fleet
from tests.counterparts.waiting import wait_for
from tests.counterparts.web_browser import WebBrowser, found_in

ANOTHER = "quite another long word"
WRONG = "a wrong word of seven letters"
KEPT = "the camera's own word 7319"
SITE = "38-1"


class Recorded:
    """A server in which people have done something of everything, and the words that must be nowhere."""

    def __init__(self, fleet: StandingFleet) -> None:
        self.fleet = fleet
        self.secret: dict[str, str] = {"password": PASSWORD, "wrong password": WRONG, "kept": KEPT, "new": ANOTHER}
        self.session = ""

    def do_all(self) -> None:
        fleet, client = self.fleet, self.fleet.client
        room = AbleRoom(SITE, fleet.broker_port)
        room.report()
        fleet.wait_until(SITE, verdict="ready")
        with WebBrowser(fleet.address, "127.0.0.9") as browser:
            browser.sign_in("operator", WRONG)
            assert browser.sign_in("operator").status_code == 303
            self.secret["half"] = browser.cookie("-half")
            self.secret["totp"] = browser.set_code_up()
            self.secret["cookie"], self.secret["browser"] = browser.cookie(), browser.cookie("-browser")
            page = browser.submit("/account/tokens", label="mine", days="3", acts="1").text
            self.secret["token"] = found_in(r'id="token">([^<]+)<', page)
            changed = browser.submit("/account/password", old=PASSWORD, password=ANOTHER, again=ANOTHER)
            assert changed.status_code == 200
            assert browser.visit("/people").status_code == 403
            assert browser.submit(f"/sites/{SITE}/secrets/camera-2", value=KEPT).status_code == 303
            assert browser.submit("/sign-out").status_code == 303
        with fleet.client_of(self.secret["token"]) as operator:
            path = f"/sites/{SITE}/devices/camera-1/commands"
            assert operator.post(path, json={"action": "reboot", "reason": "Hình đứng yên"}).status_code == 202
            assert operator.post("/sessions", json={}).status_code == 403
            assert operator.post(path, json={"action": "explode"}).status_code == 422
        assert client.put(f"/sites/{SITE}/secrets/camera-1", json={"value": KEPT}).status_code == 204
        starts_at = datetime.now(UTC) + timedelta(hours=2)
        times = {"starts_at": starts_at.isoformat(), "ends_at": (starts_at + timedelta(hours=1)).isoformat()}
        self.session = client.post("/sessions", json={"title": "Phiên", "sites": [SITE], **times}).json()["id"]
        decided = client.post(f"/sessions/{self.session}/decision", json={"decision": "no_go", "reason": "mưa"})
        assert decided.status_code == 200
        survey = {"pieces": {"ups": {"has": True}}}
        assert client.put(f"/sites/{SITE}/survey", json=survey).status_code == 200
        self.secret["code"] = client.post(f"/sites/{SITE}/enrolments", json={}).json()["code"]
        page = client.post(f"{fleet.address}/people", data={"login": "newcomer", "name": "Lê B", "role": "viewer"}).text
        self.secret["link"] = found_in(r"/set-up#([^<]+)<", page)
        with WebBrowser(fleet.address) as browser:
            answer = browser.submit("/set-up", key=self.secret["link"], password=PASSWORD, again=PASSWORD)
            assert answer.status_code == 303
        room.leave()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    def people(server: StandingFleet) -> None:
        server.add_user("operator", "operator")

    with standing_fleet(tmp_path_factory.mktemp("audit"), people, DIEMCAU_SECOND_FACTOR="1") as fleet:
        made = Recorded(fleet)
        made.do_all()
        yield made


def exported(fleet: StandingFleet) -> list[dict[str, Any]]:
    answer = fleet.client.get(f"{fleet.address}/audit/audit.jsonl")
    assert answer.status_code == 200
    return [json.loads(line) for line in answer.text.splitlines()]


def rows_of(recorded: Recorded, **wanted: Any) -> list[dict[str, Any]]:
    rows = exported(recorded.fleet)
    return [row for row in rows if all(row.get(name, row["details"].get(name)) == wanted[name] for name in wanted)]


# That there is a row.


@pytest.mark.parametrize(
    "wanted",
    [
        {"act": "sign_in", "outcome": "refused", "by": "operator", "why": "password", "origin": "127.0.0.9"},
        {"act": "sign_in", "outcome": "done", "by": "operator", "origin": "127.0.0.9"},
        {"act": "second_factor", "outcome": "done", "by": "operator", "origin": "127.0.0.9"},
        {"act": "own", "route": "/account/tokens", "outcome": "done", "by": "operator", "by_token": False},
        {"act": "own", "route": "/account/password", "outcome": "done", "by": "operator"},
        {"act": "own", "route": "/sign-out", "outcome": "done", "by": "operator"},
        {"act": "manage_people", "method": "GET", "outcome": "refused", "by": "operator", "status": 403},
        {"act": "provision", "site": SITE, "outcome": "done", "by": "operator", "name": "camera-2"},
        {"act": "command", "site": SITE, "outcome": "done", "by": "operator", "device": "camera-1", "by_token": True},
        {"act": "command", "site": SITE, "outcome": "refused", "by": "operator", "status": 422},
        {"act": "plan", "outcome": "refused", "by": "operator", "status": 403, "by_token": True},
        {"act": "provision", "site": SITE, "outcome": "done", "by": "tests", "name": "camera-1"},
        {"act": "plan", "outcome": "done", "by": "tests"},
        {"act": "decide", "outcome": "done", "by": "tests"},
        {"act": "survey", "site": SITE, "outcome": "done", "by": "tests"},
        {"act": "enrol", "site": SITE, "outcome": "done", "by": "tests"},
        {"act": "manage_people", "outcome": "done", "by": "tests", "login": "newcomer", "role": "viewer"},
        {"act": "set_up", "outcome": "done", "by": "newcomer"},
        {"act": "command_line", "outcome": "done", "by": "diemcau-server", "users": "operator", "role": "operator"},
    ],
    ids=lambda wanted: " ".join(map(str, wanted.values())),
)
def test_what_people_do_leaves_one_row_that_says_who_where_and_what_came_of_it(
    recorded: Recorded, wanted: dict[str, Any]
) -> None:
    (row,) = rows_of(recorded, **wanted)
    assert abs(datetime.fromisoformat(row["at"]) - datetime.now(UTC)) < timedelta(minutes=5)
    assert row["by"] and (row["origin"].startswith("127.0.0.") or row["act"] == "command_line")


def test_looking_leaves_no_row_and_a_refusal_leaves_one_each_time(recorded: Recorded) -> None:
    before = len(exported(recorded.fleet))
    assert recorded.fleet.client.get("/sites").status_code == 200
    with recorded.fleet.client_of(recorded.secret["token"]) as operator:
        for _ in range(3):
            assert operator.get(f"{recorded.fleet.address}/audit").status_code == 403
    assert len(exported(recorded.fleet)) == before + 3


def test_whoever_is_nobody_cannot_fill_the_audit(recorded: Recorded) -> None:
    before = len(exported(recorded.fleet))
    for path in ("/api/v1/sessions", "/people", f"/api/v1/sites/{SITE}/secrets/camera-1"):
        assert httpx.post(f"{recorded.fleet.address}{path}", json={}, timeout=30).status_code in (401, 405)
    assert len(exported(recorded.fleet)) == before


def test_a_form_of_a_foreign_page_is_refused_and_leaves_a_row(recorded: Recorded) -> None:
    with WebBrowser(recorded.fleet.address, "127.0.0.8") as browser:
        browser.sign_in("newcomer")
        for told in ({}, {"Origin": "http://evil.example"}):
            before = len(rows_of(recorded, outcome="refused", origin="127.0.0.8", status=403))
            assert browser.post("/sign-out", headers=told).status_code == 403
            assert len(rows_of(recorded, outcome="refused", origin="127.0.0.8", status=403)) == before + 1, told


def test_what_was_typed_in_place_of_a_login_is_not_kept(recorded: Recorded) -> None:
    """A password in the wrong field is what everybody types once."""
    with WebBrowser(recorded.fleet.address) as browser:
        assert browser.sign_in("my-secret-word-4711", "x").status_code == 401
    assert "my-secret-word-4711" not in json.dumps(exported(recorded.fleet))


def test_what_ends_in_a_failure_of_ours_leaves_a_row(tmp_path: Path) -> None:
    with standing_fleet(tmp_path / "failing") as fleet:
        change_in(fleet.folder, "DROP TABLE duties")
        who = {"name": "Nguyễn Thị Hường", "phone": "0912 345 678"}
        answer = fleet.client.post(f"/sites/{SITE}/duty", json=who, headers={"Connection": "close"})
        assert answer.status_code == 500
        assert re.search("OperationalError|ProgrammingError", fleet.says()) and not any(
            word in fleet.says() for word in who.values()
        )
        (row,) = [row for row in exported(fleet) if row["act"] == "confirm_duty"]
        assert (row["outcome"], row["details"]["status"]) == ("refused", 500)


# That no secret is in it.


def test_no_password_token_code_or_cookie_is_in_audit_log_or_database(recorded: Recorded) -> None:
    fleet = recorded.fleet
    written = {
        "audit": fleet.client.get(f"{fleet.address}/audit/audit.jsonl").content,
        "page": fleet.client.get(f"{fleet.address}/audit").content,
        "log": fleet.says().encode(),
        "database": everything_in(fleet.folder),
    }
    assert len(recorded.secret) == 11 and all(len(word) >= 12 for word in recorded.secret.values())
    words = {name: (word, word.replace("-", "")) for name, word in recorded.secret.items()}
    found = {(name, where) for name, forms in words.items() for where, text in written.items()
             for word in forms if word.encode() in text}  # fmt: skip
    assert found == set()
    assert b"newcomer" in written["database"] and b"newcomer" in written["audit"], "the search finds what is there"


# That no row is changed or taken away.


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET by = 'nobody' WHERE n = 2", "UPDATE audit SET hash = 'x'", "DELETE FROM audit WHERE n = 2",
        "DELETE FROM audit", "UPDATE audit SET n = n + 1000",
        pytest.param(
            "REPLACE INTO audit SELECT n, at, 'nobody', origin, act, site, outcome, details, hash FROM audit"
            " WHERE n = 2",
            marks=pytest.mark.sqlite_file,
        ),
    ],
)  # fmt: skip
def test_the_database_refuses_to_change_or_delete_a_row(recorded: Recorded, statement: str) -> None:
    before = exported(recorded.fleet)
    with pytest.raises(DBAPIError, match="only ever added to"):
        change_in(recorded.fleet.folder, statement)
    assert exported(recorded.fleet) == before


def hash_over(row: dict[str, Any], before: str) -> str:
    """As the documentation says: SHA-256 over the hash before and the row as JSON with sorted keys."""
    at_ms = round(datetime.fromisoformat(row["at"]).timestamp() * 1000)
    told = [row["n"], at_ms, row["by"], row["origin"], row["act"], row["site"], row["outcome"], row["details"]]
    packed = json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(before.encode() + packed.encode()).hexdigest()


def test_exported_lines_are_a_whole_chain_that_anybody_can_verify(recorded: Recorded) -> None:
    rows = exported(recorded.fleet)
    before = "0" * 64
    for number, row in enumerate(rows, 1):
        assert (row["n"], row["hash"]) == (number, hash_over(row, before))
        before = row["hash"]
    assert len(rows) > 20


@pytest.fixture
def copied(recorded: Recorded, tmp_path: Path) -> Path:
    """The folder of the server as somebody has copied it who may do with it what they like."""
    source = sqlite3.connect(recorded.fleet.folder / "fleet.db", timeout=10)
    target = sqlite3.connect(tmp_path / "fleet.db")
    source.backup(target)
    for trigger in ("audit_no_update", "audit_no_delete"):
        target.execute(f"DROP TRIGGER {trigger}")
    target.commit()
    target.close()
    source.close()
    return tmp_path


def verified(folder: Path, expect: str | None, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = audit_cli(Settings(folder), argparse.Namespace(act="verify", lang="en", expect=expect))
    return status, capsys.readouterr().out


@pytest.mark.sqlite_file
@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE audit SET by = 'nobody' WHERE n = 7", 7), ("UPDATE audit SET at = at - 1 WHERE n = 1", 1),
        ("UPDATE audit SET outcome = 'done' WHERE n = (SELECT min(n) FROM audit WHERE outcome = 'refused')", None),
        ("UPDATE audit SET details = '{}' WHERE n = 9", 9), ("UPDATE audit SET site = '38-2' WHERE n = 11", 11),
        ("DELETE FROM audit WHERE n = 8", 8), ("DELETE FROM audit WHERE n < 5", 1),
        ("UPDATE audit SET n = n + 1 WHERE n = (SELECT max(n) FROM audit)", None),
        ("DELETE FROM audit WHERE n BETWEEN 4 AND 6", 4),
    ],
)  # fmt: skip
def test_verify_names_the_first_row_that_is_not_as_it_was_written(
    copied: Path, statement: str, broken: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, _ = verified(copied, None, capsys)
    assert whole == 0
    with sqlite3.connect(copied / "fleet.db") as database:
        if broken is None:
            wanted = "max(n)" if "max" in statement else "min(n)"
            where = "" if "max" in statement else " WHERE outcome = 'refused'"
            broken = database.execute(f"SELECT {wanted} FROM audit{where}").fetchone()[0]
        assert database.execute(statement).rowcount >= 1
    database.close()
    status, said = verified(copied, None, capsys)
    assert status == 1 and re.search(rf"\b{broken}\b", said), said


@pytest.mark.sqlite_file
def test_a_tail_that_was_cut_off_shows_against_a_hash_that_was_noted(
    copied: Path, recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(copied / "fleet.db") as database:
        noted, early = (row[0] for row in database.execute("SELECT hash FROM audit ORDER BY n DESC LIMIT 2"))
        assert verified(copied, noted, capsys)[0] == 0
        database.execute("DELETE FROM audit WHERE n = (SELECT max(n) FROM audit)")
    database.close()
    assert verified(copied, None, capsys)[0] == 0, "the chain alone cannot know"
    assert verified(copied, early, capsys)[0] == 0
    status, said = verified(copied, noted, capsys)
    assert status == 1 and noted in said
    assert verified(copied, "f" * 64, capsys)[0] == 1


@pytest.mark.sqlite_file
def test_the_command_line_says_it_with_its_exit_status(copied: Path) -> None:
    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return run_to_end("--folder", str(copied), "--lang", "en", "audit", *arguments)

    lines = run("export").stdout.splitlines()
    last = json.loads(lines[-1])["hash"]
    well = run("verify", "--expect", last)
    assert well.returncode == 0 and last in well.stdout and str(len(lines)) in well.stdout
    with sqlite3.connect(copied / "fleet.db") as database:
        database.execute("UPDATE audit SET by = 'nobody' WHERE n = 3")
    database.close()
    assert run("verify").returncode == 1


@pytest.mark.sqlite_file
def test_whoever_adds_a_row_that_the_server_did_not_write_breaks_the_chain(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(copied / "fleet.db") as database:
        (most,) = database.execute("SELECT max(n) FROM audit").fetchone()
        database.execute("INSERT INTO audit SELECT n + 1, at, by, origin, act, site, outcome, details, hash FROM audit "
                         "WHERE n = ?", (most,))  # fmt: skip
    database.close()
    assert verified(copied, None, capsys)[0] == 1


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
entries = st.lists(
    st.tuples(words, words, words, st.none() | words, words, st.dictionaries(words, words | st.integers(), max_size=3)),
    min_size=1, max_size=6,
)  # fmt: skip
AT = datetime(2027, 1, 2, tzinfo=UTC)


@given(entries, st.data())
@settings(max_examples=60)
def test_whatever_is_written_verifies_and_one_changed_cell_is_named(entries: list[Any], data: st.DataObject) -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as db:
        metadata.create_all(db, tables=[metadata.tables["audit"]])
        for by, origin, act, site, outcome, details in entries:
            audit.add(db, AT, by, act, outcome, origin=origin, site=site, details=details)
        found = audit.verify(db)
        assert (found.rows, found.broken) == (len(entries), None)
        assert [row.n for row in audit.rows(db)] == list(range(1, len(entries) + 1))
        n = data.draw(st.integers(1, len(entries)))
        column = data.draw(st.sampled_from(["at", "by", "origin", "act", "site", "outcome", "details", "hash"]))
        before = db.exec_driver_sql(f"SELECT {column} FROM audit WHERE n = {n}").scalar()
        other: Any = '{"other":1}' if column == "details" else 1 if column == "at" else f"{before or ''}."
        db.exec_driver_sql(f"UPDATE audit SET {column} = ? WHERE n = ?", (other, n))
        assert audit.verify(db).broken == n
    engine.dispose()


def test_rows_of_two_who_act_at_once_are_one_chain(recorded: Recorded) -> None:
    def refuse() -> None:
        with recorded.fleet.client_of(recorded.secret["token"]) as operator:
            for _ in range(10):
                operator.get(f"{recorded.fleet.address}/people")

    before = len(exported(recorded.fleet))
    actors = [threading.Thread(target=refuse) for _ in range(4)]
    for actor in actors:
        actor.start()
    for actor in actors:
        actor.join()
    wait_for(lambda: len(exported(recorded.fleet)) == before + 40, 10)
    last = "0" * 64
    for row in exported(recorded.fleet):
        assert row["hash"] == hash_over(row, last)
        last = row["hash"]
