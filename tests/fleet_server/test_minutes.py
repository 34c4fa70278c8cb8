"""The technical minute: what stands in it, how it is set, and that nobody changes it unseen."""

import asyncio
import hashlib
import io
import shutil
import subprocess
import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from nacl.signing import SigningKey
from openpyxl import load_workbook

from fleet_server.config import Office
from fleet_server.domain.commands import State
from fleet_server.domain.findings import Outcome
from fleet_server.domain.gate import Waiver
from fleet_server.domain.recordings import Recordings, SealedFile
from fleet_server.domain.setbacks import Trouble
from fleet_server.errors import BadFile
from fleet_server.minutes.content import Minute, minute_of, on_duty
from fleet_server.minutes.document import document_of
from fleet_server.minutes.seal import digest, opened, sealed
from fleet_server.minutes.tables import tables_of
from fleet_server.signing import keys
from fleet_server.store.commands import CommandRow, StepRow
from fleet_server.store.confirmations import Duty, DutyRow
from fleet_server.store.setbacks import SetbackRow
from fleet_server.workbook import workbook_of
from tests.conftest import need
from tests.counterparts.centre_without_wires import START, CentreWithoutWires
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.spoken_room import SpokenRoom
from tests.counterparts.waiting import wait_for
from wire.announcements import MinuteSeal
from wire.codec import encode
from wire.ids import uuid7
from wire.signing import public_key_of, sign
from wire.topics import Announced

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
OFFICE = Office("UBND tỉnh", "Văn phòng", "VP", "Thanh Hóa")
NASTY = '#strike[Phiên] *đậm* $x$ <b>& "một"\\'


@pytest.fixture(scope="module")
def minute(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minute]:
    """Of a session with a stage, a waiver, a setback-free go and people on duty."""
    centre = CentreWithoutWires(tmp_path_factory.mktemp("minute"), {"hub": "hub", "a": "commune", "b": "commune"})

    async def story() -> Minute:
        await centre.start()
        session = await centre.plan(("hub", "a", "b"), in_min=100, stages_min=(60,))
        for site in session.sites:
            await centre.report(site, **({"frame": False} if site == "a" else {}))
            await centre.confirmations.confirm_duty(site, "Nguyễn Thị Hường", "0912 345 678")
        centre.clock.pass_by(41 * 60)
        await centre.stages.run_due()
        for site in session.sites:
            await centre.report(site, **({"frame": False} if site == "a" else {}))
        waiver = Waiver("a", "picture_shows", f"Mượn camera {NASTY}", "Trần Văn Bình", session.ends_at)
        await centre.gates.decide(session, "go", "Trần Văn Bình", "Đủ điều kiện", [waiver])
        return await centre.database.read(lambda db: minute_of(db, session))

    yield asyncio.run(story())
    centre.close()


def pdf_of(minute: Minute) -> bytes:
    return document_of(minute, OFFICE, 12, START + timedelta(hours=4), ZONE, "https://diemcau.example.vn/minutes/1")


def text_of(pdf: bytes, folder: Path, how: str = "-layout") -> str:
    """What a reader can select and search, by another program."""
    program = shutil.which("pdftotext")
    need(program, "pdftotext")
    file = folder / "minute.pdf"
    file.write_bytes(pdf)
    found = subprocess.run([str(program), how, str(file), "-"], capture_output=True, check=True, timeout=60)
    return found.stdout.decode()


def test_it_tells_what_was_found_decided_and_by_whom(minute: Minute, tmp_path: Path) -> None:
    text = text_of(pdf_of(minute), tmp_path)
    for words in (
        "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Độc lập - Tự do - Hạnh phúc", "UBND TỈNH", "VĂN PHÒNG", "Số: 12/BB-VP",
        "Thanh Hóa, ngày 25 tháng 11 năm 2026", "BIÊN BẢN", "Kiểm tra tự động trước phiên", "Trần Văn Bình",
        "Nguyễn Thị", "Miễn trừ", "Xã hub", "NGƯỜI LẬP BIÊN BẢN", "Nơi nhận", "Phụ lục",
    ):  # fmt: skip
        assert words in text, words
    assert unicodedata.is_normalized("NFC", text), "whoever searches for a word with its marks would not find it"


def test_every_table_that_there_can_be_is_laid_out(minute: Minute, tmp_path: Path) -> None:
    at = minute.session.ends_at
    of_file, of_list = (hashlib.sha256(content).hexdigest() for content in (b"recording", b"list"))
    file = SealedFile("phiên-sáng.mkv", 7_200_000_000, of_file)
    rooms = (
        Recordings(
            "a", "storage-1", "sealed", at, manifest="20261125T030000000Z.json", sha256=of_list, count=1,
            bytes=file.bytes, files=(file,),
        ),
        Recordings("b", "storage-1", "failed", at, "no_recordings"),
    )  # fmt: skip
    command = CommandRow(
        uuid7(), "a", "camera-1", "reboot", {}, "Hình đứng", "Lê Văn An", "", at, at, at, State.SUCCEEDED
    )
    setback = SetbackRow(
        minute.session.id, "a", Trouble("picture_shows", "camera-1", Outcome.FAIL, "dark", {}), at, None
    )
    full = replace(
        minute, recordings=rooms, setbacks=(setback,),
        commands=((command, (StepRow(at, State.SUCCEEDED, "succeeded", {}),)),),
    )  # fmt: skip
    told = {table.name for table in tables_of(full, "vi", ZONE)}
    assert told == {"stages", "decisions", "waivers", "rooms", "commands", "setbacks", "recordings", "checks"}
    text = "".join(text_of(pdf_of(full), tmp_path, "-raw").split())
    for words in ("phiên-sáng.mkv", "7.200MB", of_file, "20261125T030000000Z.json", "khônglậpđượcdanhmục", "Hìnhđứng"):
        assert words in text, words


def test_what_people_write_is_text_and_no_markup(minute: Minute, tmp_path: Path) -> None:
    text = " ".join(text_of(pdf_of(minute), tmp_path).split())
    assert "#strike" in text and "*đậm*" in text and "<b>&" in text


def test_the_workbook_tells_the_same_and_runs_no_formula(minute: Minute) -> None:
    book = load_workbook(io.BytesIO(workbook_of(tables_of(minute, "vi", ZONE), "none")))
    assert {"Quyết định", "Miễn trừ", "Kết quả tại các điểm cầu"} <= set(book.sheetnames)
    cells = [cell.value for sheet in book for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)]
    assert any("Trần Văn Bình" in cell for cell in cells)
    assert not any(cell.startswith(("=", "+", "@")) for cell in cells)


def test_a_session_of_which_nothing_was_written_down_has_a_minute_too(tmp_path: Path) -> None:
    centre = CentreWithoutWires(tmp_path, {"hub": "hub"})

    async def story() -> Minute:
        await centre.start()
        session = await centre.plan(("hub",), stages_min=())
        return await centre.database.read(lambda db: minute_of(db, session))

    empty = asyncio.run(story())
    centre.close()
    assert "Không có ghi nhận nào" in text_of(pdf_of(empty), tmp_path)
    assert load_workbook(io.BytesIO(workbook_of(tables_of(empty, "vi", ZONE), "none"))).sheetnames


# The seal.

KEY = SigningKey(bytes(range(32)))
PUBLIC = (public_key_of(KEY),)


def sealed_file(content: bytes) -> bytes:
    seal = MinuteSeal(uuid7(), uuid7(), START, digest(content))
    return sealed(content, sign(KEY, Announced.MINUTE, encode(seal)))


@given(st.binary(max_size=300), st.data())
def test_no_byte_of_a_sealed_file_can_be_changed_unseen(content: bytes, data: st.DataObject) -> None:
    file = bytearray(sealed_file(content))
    assert opened(bytes(file), PUBLIC).sha256 == hashlib.sha256(content).hexdigest()
    at = data.draw(st.integers(0, len(file) - 1))
    file[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadFile):
        opened(bytes(file), PUBLIC)


@given(st.binary(max_size=200))
def test_a_file_that_was_never_sealed_or_by_others_is_refused(content: bytes) -> None:
    with pytest.raises(BadFile):
        opened(content, PUBLIC)
    with pytest.raises(BadFile):
        opened(sealed_file(content), (public_key_of(SigningKey.generate()),))
    for cut in (1, 10, len(sealed_file(content)) - len(content)):
        with pytest.raises(BadFile):
            opened(sealed_file(content)[:-cut], PUBLIC)


def test_what_was_sealed_before_a_rotation_can_still_be_verified(tmp_path: Path) -> None:
    before = keys.KeyFiles(tmp_path)
    content = b"%PDF"
    file = sealed(content, before.sign(Announced.MINUTE, encode(MinuteSeal(uuid7(), uuid7(), START, digest(content)))))
    for _ in range(3):
        keys.rotate(tmp_path)
    assert opened(file, keys.known_keys(tmp_path)).sha256 == digest(content)


# The whole road.


def test_a_minute_is_made_once_the_session_is_over_and_verifies_by_the_command_line(
    fleet: FleetUnderTest, mosquitto_port: int, tmp_path: Path
) -> None:
    room = SpokenRoom("38-1", mosquitto_port)
    room.report()
    fleet.wait_until("38-1", verdict="ready")
    fleet.confirm_duty("38-1")
    now = datetime.now(ZONE)
    times = {
        "starts_at": (now - timedelta(minutes=1)).isoformat(),
        "ends_at": (now + timedelta(seconds=20)).isoformat(),
    }
    body = {"title": "Tiếp công dân", "sites": ["38-1"], "stages_min": [], **times}
    session = fleet.client.post("/sessions", json=body).json()["id"]
    room.report()
    assert fleet.client.post(f"/sessions/{session}/decision", json={"decision": "go"}).status_code == 200
    assert fleet.client.post(f"/sessions/{session}/minutes").json()["type"] == "urn:diemcau:minutes.not_over"
    made: Any = wait_for(lambda: (a := fleet.client.post(f"/sessions/{session}/minutes")).status_code == 201 and a, 90)
    assert made.json()["number"] == 1
    answer = fleet.client.get(f"/minutes/{made.json()['id']}/minute.pdf")
    assert answer.headers["content-type"] == "application/pdf" and answer.content.startswith(b"%PDF")
    assert "Phường Hàm Rồng" in text_of(answer.content, tmp_path)
    file = tmp_path / "given.pdf"
    file.write_bytes(answer.content)
    assert verify(fleet, file) == 0
    file.write_bytes(answer.content.replace(b"%PDF-1", b"%PDF-2", 1))
    assert verify(fleet, file) == 1
    book = fleet.client.get(f"/sessions/{session}/minute.xlsx")
    assert load_workbook(io.BytesIO(book.content)).sheetnames
    again = fleet.client.post(f"/sessions/{session}/minutes")
    assert again.json()["number"] == 2 and len(fleet.client.get(f"/sessions/{session}/minutes").json()["items"]) == 2
    page = fleet.client.get(f"{fleet.address}/minutes/{made.json()['id']}").text
    assert made.json()["sha256"] in page
    room.leave()


def verify(fleet: FleetUnderTest, file: Path) -> int:
    return subprocess.run(
        [*fleet._command, "minute", "verify", str(file)], capture_output=True, timeout=60, check=False
    ).returncode  # fmt: skip


def test_whose_duty_had_ended_did_not_look_after_the_room() -> None:
    begins = datetime(2026, 11, 25, 17, 30, tzinfo=ZoneInfo("UTC"))
    at = begins.timestamp()

    def who(*duties: tuple[str, float, float]) -> str | None:
        rows = [DutyRow("r001", Duty(name, "", at + begun, at + over)) for name, begun, over in duties]
        found = on_duty(SimpleNamespace(duties=rows), "r001", begins)  # type: ignore[arg-type]
        return found.duty.name if found is not None else None

    assert who(("yesterday", -80_000, -40_000)) is None
    assert who(("yesterday", -80_000, -40_000), ("later", 60, 40_000)) == "later"
    assert who(("first", -600, 40_000), ("swapped in", -60, 40_000), ("later", 60, 40_000)) == "swapped in"
