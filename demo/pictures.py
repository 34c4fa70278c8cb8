"""`./dev pictures`: the pictures of the guides, taken of the demo in a real browser."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

_TO = Path(__file__).parents[1] / "docs" / "pictures"
_BROWSER = Path("/usr/bin/chromium")
_SITES = 24
_PAGES = {"map": "/", "progress": "/progress", "incidents": "/incidents", "alerts": "/alerts"}


def main() -> int:
    """Start a small demo, look at its pages, end it; the names of what was made are printed."""
    _TO.mkdir(exist_ok=True)
    demo = subprocess.Popen(
        [sys.executable, "-m", "demo", "--port", "8290", "--sites", str(_SITES)], stdout=subprocess.PIPE, text=True
    )
    try:
        _take(*_told_by(demo))
    finally:
        demo.terminate()
        demo.wait(30)
    return 0


def _told_by(demo: "subprocess.Popen[str]") -> tuple[str, str]:
    """Address and password, as the demo says them."""
    assert demo.stdout is not None
    password = ""
    for line in demo.stdout:
        if found := re.search(r"^ +demo .*password: (\S+)", line):
            password = found[1]
        if line.startswith("READY"):
            return line.split()[1], password
    raise SystemExit("the demo did not come up")


def _take(address: str, password: str) -> None:
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(_BROWSER), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1100, "height": 760}, locale="vi-VN")
        page.goto(f"{address}/sign-in")
        page.fill("[name=login]", "demo")
        page.fill("[name=password]", password)
        page.click("main button")
        page.wait_for_load_state()
        for name, path in _PAGES.items():
            page.goto(address + path)
            _keep(page, name)
        session = _asked(page, address, "GET", "/sessions")["items"][0]
        page.goto(f"{address}/sessions/{session['id']}")
        _keep(page, "session")
        site = next(site for site in session["sites"] if site != "38-hub")
        page.goto(f"{address}/sites/{site}")
        _keep(page, "site")
        link = _asked(page, address, "POST", f"/sessions/{session['id']}/sites/{site}/invitations", {"name": "Bà An"})[
            "link"
        ]
        phone = browser.new_page(viewport={"width": 390, "height": 844}, locale="vi-VN", device_scale_factor=1.5)
        phone.goto(link)
        phone.click("main button")
        phone.wait_for_load_state()
        _keep(phone, "officer-phone")
        browser.close()


def _asked(page: Page, address: str, method: str, path: str, body: object = None) -> Any:
    answer = page.request.fetch(
        f"{address}/api/v1{path}",
        method=method,
        data=body,
        headers={"Origin": address, "Sec-Fetch-Site": "same-origin"},
    )
    assert answer.ok, f"{path}: {answer.status} {answer.text()[:200]}"
    return answer.json()


def _keep(page: Page, name: str) -> None:
    page.wait_for_timeout(800)  # the map draws itself
    file = _TO / f"{name}.png"
    page.screenshot(path=str(file))
    print(file.relative_to(Path.cwd()))


if __name__ == "__main__":
    sys.exit(main())
