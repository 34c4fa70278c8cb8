"""Backups that give back what was there, restores that change nothing when they cannot, and what the doctor sees."""

import argparse
import base64
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from device_drivers.loopback import free_port
from fleet_server.authority.files import AuthorityFiles
from fleet_server.config import Settings
from fleet_server.doctor.examine import examine
from fleet_server.errors import BadFile, WrongSettings
from fleet_server.keeping import nightly
from fleet_server.keeping.backup import MOMENT, backup, restore
from fleet_server.keeping.lock import the_only_one
from fleet_server.keeping_cli import doctor
from fleet_server.signing.keys import KeyFiles
from fleet_server.signing.secret_box import SecretBox
from fleet_server.trust_cli import broker
from tests.counterparts.able_room import AbleRoom
from tests.counterparts.databases import database_in
from tests.counterparts.fleet import PASSWORD
from tests.counterparts.forked import ForkingProcesses, run_to_end
from tests.counterparts.standing import StandingFleet, standing_fleet
from tests.counterparts.waiting import wait_for
from tests.counterparts.web_browser import WebBrowser
from wire.times import SystemClock

pytestmark = pytest.mark.sqlite_file

KEPT = "the camera's own word 7319"
NOW = datetime(2026, 12, 1, tzinfo=UTC)
SECRET_PARTS = {"keys/secrets.key", "keys/signing.key"}

AT = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)


def rows(file: Path, table: str) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(file)
    try:
        return sorted(database.execute(f"SELECT * FROM {table}").fetchall(), key=str)
    finally:
        database.close()


def cli(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return run_to_end("--folder", str(folder), "--lang", "en", *arguments, env={"PATH": "/usr/bin:/bin", **environment})


def contents(folder: Path) -> dict[str, bytes]:
    """Every file with its bytes, but the lock that whoever holds the folder writes."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != "server.lock")
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


class Kept:
    """A server that ran and wrote while it was backed up, with and without authority."""

    def __init__(self, fleet: StandingFleet, folder: Path) -> None:
        self.fleet = fleet
        self.settings = Settings(fleet.folder)
        self.without, self.whole = folder / "without.zip", folder / "whole.zip"
        self.sites = fleet.client.get("/sites").json()
        self.users: list[Any] = []

    def make(self) -> None:
        assert self.fleet.client.put("/sites/38-1/secrets/camera-1", json={"value": KEPT}).status_code == 204
        profiles = self.fleet.folder / "profiles" / "families"
        profiles.mkdir(parents=True)
        (profiles / "ups_ours.yaml").write_text("family: ups_ours\nmatch: {driver: ups_nut, roles: [ups]}\n")
        room, stopped = AbleRoom("38-1", self.fleet.broker_port), threading.Event()

        def write() -> None:
            n = 0
            while not stopped.wait(0.02):
                n += 1
                room.report(mic_muted=n % 2 == 0)
                self.fleet.client.post("/sites/38-1/duty", json={"name": f"Người {n}"})

        writer = threading.Thread(target=write)
        writer.start()
        try:
            self.at = len(rows(self.fleet.folder / "fleet.db", "audit"))
            backup(self.settings, self.without, with_authority=False, now=NOW)
            made = cli(self.fleet.folder, "backup", str(self.whole), "--with-authority")
            assert made.returncode == 0 and str(self.whole) in made.stdout, made.stderr
            self.until = len(rows(self.fleet.folder / "fleet.db", "audit"))
        finally:
            stopped.set()
            writer.join()
            room.leave()
        assert self.until > self.at, "nothing was written meanwhile"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("keeping")
    with standing_fleet(folder) as fleet:
        made = Kept(fleet, folder)
        made.make()
        yield made


def parts_of(file: Path) -> set[str]:
    with zipfile.ZipFile(file) as book:
        return set(book.namelist())


# That it works.


@pytest.mark.parametrize("which", ["without", "whole"])
def test_a_new_folder_gets_the_same_sites_users_and_audit(kept: Kept, tmp_path: Path, which: str) -> None:
    there = tmp_path / "new"
    listed = restore(Settings(there), getattr(kept, which), replace=False, now=AT)
    assert set(listed) | {"list.json"} == parts_of(getattr(kept, which))
    for table in ("sites", "users", "secrets"):
        assert rows(there / "fleet.db", table) == rows(kept.fleet.folder / "fleet.db", table), table
    audit = rows(there / "fleet.db", "audit")
    assert kept.at <= len(audit) <= kept.until
    assert set(audit) <= set(rows(kept.fleet.folder / "fleet.db", "audit"))
    assert cli(there, "audit", "verify").returncode == 0
    assert (there / "profiles/families/ups_ours.yaml").read_text().startswith("family: ups_ours")
    assert {file.stat().st_mode & 0o077 for file in there.rglob("*") if file.is_file()} == {0}
    assert not list(there.rglob(".*")), "nothing is left of the work"


def test_with_the_authority_the_restored_server_is_the_same_to_rooms_and_people(kept: Kept, tmp_path: Path) -> None:
    there = tmp_path / "server"
    restore(Settings(there), kept.whole, replace=False, now=AT)
    ours = KeyFiles(kept.settings.keys_folder), AuthorityFiles(kept.settings.authority_folder, SystemClock())
    theirs = KeyFiles(there / "keys"), AuthorityFiles(there / "authority", SystemClock())
    assert theirs[0].public_keys == ours[0].public_keys
    assert theirs[1].trusted_by_rooms == ours[1].trusted_by_rooms
    (sealed,) = [row[2] for row in rows(there / "fleet.db", "secrets")]
    assert SecretBox(there / "keys").open("secret 38-1 camera-1", sealed) == KEPT


def test_a_server_starts_on_what_was_restored_and_knows_its_people(kept: Kept, tmp_path: Path) -> None:
    class Restored(StandingFleet):
        def import_sites(self, rows: str) -> None:
            """They come with the backup, and the users with them."""

        def add_user(self, login: str, role: str, *sites: str) -> str:
            return kept.fleet.headers["Authorization"].removeprefix("Bearer ")

    def put_back(server: StandingFleet) -> None:
        restore(Settings(server.folder), kept.whole, replace=True, now=AT)

    with standing_fleet(tmp_path, put_back, kind=Restored) as server, WebBrowser(server.address) as browser:
        sites = [site["id"] for site in server.client.get("/sites").json()["items"]]
        assert sites == ["38-1", "38-2", "38-3", "38-hub"]
        assert server.client.get("/sites/38-1/secrets").json() == ["camera-1"]
        assert browser.sign_in("tests", PASSWORD).status_code == 303 and browser.is_in
        assert "/set-up#" not in server.says()


def test_without_the_authority_no_key_is_in_it(kept: Kept) -> None:
    inside, whole = parts_of(kept.without), parts_of(kept.whole)
    assert not [part for part in inside if part.startswith(("keys/", "authority/")) or part.endswith(".key")]
    assert "keys/secrets.key" in whole and any(part.startswith("authority/") for part in whole)
    keys = [file.read_bytes().strip() for file in kept.settings.keys_folder.iterdir()]
    keys += [base64.b64decode(key) for key in keys if not key.startswith(b"-----")]
    with zipfile.ZipFile(kept.without) as book:
        text = b"".join(book.read(part) for part in book.namelist())
    assert len(keys) >= 6 and not [key for key in keys if key in text]
    assert KEPT.encode() not in text and PASSWORD.encode() not in text
    assert "Phường Hàm Rồng".encode() in text, "the search finds what is there"
    assert kept.without.stat().st_mode & 0o077 == kept.whole.stat().st_mode & 0o077 == 0


def test_a_folder_in_use_is_replaced_only_when_that_is_said_and_what_was_there_stays_beside(
    kept: Kept, tmp_path: Path
) -> None:
    there = Settings(tmp_path / "there")
    restore(there, kept.without, replace=False, now=AT)
    with sqlite3.connect(there.folder / "fleet.db") as database:
        database.execute("DELETE FROM secrets")
    database.close()
    before = contents(there.folder)
    with pytest.raises(BadFile, match="something_there"):
        restore(there, kept.without, replace=False, now=AT)
    assert contents(there.folder) == before
    restore(there, kept.without, replace=True, now=AT)
    assert len(rows(there.folder / "fleet.db", "secrets")) == 1
    assert rows(there.folder / f"fleet.db.before-restore-{AT:{MOMENT}}", "secrets") == []


def test_what_stays_beside_is_whole_also_after_a_power_cut(kept: Kept, tmp_path: Path) -> None:
    """What SQLite had committed and not yet moved into its main file lies in the file beside it."""
    there = Settings(tmp_path / "there")
    restore(there, kept.without, replace=False, now=AT)
    writes = "import sqlite3, os, sys; db = sqlite3.connect(sys.argv[1]); db.execute('PRAGMA journal_mode=WAL'); "
    writes += "db.execute('DELETE FROM secrets'); db.commit(); os._exit(0)"
    subprocess.run([sys.executable, "-c", writes, str(there.folder / "fleet.db")], check=True, timeout=30)
    assert (there.folder / "fleet.db-wal").stat().st_size > 0
    restore(there, kept.without, replace=True, now=AT)
    beside = there.folder / f"fleet.db.before-restore-{AT:{MOMENT}}"
    assert rows(beside, "secrets") == [], "the last that was committed is lost"


def test_a_large_database_is_backed_up_beside_a_server_that_writes_all_the_time(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    database_in(folder).close()
    began, stopped = threading.Event(), threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(folder / "fleet.db", isolation_level=None)) as database:
            database.execute("CREATE TABLE much (what BLOB)")
            database.execute("INSERT INTO much VALUES (zeroblob(60000000))")
            while not stopped.is_set():
                database.execute("INSERT INTO much VALUES (zeroblob(100))")
                began.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert began.wait(30)
    given = (Settings(folder), tmp_path / "much.zip")
    reader = threading.Thread(target=backup, args=given, kwargs={"with_authority": False, "now": NOW}, daemon=True)
    reader.start()
    try:
        reader.join(60)
        assert not reader.is_alive(), "it never ends"
    finally:
        stopped.set()
        writer.join()
    assert "fleet.db" in parts_of(tmp_path / "much.zip")


# That nothing changes when it cannot be.


def test_a_backup_of_another_kind_of_database_is_refused(kept: Kept, tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    elsewhere = Settings(folder, database_url="postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    with pytest.raises(BadFile, match="other_database"):
        restore(elsewhere, kept.whole, replace=True, now=AT)
    assert contents(folder) == {}


def test_a_file_that_is_not_there_is_called_so(tmp_path: Path) -> None:
    for command in (("restore", "none.zip"), ("releases", "add", "none.tar")):
        said = cli(tmp_path, *command)
        assert said.returncode == 2 and "There is no file" in said.stderr and "none." in said.stderr, said.stderr


def refused(file: Path, folder: Path) -> bool:
    """Whether it is refused; then nothing in the folder is otherwise."""
    before = contents(folder)
    try:
        restore(Settings(folder), file, replace=True, now=AT)
    except BadFile:
        assert contents(folder) == before
        return True
    return False


@pytest.fixture(scope="module")
def other(kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with something in it that must not be touched."""
    folder = tmp_path_factory.mktemp("other")
    restore(Settings(folder), kept.whole, replace=False, now=AT)
    return folder


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 0.99, 0.9999])
def test_a_backup_that_was_cut_off_is_refused(kept: Kept, other: Path, tmp_path: Path, share: float) -> None:
    data = kept.whole.read_bytes()
    (tmp_path / "cut.zip").write_bytes(data[: int(len(data) * share)])
    assert refused(tmp_path / "cut.zip", other)


@pytest.mark.parametrize(
    "content", [b"", b"no zip at all", b"PK\x03\x04", b"PK\x05\x06" + b"\0" * 18, b"SQLite format 3\0"], ids=repr
)
def test_what_is_no_backup_is_refused(other: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "none.zip").write_bytes(content)
    assert refused(tmp_path / "none.zip", other)
    assert refused(tmp_path, other)


@pytest.fixture(scope="module")
def small(kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup with a small database, of which every byte can be tried."""
    folder = tmp_path_factory.mktemp("small")
    database = sqlite3.connect(folder / "fleet.db")
    database.execute("CREATE TABLE told (words TEXT)")
    database.execute("INSERT INTO told VALUES ('what was there')")
    database.commit()
    database.close()
    backup(Settings(folder), folder / "small.zip", with_authority=True, now=NOW)
    return folder / "small.zip"


def given_back(file: Path, folder: Path, parts: dict[str, bytes]) -> bool:
    """Refused with nothing changed, or bit for bit what was backed up: anything else fails."""
    folder.mkdir(exist_ok=True)
    (folder / "map.geojson").write_text("of before")
    if refused(file, folder):
        return False
    found = contents(folder)
    assert {name: found[name] for name in parts} == parts
    shutil.rmtree(folder)
    return True


def part_bytes(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as book:
        return {name: book.read(name) for name in book.namelist() if name != "list.json"}


@given(data=st.data())
@settings(max_examples=150)
def test_a_flipped_bit_is_refused_or_changes_nothing_of_what_is_given_back(
    small: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = bytearray(small.read_bytes())
    position, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    whole[position] ^= 1 << bit
    folder = tmp_path_factory.mktemp("flipped")
    (folder / "flipped.zip").write_bytes(whole)
    given_back(folder / "flipped.zip", folder / "there", part_bytes(small))


def test_a_flipped_bit_in_what_the_file_says_of_itself_is_refused_or_changes_nothing(
    small: Path, tmp_path: Path
) -> None:
    """Names, sizes and flags of the parts: each bit of them."""
    whole, parts = small.read_bytes(), part_bytes(small)
    start = whole.index(b"PK\x01\x02")
    broken = {}
    for position in range(start, len(whole)):
        for bit in range(8):
            flipped = bytearray(whole)
            flipped[position] ^= 1 << bit
            (tmp_path / "flipped.zip").write_bytes(flipped)
            try:
                given_back(tmp_path / "flipped.zip", tmp_path / "there", parts)
            except Exception as error:
                broken[position - start, bit] = f"{type(error).__name__}: {error}"
    assert broken == {}


def rewritten(file: Path, target: Path, change: Callable[[dict[str, bytes], dict[str, Any]], None]) -> Path:
    """The same backup with other parts, or another list, its sums made right where `change` leaves them."""
    with zipfile.ZipFile(file) as book:
        parts = {name: book.read(name) for name in book.namelist() if name != "list.json"}
        told = json.loads(book.read("list.json"))
    change(parts, told)
    with zipfile.ZipFile(target, "w") as book:
        for name, content in parts.items():
            book.writestr(name, content)
        book.writestr("list.json", json.dumps(told))
    return target


@pytest.mark.parametrize(
    "name", ["../evil", "/tmp/evil", "a/../../evil", "keys/../../evil", "..", "../../../../etc/evil", "./../evil"]
)
def test_a_part_whose_name_leads_out_of_the_folder_is_refused(small: Path, tmp_path: Path, name: str) -> None:
    def change(parts: dict[str, bytes], told: dict[str, Any]) -> None:
        parts[name] = parts["fleet.db"]
        told["parts"][name] = told["parts"]["fleet.db"]

    file = rewritten(small, tmp_path / "evil.zip", change)
    folder = tmp_path / "a" / "b" / "there"
    folder.mkdir(parents=True)
    assert refused(file, folder)
    assert not list(tmp_path.rglob("evil")) and not Path("/tmp/evil").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda parts, told: parts.update({"fleet.db": b"other"}),
        lambda parts, told: parts.update({"more": b"more"}),
        lambda parts, told: parts.pop("fleet.db"),
        lambda parts, told: told.update(form="diemcau-backup-2"),
        lambda parts, told: told.update(parts=[]),
        lambda parts, told: told.update(parts={"fleet.db": 7}),
        lambda parts, told: told.pop("form"),
        lambda parts, told: told["parts"].update({"fleet.db": "0" * 64}),
    ],
    ids=["content", "more", "less", "another form", "list", "number", "no form", "sum"],
)
def test_parts_that_are_not_as_the_list_says_are_refused(small: Path, other: Path, tmp_path: Path, change: Any) -> None:
    assert refused(rewritten(small, tmp_path / "changed.zip", change), other)


def test_a_damaged_database_is_refused_though_its_sum_is_right(small: Path, other: Path, tmp_path: Path) -> None:
    def change(parts: dict[str, bytes], told: dict[str, Any]) -> None:
        content = bytearray(parts["fleet.db"])
        content[4_096 + 3 : 4_096 + 11] = b"\xff" * 8
        parts["fleet.db"] = bytes(content)
        told["parts"]["fleet.db"] = hashlib.sha256(content).hexdigest()

    assert refused(rewritten(small, tmp_path / "damaged.zip", change), other)


def test_a_backup_that_cannot_be_written_leaves_the_one_before(kept: Kept, tmp_path: Path) -> None:
    file = tmp_path / "kept.zip"
    file.write_bytes(b"the one before")
    ill = Settings(tmp_path / "ill")
    ill.folder.mkdir()
    (ill.folder / "fleet.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 10_000)
    with pytest.raises((BadFile, sqlite3.DatabaseError)):
        backup(ill, file, with_authority=False, now=NOW)
    assert file.read_bytes() == b"the one before"


# One server to a folder.


def test_nothing_is_restored_under_a_running_server_and_no_second_one_starts(kept: Kept) -> None:
    before = rows(kept.fleet.folder / "fleet.db", "users")
    ran = cli(kept.fleet.folder, "restore", str(kept.whole), "--replace")
    assert ran.returncode == 2 and str(kept.fleet.folder) in ran.stderr
    elsewhere = ("--port", str(free_port()), "--broker", f"127.0.0.1:{kept.fleet.broker_port}")
    second = cli(kept.fleet.folder, "serve", *elsewhere)
    assert second.returncode == 2 and str(kept.fleet.folder) in second.stderr
    assert kept.fleet.health()["status"] == "ok"
    assert rows(kept.fleet.folder / "fleet.db", "users") == before
    assert not list(kept.fleet.folder.glob("*.before-restore*"))


def test_a_folder_is_free_again_when_its_holder_was_killed(tmp_path: Path) -> None:
    holds = "import sys, time; from pathlib import Path; from fleet_server.keeping.lock import the_only_one\n"
    holds += "with the_only_one(Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.read()"
    children = ForkingProcesses(tmp_path)
    child = children.start("holder", [sys.executable, "-c", holds, str(tmp_path / "folder")], talk=True)
    try:
        wait_for(lambda: "held" in (tmp_path / "holder.log").read_text(), 15, "it is not held")
        with pytest.raises(WrongSettings), the_only_one(tmp_path / "folder"):
            pass
        child.kill()
        child.wait()
        with the_only_one(tmp_path / "folder"):
            pass
    finally:
        children.end()


# The doctor.


@pytest.fixture(scope="module")
def well(kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A folder as it should be, with a broker behind TLS."""
    folder = tmp_path_factory.mktemp("well") / "server"
    restore(Settings(folder), kept.whole, replace=False, now=AT)
    found = Settings(folder, broker_tls=True, rooms_broker=("127.0.0.1", 8883), broker_port=8884)
    broker(found, argparse.Namespace(act="config", lang="en", listen="127.0.0.1", count_refused=True))
    return found


@pytest.fixture
def ward(well: Settings, tmp_path: Path) -> Settings:
    """The same, to be made ill."""
    shutil.copytree(well.folder, tmp_path / "ward")
    return replace(well, folder=tmp_path / "ward")


def complaints(found: Settings, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """The exit status, and the lines that say what is wrong."""
    status = doctor(found, argparse.Namespace(lang="en"))
    return status, [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL")]


def test_a_folder_that_is_well_has_no_complaint(well: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert complaints(well, capsys) == (0, [])
    levels = {finding.key: finding.level for finding in examine(well, datetime.now(UTC))}
    assert {"broker_well", "certificates_well", "files_well", "audit_whole"} <= {
        key for key, level in levels.items() if level == "ok"
    } | ({"files_well"} if "disk_small" in levels else set())


@pytest.mark.parametrize("name", ["keys/secrets.key", "keys/signing.key", "fleet.db", "broker/broker.key"])
def test_a_key_that_others_may_read_is_a_complaint(
    ward: Settings, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = ward.folder / name if (ward.folder / name).exists() else next((ward.folder / "keys").glob("*.key"))
    file.chmod(0o644)
    status, said = complaints(ward, capsys)
    assert status == 1 and len(said) == 1 and str(file) in said[0]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("allow_anonymous false", "allow_anonymous true", "allow_anonymous"),
        ("require_certificate true", "require_certificate false", "require_certificate"),
        ("tls_version tlsv1.3", "tls_version tlsv1.2", "tls_version"),
        ("persistence true", "persistence false", "persistence"),
        ("max_queued_messages 100000", "max_queued_messages 100", "max_queued_messages"),
        ("max_packet_size 70000", "max_packet_size 2000", "max_packet_size"),
        ("use_identity_as_username true", "", "use_identity_as_username"),
        pytest.param("\ncrlfile ", "\n#crlfile ", "crlfile", id="crlfile"),
        pytest.param("\nacl_file ", "\n#acl_file ", "acl_file", id="acl_file"),
        pytest.param("use_username_as_clientid true", "", "use_username_as_clientid", id="clientid"),
        pytest.param("require_certificate true\nuse_identity_as_username true\n", "", "require_certificate",
                     id="one door of two"),
    ],
)  # fmt: skip
def test_a_setting_of_the_broker_that_lets_somebody_in_or_loses_something_is_a_complaint(
    ward: Settings, before: str, after: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = ward.broker_folder / "mosquitto.conf"
    text = file.read_text()
    assert before in text
    last = text.rindex(before)
    file.write_text(text[:last] + after + text[last + len(before) :] if "\n" in before else text.replace(before, after))
    status, lines = complaints(ward, capsys)
    assert status == 1 and len(lines) == 1 and said in lines[0]


def test_a_broker_that_was_never_set_up_or_has_no_list_of_revocations_is_a_complaint(
    ward: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    (ward.broker_folder / "revoked.pem").write_text("no list")
    status, lines = complaints(ward, capsys)
    assert status == 1 and "revoked.pem" in lines[0]
    shutil.rmtree(ward.broker_folder)
    status, lines = complaints(ward, capsys)
    assert status == 1 and "mosquitto.conf" in lines[0]


def test_certificates_that_end_are_said_before_and_after(well: Settings) -> None:
    now = datetime.now(UTC)
    levels = {days: {finding.level for finding in examine(well, now + timedelta(days=days))} for days in (0, 40_000)}
    assert "fail" not in levels[0] and "fail" in levels[40_000]
    keys = {finding.key for finding in examine(well, now + timedelta(days=40_000))}
    assert {"certificate_ended", "revocations_ended"} <= keys
    ends_at = [
        x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
        for file in well.authority_folder.glob("*.pem")
    ]
    soon = list(examine(well, min(ends_at) - timedelta(days=10)))
    assert [finding.level for finding in soon if finding.key == "certificate_ends"].count("warn") >= 1


def test_a_certificate_that_cannot_be_read_is_a_complaint(ward: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    file = next(ward.authority_folder.glob("*.pem"))
    file.write_text("nothing of the kind")
    status, lines = complaints(ward, capsys)
    assert status == 1 and any(str(file) in line for line in lines)


def test_an_audit_that_was_tampered_with_and_a_fleet_without_administrator_are_complaints(
    ward: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(ward.folder / "fleet.db") as database:
        database.execute("DROP TRIGGER audit_no_update")
        database.execute("UPDATE audit SET by = 'nobody' WHERE n = 3")
    database.close()
    status, lines = complaints(ward, capsys)
    assert status == 1 and len(lines) == 1 and "3" in lines[0]
    with sqlite3.connect(ward.folder / "fleet.db") as database:
        database.execute("UPDATE users SET disabled_at = 1")
    database.close()
    assert len(complaints(ward, capsys)[1]) == 2


def test_an_administrator_of_named_sites_is_none(ward: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(ward.folder / "fleet.db") as database:
        database.execute("""UPDATE users SET sites = '["38-1"]'""")
    database.close()
    assert len(complaints(ward, capsys)[1]) == 1, "who has named sites manages nobody"


def test_a_backup_that_comes_no_more_is_a_complaint(ward: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    found = {finding.key: finding.level for finding in examine(ward, datetime.now(UTC))}
    assert found["backup_none"] == "warn"
    file = ward.folder / nightly.FILE
    file.write_bytes(b"")
    assert complaints(ward, capsys) == (0, [])
    two_days_ago = datetime.now(UTC).timestamp() - 2 * 86_400
    os.utime(file, (two_days_ago, two_days_ago))
    status, lines = complaints(ward, capsys)
    assert status == 1 and len(lines) == 1 and "nightly.zip" in lines[0]


def test_the_command_line_ends_with_one_where_something_is_wrong(ward: Settings) -> None:
    environment = {"DIEMCAU_BROKER_TLS": "1"}
    assert cli(ward.folder, "doctor", **environment).returncode == 0
    next((ward.folder / "keys").glob("*.key")).chmod(0o666)
    ill = cli(ward.folder, "doctor", **environment)
    assert ill.returncode == 1 and "FAIL" in ill.stdout
