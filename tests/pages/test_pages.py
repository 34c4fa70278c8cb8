"""The pages in a real browser: whole, live, in both languages, on a wall, a desk and a phone."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.room import RoomUnderTest
from tests.counterparts.waiting import wait_for

expect.set_options(timeout=20_000)

SIZES = {"wall": (1920, 1080), "phone": (390, 844), "small": (360, 640)}
TITLES = {"vi": "Bản đồ", "en": "Map"}


@pytest.fixture
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-quic"])
        yield found
        found.close()


class Watched:
    """A page whose complaints are kept."""

    def __init__(
        self,
        browser: Browser,
        size: str,
        script: bool = True,
        fleet: FleetUnderTest | None = None,
        login: str = "tests",
    ) -> None:
        """With a fleet somebody has signed in."""
        width, height = SIZES[size]
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, java_script_enabled=script, locale="vi-VN"
        )
        if fleet is not None:
            self.context.add_cookies(fleet.cookies(login))  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None
        )


def session_of(fleet: FleetUnderTest, *sites: str) -> str:
    starts_at = datetime.now(UTC) + timedelta(minutes=30)
    times = {"starts_at": starts_at.isoformat(), "ends_at": (starts_at + timedelta(hours=2)).isoformat()}
    answer = fleet.client.post("/sessions", json={"title": "Phiên <thử>", "sites": sites, **times})
    session: str = answer.json()["id"]
    return session


@pytest.mark.timeout(400)
def test_every_page_is_whole_in_both_languages_at_every_size(
    fleet: FleetUnderTest, room: RoomUnderTest, browser: Browser
) -> None:
    fleet.wait_until("38-1", verdict="ready")
    session = session_of(fleet, "38-1", "38-2")
    noc = fleet.client.post("/alerts/recipients", json={"name": "Trực <b>NOC</b>"}).json()["id"]
    address = {"channel": "email", "address": "truc.noc@thanhhoa.example.vn", "agreed": True}
    assert fleet.client.post(f"/alerts/recipients/{noc}/contacts", json=address).status_code == 201
    paths = ["/", "/sites/38-1", "/sites/38-2", "/sessions", f"/sessions/{session}", "/sites/38-1/duty",
             "/sites/38-1/devices/camera-1/actions/reboot", f"/sessions/{session}/recordings",
             f"/sessions/{session}/minutes", "/reports", "/incidents", "/alerts", "/told",
             "/zalo", "/holidays", "/releases", "/firmware", "/stop"]  # fmt: skip
    for size in SIZES:
        watched = Watched(browser, size, fleet=fleet)
        for lang in ("vi", "en"):
            for path in [*paths, "/wall"] if size == "wall" else paths:
                answer = watched.page.goto(f"{fleet.address}{path}?lang={lang}")
                assert answer is not None and answer.status == 200, path
                assert watched.page.locator("html").get_attribute("lang") == lang
                wide = watched.page.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert wide <= 0, f"{path} at {size} is {wide} px too wide"
                assert "undefined" not in watched.page.inner_text("main").lower()
        assert watched.complaints == []
        watched.context.close()


def test_the_code_of_a_link_is_taken_from_behind_its_hash_and_a_second_link_counts_too(
    fleet: FleetUnderTest, browser: Browser
) -> None:
    watched = Watched(browser, "phone")
    for path in ("/set-up", "/room", "/told", "/stop"):
        for code in ("first-code", "second-code"):
            watched.page.goto(f"{fleet.address}{path}#{code}")
            expect(watched.page.locator("[data-from-link]")).to_have_value(code)
            assert "#" not in watched.page.url, "what was taken stands in the address no more"
    assert watched.complaints == []
    watched.context.close()


def test_the_map_and_its_list_follow_when_a_room_gets_worse(
    fleet: FleetUnderTest, room: RoomUnderTest, browser: Browser
) -> None:
    fleet.wait_until("38-1", verdict="ready")
    watched = Watched(browser, "wall", fleet=fleet)
    page = watched.page
    page.goto(fleet.address)
    expect(page.locator("html[data-map-drawn='4']")).to_have_count(1)
    expect(page.locator("#row-38-1")).to_have_count(0)
    room.ups.cut_mains(runtime_s=300)
    row = page.locator("#row-38-1")
    expect(row).to_contain_text("Mất điện lưới, ắc quy còn 5 phút; cần 120 phút.", timeout=20_000)
    expect(row.locator(".verdict")).to_contain_text("Chưa sẵn sàng")
    expect(page.locator(".leaflet-marker-icon svg.not_ready")).to_have_count(1, timeout=20_000)
    room.ups.restore_mains()
    expect(page.locator("#row-38-1")).to_have_count(0, timeout=20_000)
    assert watched.complaints == []


def test_a_camera_is_rebooted_from_the_page_of_its_site_and_every_step_is_shown(
    fleet: FleetUnderTest, room: RoomUnderTest, browser: Browser
) -> None:
    fleet.wait_until("38-1", verdict="ready")
    page = Watched(browser, "phone", fleet=fleet).page
    page.goto(f"{fleet.address}/sites/38-1")
    page.click("#act-camera-1-reboot")
    expect(page.locator("main")).to_contain_text("khoảng 1 phút")
    page.fill("input[name=reason]", "Hình đứng yên")
    page.click("#do")
    expect(page.locator("[data-state=succeeded]")).to_be_visible(timeout=45_000)
    steps = page.locator(".steps li")
    expect(steps.last).to_contain_text("Hoàn thành, đã kiểm chứng.")
    expect(page.locator(".steps")).to_contain_text("Thiết bị đã trở lại sau")
    assert room.camera.reboots == 1


def test_an_action_and_a_decision_work_without_javascript(
    fleet: FleetUnderTest, room: RoomUnderTest, browser: Browser
) -> None:
    fleet.wait_until("38-1", verdict="ready")
    page = Watched(browser, "phone", script=False, fleet=fleet).page
    page.goto(f"{fleet.address}/sites/38-1/devices/ups-1/actions/test.battery.start.quick")
    page.click("#do")
    expect(page.locator("article.command")).to_have_count(1)
    wait_for(
        lambda: page.reload() and page.locator("[data-state=succeeded]").count(), 20, "the battery is still tested"
    )
    fleet.wait_until("38-1", verdict="ready")
    page.goto(f"{fleet.address}/sites/38-1/duty")
    page.fill("input[name=name]", "Lê Thị B")
    page.click("#confirm")
    expect(page.locator("main")).to_contain_text("Lê Thị B xác nhận trực lúc")
    page.goto(f"{fleet.address}/sessions")
    page.fill("input[name=title]", "Phiên định kỳ")
    page.check("input[value='38-1']")
    page.uncheck("input[value='38-hub']")
    page.click("main .button.main")
    expect(page.locator(".statement")).to_contain_text("Đủ điều kiện mở phiên")
    page.click("button[value=go]")
    expect(page.locator("main")).to_contain_text("tests quyết định mở phiên lúc")


def test_a_session_says_why_not_and_takes_a_waiver(
    fleet: FleetUnderTest, room: RoomUnderTest, browser: Browser
) -> None:
    fleet.wait_until("38-1", verdict="ready")
    room.pc.change(conference_running=False)
    fleet.wait_until("38-1", verdict="not_ready", within_s=30)
    fleet.confirm_duty("38-1")
    session = session_of(fleet, "38-1")
    page = Watched(browser, "wall", fleet=fleet).page
    page.goto(f"{fleet.address}/sessions/{session}")
    expect(page.locator(".statement")).to_contain_text("Chưa thể bắt đầu: 1 điểm cầu")
    expect(page.locator("#gate-38-1")).to_contain_text("Phần mềm hội nghị không chạy.")
    waive = page.locator("input[value='38-1 conference_runs']")
    waive.check()
    page.click("button[value=go]")
    expect(page.locator("[role=alert]")).to_contain_text("Đề nghị nêu lý do.")
    expect(waive).to_be_checked()
    waive.uncheck()
    page.fill("input[name=reason]", "Dùng máy dự phòng")
    page.click("button[value=go]")
    expect(page.locator("[role=alert]")).to_contain_text("Chưa đủ điều kiện mở phiên: 1 điểm cầu (38-1).")
    expect(page.locator("input[name=reason]")).to_have_value("Dùng máy dự phòng")
    for tick in page.locator("input[name=waive]").all():
        tick.check()
    page.click("button[value=go]")
    expect(page.locator(".statement")).to_contain_text("Đủ điều kiện mở phiên")
    expect(page.locator("#gate-38-1")).to_contain_text("Dùng máy dự phòng")


def test_a_page_says_so_within_seconds_when_the_server_is_gone_and_recovers_when_it_is_back(
    fleet: FleetUnderTest, room: RoomUnderTest, browser: Browser
) -> None:
    fleet.wait_until("38-1", verdict="ready")
    page = Watched(browser, "wall", fleet=fleet).page
    page.goto(f"{fleet.address}/wall")
    expect(page.locator("[data-not-live]")).to_be_hidden()
    fleet.kill()
    expect(page.locator("[data-not-live]")).to_be_visible(timeout=8_000)
    fleet.start()
    expect(page.locator("[data-not-live]")).to_be_hidden(timeout=20_000)


def test_what_a_device_says_of_itself_is_inert(
    fleet: FleetUnderTest, new_room: Callable[..., RoomUnderTest], browser: Browser
) -> None:
    room = new_room("38-1")
    room.ups.variables["device.model"] = "<img src=x onerror=alert(1)>"
    room.ups.variables["ups.alarm"] = "<script>alert(2)</script>"
    room.start()
    fleet.wait_until("38-1", verdict="at_risk")
    watched = Watched(browser, "wall", fleet=fleet)
    watched.page.on("dialog", lambda dialog: watched.complaints.append(dialog.message))
    watched.page.goto(f"{fleet.address}/sites/38-1")
    expect(watched.page.locator("main")).to_contain_text("<script>alert(2)</script>")
    watched.page.goto(fleet.address)
    # What is worst stands first; a busy machine measures its own line as slow for a while.
    expect(watched.page.locator("#row-38-1")).to_contain_text("UPS báo: <script>", timeout=40_000)
    assert watched.page.locator("main img").count() == 0
    assert watched.complaints == []
