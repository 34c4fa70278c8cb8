"""A page that was opened shows what is so, whatever happens while it loads or while an answer is on its way."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, Route, expect, sync_playwright

from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.waiting import wait_for

COUNT = "heard = 0; document.addEventListener('diemcau', (on) => { heard += on.detail.kind === 'session'; });"
COUNT_SENT = "sent = 0; addEventListener('submit', (on) => { sent += !on.defaultPrevented; on.preventDefault(); });"
SESSION = {"title": "Phiên", "sites": ["38-1"]}


@pytest.fixture
def page(chromium: str, fleet: FleetUnderTest) -> Iterator[Page]:
    """Of somebody who has signed in."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-quic"])
        context = browser.new_context(locale="vi-VN")
        context.add_cookies(fleet.cookies())  # type: ignore[arg-type]
        yield context.new_page()
        browser.close()


@pytest.fixture
def session(fleet: FleetUnderTest) -> str:
    """In an hour."""
    begins, ends = (datetime.now(UTC) + timedelta(hours=hours) for hours in (1, 2))
    times = {"starts_at": begins.isoformat(), "ends_at": ends.isoformat()}
    return str(fleet.client.post("/sessions", json={**SESSION, **times}).json()["id"])


def test_what_happens_between_a_page_and_its_stream_is_shown(fleet: FleetUnderTest, page: Page, session: str) -> None:
    held: list[Route] = []
    page.route("**/api/v1/events**", lambda route: held.append(route))
    page.goto(f"{fleet.address}/sessions/{session}")
    wait_for(lambda: (page.wait_for_timeout(20), held)[1], 20, "the page asks for no stream")
    assert fleet.client.post(f"/sessions/{session}/cancellation", json={"reason": "Dời ngày"}).status_code == 200
    held[0].continue_()
    expect(page.locator("main")).to_contain_text("Dời ngày", timeout=20_000)


def test_what_happens_while_an_answer_is_on_its_way_is_shown_too(
    fleet: FleetUnderTest, page: Page, session: str
) -> None:
    held: list[Route] = []
    page.goto(f"{fleet.address}/sessions/{session}")
    expect(page.locator("[data-live-sign]")).to_be_visible(timeout=20_000)
    page.route("**/parts/sessions/*/head", lambda route: held.append(route) if not held else route.continue_())
    page.evaluate(COUNT)
    confirm = {"name": "Lê Thị B", "phone": "0237 385 2246"}
    fleet.client.post("/sites/38-1/duty", json=confirm)  # something of the session, for which the part is asked
    wait_for(lambda: (page.wait_for_timeout(20), held)[1], 20, "the part is not asked")
    answer = held[0].fetch()  # as it was before
    assert fleet.client.post(f"/sessions/{session}/cancellation", json={"reason": "Dời ngày"}).status_code == 200
    page.wait_for_function("heard > 1")
    held[0].fulfill(response=answer)
    expect(page.locator("main")).to_contain_text("Dời ngày", timeout=20_000)


def test_ages_and_countdowns_go_by_the_servers_clock(fleet: FleetUnderTest, page: Page, session: str) -> None:
    page.clock.install(time=datetime.now(UTC) - timedelta(minutes=5))  # a PC that is five minutes slow
    page.goto(f"{fleet.address}/sessions/{session}")
    left = page.locator("[data-countdown]")
    expect(left).to_have_text(re.compile("^00:5[0-9]:"))


def test_a_second_press_does_nothing_twice(fleet: FleetUnderTest, page: Page) -> None:
    page.goto(f"{fleet.address}/sessions")
    page.check("input[value='38-1'] >> nth=0")
    page.evaluate(COUNT_SENT)
    for _ in range(2):
        page.locator("main .button.main").first.click()
    assert page.evaluate("sent") == 1


def test_another_language_shows_the_same_page(fleet: FleetUnderTest, page: Page, session: str) -> None:
    page.goto(f"{fleet.address}/sessions/{session}/plan?as=copy")
    page.click("a[hreflang=en]")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert "as=copy" in page.url


def test_enter_in_a_reason_decides_nothing(fleet: FleetUnderTest, page: Page, session: str) -> None:
    page.goto(f"{fleet.address}/sessions/{session}")
    page.fill("input[name=reason]", "Chưa biết")
    page.press("input[name=reason]", "Enter")
    page.click("button[value=no_go]")
    expect(page.locator("main")).to_contain_text("Chưa biết")
    decided = fleet.client.get(f"/sessions/{session}/gate").json()
    assert decided["decision"]["decision"] == "no_go"
