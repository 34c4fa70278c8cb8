"""Survey, progress and provisioning in a real browser: whole on a wall and a phone, and what a person meets there."""

import io
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.worksheet import Worksheet
from playwright.sync_api import Browser, Page, expect

from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.spoken_room import SpokenRoom
from tests.counterparts.waiting import wait_for
from tests.pages.test_pages import SIZES, Watched, browser, session_of
from wire.messages import FoundDevice

__all__ = ["browser"]

_FOUND = (
    FoundDevice("camera_onvif", "camera", "192.0.2.50:80", make="Hikvision", model="DS-2CD<b>2143</b>",
                settings={"host": "192.0.2.50"}),
    FoundDevice("display_pjlink", "display", "192.0.2.60:4352", make="EPSON", settings={"host": "192.0.2.60"}),
)  # fmt: skip


class RoomWithFound(SpokenRoom):
    """A healthy room whose agent has also found two devices that nobody has configured."""

    def __init__(self, site: str, broker_port: int) -> None:
        super().__init__(site, broker_port)
        self.about = msgspec.structs.replace(self.about, revision="f0" * 8, found=_FOUND)
        self.say(self.about)
        self.report()


@pytest.fixture
def found_room(fleet: FleetUnderTest, mosquitto_port: int) -> Iterator[RoomWithFound]:
    made = RoomWithFound("38-1", mosquitto_port)
    wait_for(lambda: fleet.client.get("/sites/38-1/provisioning").json()["found"], 10)
    yield made
    made.leave()


@pytest.fixture
def phone(browser: Browser, fleet: FleetUnderTest) -> Iterator[Watched]:
    made = Watched(browser, "phone", fleet=fleet)
    yield made
    assert made.complaints == []
    made.context.close()


def survey(fleet: FleetUnderTest, site: str, **survey: Any) -> None:
    assert fleet.client.put(f"/sites/{site}/survey", json=survey).status_code == 200


def sheet_of(book: Workbook) -> Worksheet:
    found = book.active
    assert isinstance(found, Worksheet)
    return found


def downloaded(page: Page, selector: str, folder: Path) -> Path:
    with page.expect_download() as waited:
        page.click(selector)
    file = folder / waited.value.suggested_filename
    waited.value.save_as(file)
    return file


@pytest.mark.timeout(400)
def test_survey_and_progress_are_whole_in_both_languages_at_every_size(
    fleet: FleetUnderTest, found_room: RoomWithFound, browser: Browser
) -> None:
    long = "Nguyễn Thị Phương Thảo, Phó Chánh Văn phòng Uỷ ban nhân dân phường"
    piece = {"has": True, "make": "W" * 100, "model": "M" * 100, "note": "dài " * 60}
    survey(fleet, "38-2", contact=long, phone="0912 345 678",
           pieces={"camera": piece, "pc": {"has": False}, "ups": {"has": True, "make": "Unknown"}})  # fmt: skip
    paths = ["/progress", "/progress?stage=surveyed", "/progress?stage=in_service", "/sites/38-1/survey",
             "/sites/38-2/survey", "/sites/38-1", "/sites/38-2"]  # fmt: skip
    for size in SIZES:
        watched = Watched(browser, size, fleet=fleet)
        for lang in ("vi", "en"):
            for path in paths:
                watched.page.goto(fleet.address + path + ("&" if "?" in path else "?") + f"lang={lang}")
                assert watched.page.locator("html").get_attribute("lang") == lang
                watched.page.evaluate("document.querySelectorAll('main details').forEach(it => it.open = true)")
                wide = watched.page.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert wide <= 0, f"{path} at {size} in {lang} is {wide} px too wide"
                text = watched.page.inner_text("main")
                assert not re.search(r"undefined|\b(survey|stage|progress|group|role|site)\.[a-z_]", text), path
        assert watched.complaints == []
        watched.context.close()


def test_no_word_is_broken_into_letters_on_a_phone(fleet: FleetUnderTest, phone: Watched) -> None:
    phone.page.goto(f"{fleet.address}/progress")
    for cell in phone.page.locator("tbody td:not(:empty)").all():
        box = cell.bounding_box()
        assert box is not None and box["width"] > 100, cell.inner_text()


def test_what_is_touched_on_a_phone_is_large_enough(fleet: FleetUnderTest, phone: Watched) -> None:
    phone.page.goto(f"{fleet.address}/sites/38-1/survey")
    for touched in phone.page.locator(
        "main .button, .choice label, #survey > .panel input, #survey > .panel select"
    ).all():
        box = touched.bounding_box()
        assert box is not None and box["height"] >= 44, touched.evaluate("it => it.outerHTML.slice(0, 120)")


def test_a_survey_that_is_typed_on_a_phone_shows_what_is_missing(fleet: FleetUnderTest, phone: Watched) -> None:
    page = phone.page
    page.goto(f"{fleet.address}/progress")
    page.click("#site-38-2 a")
    expect(page.locator("h1")).to_have_text("Khảo sát: Phường Hạc Thành")
    expect(page.locator("[aria-current=step]")).to_have_text("Đã lên kế hoạch")
    page.fill("[name=contact]", "Lê Văn A")
    page.fill("[name=phone]", "0912 345 678")
    page.select_option("[name=line_kind]", "leased")
    page.fill("[name=line_down_mbit_s]", "5,5")
    for group in ("pc", "camera", "sound", "display", "light", "line"):
        page.check(f"#group-{group} input[value=yes]")
    page.check("#group-ups input[value=no]")
    page.click("#group-camera summary")
    page.fill("[name='camera.make']", "Hikvision")
    page.fill("[name='camera.year']", "2021")
    page.check("[name='camera.has_password']")
    page.click("#save")
    gaps = page.locator("#gaps")
    expect(gaps).to_contain_text("Còn thiếu so với cấu hình mẫu: Thiết bị lưu điện (UPS).")
    expect(gaps).to_contain_text("Chưa khảo sát: Lưu trữ.")
    expect(gaps).not_to_contain_text("Hikvision")
    expect(page.locator("[aria-current=step]")).to_have_text("Đã khảo sát")
    expect(page.locator("[name='camera.make']")).to_have_value("Hikvision")
    expect(page.locator("[name=line_down_mbit_s]")).to_have_value("5,5")
    expect(page.locator("[name='camera.has_password']")).to_be_checked()
    assert fleet.client.get("/sites/38-2/survey").json()["line_kind"] == "leased"
    page.check("#group-ups input[value=yes]")
    page.check("#group-storage input[value=yes]")
    page.check("#group-decoder input[value=no]")
    page.click("#desire")
    expect(gaps).to_contain_text("Đủ thiết bị so với cấu hình mẫu.")
    expect(page.locator("[aria-current=step]")).to_have_text("Đủ thiết bị")
    expect(page.locator("#desired")).to_contain_text("camera-1 camera_onvif")
    expect(page.locator("#desired")).to_contain_text("line-1 line")


def test_a_survey_that_cannot_be_is_told_and_what_was_typed_is_not_lost(fleet: FleetUnderTest, phone: Watched) -> None:
    page = phone.page
    page.goto(f"{fleet.address}/sites/38-2/survey")
    page.fill("[name=contact]", "Lê Văn A")
    page.fill("[name=line_down_mbit_s]", "năm")
    phone.complaints.clear()
    page.click("#save")
    expect(page.locator("[role=alert]")).to_contain_text("năm")
    assert fleet.client.get("/sites/38-2/survey").json()["contact"] == ""
    expect(page.locator("[name=contact]")).to_have_value("Lê Văn A")
    phone.complaints.clear()  # the browser itself notes the 422


@pytest.mark.parametrize(("lang", "shown"), [("vi", ("1000", "12345,25")), ("en", ("1000", "12345.25"))])
def test_a_survey_that_is_saved_again_is_the_same(
    fleet: FleetUnderTest, phone: Watched, lang: str, shown: tuple[str, str]
) -> None:
    piece = {"has": True, "make": "Hikvision", "model": "<i>", "year": 2021, "username": "admin", "has_password": True}
    survey(fleet, "38-2", contact="'Lê\" A", line_down_mbit_s=1000, line_up_mbit_s=12345.25,
           pieces={"camera": piece, "ups": {"has": False, "driver": "snmp"}})  # fmt: skip
    before = fleet.client.get("/sites/38-2/survey").json()
    phone.page.goto(f"{fleet.address}/sites/38-2/survey?lang={lang}")
    for way, text in zip(("down", "up"), shown, strict=True):
        expect(phone.page.locator(f"[name=line_{way}_mbit_s]")).to_have_value(text)
    phone.page.click("#save")
    expect(phone.page.locator("#gaps")).to_be_visible()
    after = fleet.client.get("/sites/38-2/survey").json()
    assert {group: after["pieces"][group] for group in before["pieces"]} == before["pieces"]
    assert {**after, "pieces": ()} == {**before, "pieces": ()}


def test_a_stage_is_said_by_a_person_and_shown(fleet: FleetUnderTest, phone: Watched) -> None:
    phone.page.goto(f"{fleet.address}/sites/38-2/survey")
    phone.page.select_option("select[name=stage]", "piloted")
    phone.page.click("form.fields button")
    expect(phone.page.locator("[aria-current=step]")).to_have_text("Đã chạy thử")
    phone.page.goto(f"{fleet.address}/progress?stage=piloted")
    expect(phone.page.locator("tbody tr")).to_have_count(1)
    expect(phone.page.locator("[aria-current=true] strong")).to_have_text("1")


def test_a_template_is_downloaded_filled_in_and_taken(fleet: FleetUnderTest, phone: Watched, tmp_path: Path) -> None:
    page = phone.page
    page.goto(f"{fleet.address}/progress")
    file = downloaded(page, "a[href='/progress/surveys.xlsx']", tmp_path)
    assert file.name == "diemcau-surveys.xlsx"
    book = load_workbook(file)
    sheet = sheet_of(book)
    names = [str(cell.value) for cell in sheet[2]]
    assert next(row[0].value for row in sheet.iter_rows(min_row=3)) == "38-hub", "the hub first"
    for row in sheet.iter_rows(min_row=3):
        if row[0].value in ("38-1", "38-2"):
            row[names.index("contact")].value = "Trần Thị B"
            row[names.index("camera.has")].value = "có"
            row[names.index("ups.has")].value = "không"
    book.save(file)
    page.set_input_files("input[type=file]", file)
    page.click("form[enctype] .button")
    expect(page.locator("[role=status]")).to_have_text("Đã nhập khảo sát của 2 điểm cầu.")
    expect(page.locator("#site-38-2")).to_contain_text("Trần Thị B")
    expect(page.locator("#site-38-2")).to_contain_text("UPS")
    assert fleet.client.get("/sites/38-1/survey").json()["pieces"]["camera"]["has"] is True


def test_a_wrong_file_is_named_and_nothing_of_it_is_taken(
    fleet: FleetUnderTest, phone: Watched, tmp_path: Path
) -> None:
    page = phone.page
    book = load_workbook(io.BytesIO(fleet.client.get(f"{fleet.address}/progress/surveys.xlsx").content))
    sheet = sheet_of(book)
    names = [str(cell.value) for cell in sheet[2]]
    sheet.cell(4, names.index("contact") + 1, "Trần Thị B")
    sheet.cell(5, names.index("camera.year") + 1, "<b>xưa</b>")
    book.save(tmp_path / "wrong.xlsx")
    (tmp_path / "csv.xlsx").write_text("site_id,contact\n38-1,A\n", encoding="utf-8")
    for name, said in (("wrong.xlsx", "5: camera.year '<b>xưa</b>'"), ("csv.xlsx", "Excel")):
        page.goto(f"{fleet.address}/progress")
        page.set_input_files("input[type=file]", tmp_path / name)
        page.click("form[enctype] .button")
        expect(page.locator("[role=alert]")).to_contain_text(said)
    assert all(site["surveyed_at"] is None for site in fleet.client.get("/progress").json()["items"])
    phone.complaints.clear()  # the browser itself notes the 422


@pytest.mark.parametrize("lang", ["vi", "en"])
def test_the_progress_is_downloaded_as_excel(fleet: FleetUnderTest, phone: Watched, tmp_path: Path, lang: str) -> None:
    survey(fleet, "38-2", contact="=HYPERLINK(1)")
    phone.page.goto(f"{fleet.address}/progress?lang={lang}")
    book = load_workbook(downloaded(phone.page, "a[href='/progress/progress.xlsx']", tmp_path))
    assert book.sheetnames[0] == {"vi": "Tiến độ", "en": "Progress"}[lang]
    cells = [cell for row in sheet_of(book).iter_rows() for cell in row]
    assert "'=HYPERLINK(1)" in [cell.value for cell in cells] and all(cell.data_type != "f" for cell in cells)


def test_a_found_device_is_shown_and_taken_into_the_room(
    fleet: FleetUnderTest, found_room: RoomWithFound, phone: Watched
) -> None:
    page = phone.page
    page.goto(f"{fleet.address}/sites/38-1")
    section = page.locator("#provisioning")
    expect(section).to_contain_text("Thiết bị tìm thấy, chưa thuộc điểm cầu")
    expect(section).to_contain_text("DS-2CD<b>2143</b>")
    camera = section.locator("form", has_text="192.0.2.50:80")
    camera.locator("[name=username]").fill("admin")
    camera.locator("button").click()
    page.wait_for_url("**/sites/38-1#provisioning")
    page.goto(f"{fleet.address}/sites/38-1/survey")
    expect(page.locator("#desired")).to_contain_text("camera-3 camera_onvif")
    assert section.count() == 0 and page.locator("b").count() == 0
    page.goto(f"{fleet.address}/sites/38-1")
    expect(page.locator("#provisioning")).to_contain_text("EPSON")
    phone.complaints[:] = []


def test_a_found_device_is_taken_once_however_often_the_button_is_pressed(
    fleet: FleetUnderTest, found_room: RoomWithFound
) -> None:
    def take(address: str) -> httpx.Response:
        return fleet.client.post("/sites/38-1/found", json={"address": address, "username": "admin"})

    with ThreadPoolExecutor(6) as people:
        answers = list(people.map(take, [device.address for device in _FOUND] * 3))
    assert {answer.json()["id"] for answer in answers} == {"camera-3", "display-2"}
    assert answers[0].json()["settings"]["password"] == {"secret": "camera-3"}
    assert take("192.0.2.99").json()["type"] == "urn:diemcau:rollout.not_found_device"
    page = fleet.client.get(f"{fleet.address}/sites/38-1/survey").text
    assert page.count("camera-3") == 1 and page.count("display-2") == 1


def test_a_site_that_was_never_provisioned_is_being_set_up_and_says_why(
    fleet: FleetUnderTest, phone: Watched, browser: Browser, mosquitto_port: int
) -> None:
    session = session_of(fleet, "38-2", "38-3")
    bare = SpokenRoom("38-3", mosquitto_port)
    bare.about = msgspec.structs.replace(
        bare.about, revision="ab" * 8, devices=tuple(d for d in bare.about.devices if d.role != "ups")
    )
    bare.say(bare.about)
    wait_for(lambda: fleet.site("38-3")["devices"], 10)
    page = phone.page
    page.goto(f"{fleet.address}/sites/38-2")
    expect(page.locator(".verdict").first).to_have_text("Đang thiết lập")
    expect(page.locator("#provisioning")).to_contain_text("Chưa nhận được mô tả thiết bị của điểm cầu")
    page.goto(f"{fleet.address}/sites/38-3")
    expect(page.locator(".verdict").first).to_have_text("Đang thiết lập")
    expect(page.locator("main")).to_contain_text("UPS")
    page.goto(f"{fleet.address}/progress")
    for site in ("38-2", "38-3"):
        expect(page.locator(f"#site-{site} .verdict")).to_have_text("Đang thiết lập")
    page.goto(f"{fleet.address}/sessions/{session}")
    for site in ("38-2", "38-3"):
        card = page.locator(f"#gate-{site}")
        expect(card.locator(".verdict").first).to_have_text("Đang thiết lập")
        expect(card).to_contain_text("Chưa cấp phát cấu hình")
    wall = Watched(browser, "wall", fleet=fleet)
    wall.page.goto(fleet.address)
    expect(wall.page.locator(".leaflet-marker-icon svg.not_ready, .leaflet-marker-icon svg.ready")).to_have_count(0)
    assert wall.complaints == []
    bare.leave()


def test_what_a_person_types_outlives_the_next_report(
    fleet: FleetUnderTest, found_room: RoomWithFound, phone: Watched
) -> None:
    page = phone.page
    page.goto(f"{fleet.address}/sites/38-1")
    first, second = (page.locator("#provisioning input[name=username]").nth(number) for number in (0, 1))
    first.fill("noc")
    second.focus()
    page.evaluate("document.querySelector('#provisioning h2').dataset.old = '1'")
    found_room.report(cpu=77.0)
    expect(page.locator("#provisioning h2[data-old]")).to_have_count(0, timeout=20_000)
    expect(first).to_have_value("noc")
    expect(second).to_be_focused()
