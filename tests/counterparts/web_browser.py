"""A browser without a screen: it keeps cookies, says where a form comes from, and follows nothing by itself."""

import re
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import lxml.html
import pyotp

from tests.counterparts.fleet import PASSWORD
from tests.counterparts.waiting import wait_for

STEP_S = 30


class WebBrowser(httpx.Client):
    """`visit` opens a page, `submit` sends a form of ours; `origin` is the address of ours that it comes from."""

    def __init__(self, address: str, origin: str = "127.0.0.1", origin_of_forms: str | None = None) -> None:
        super().__init__(
            base_url=address, timeout=15, headers={"Accept": "text/html", "Accept-Language": "en"},
            transport=httpx.HTTPTransport(local_address=origin),
        )  # fmt: skip
        self._origin = origin_of_forms or address

    def visit(self, path: str, **more: Any) -> httpx.Response:
        """Open a page."""
        return self.get(path, **more)

    def form_at(self, path: str, action: str) -> dict[str, Any]:
        """Open a page; field -> what stands in it, of its form that goes to `action`."""
        return form_in(self.visit(path).text, action)

    def submit(self, path: str, **fields: Any) -> httpx.Response:
        """Send a form as a page of ours does; a field may hold several values."""
        return self.post(path, data=fields, headers={"Origin": self._origin, "Sec-Fetch-Site": "same-origin"})

    def sign_in(self, login: str, password: str = PASSWORD, wanted: str = "/") -> httpx.Response:
        """Give login and password."""
        return self.submit("/sign-in", login=login, password=password, next=wanted)

    def set_code_up(self, wanted: str = "/", steps_ago: int = 1) -> str:
        """Set the second factor up, after the password; its secret. The code of the step before leaves the others."""
        secret = found_in(r'id="secret">([A-Z2-7]+)<', self.visit("/sign-in/second-factor").text)
        code = code_of(secret, -steps_ago)
        answer = self.submit("/sign-in/second-factor", secret=secret, code=code, next=wanted)
        assert answer.status_code == 303, answer.text
        return secret

    @property
    def is_in(self) -> bool:
        """Whether the server knows who this is."""
        return self.visit("/account").status_code == 200

    def cookie(self, end: str = "") -> str:
        """The value of a cookie: of the sign-in, or with `-half`, `-browser` of those beside it."""
        return next((value for name, value in self.cookies.items() if name.endswith(f"diemcau{end}")), "")


def form_in(page: str, action: str, act: str | None = None) -> dict[str, Any]:
    """Field -> what stands in it, of the form of a page that goes to `action`, and has a button for `act`."""
    forms = (form for form in lxml.html.fromstring(page).forms if form.get("action", "") == action)
    (form,) = (form for form in forms if act is None or form.xpath(".//button[@value=$act]", act=act))
    found: dict[str, Any] = {}
    for name, value in form.form_values():
        found.setdefault(name, []).append(value)
    return found


def code_of(secret: str, steps: int = 0) -> str:
    """The code of the time step of now, or of one before or after; never so late that the step changes meanwhile."""
    wait_for(lambda: time.time() % STEP_S < STEP_S - 4, 6, "the clock stands still")
    return str(pyotp.TOTP(secret).at(int(time.time()) + steps * STEP_S))


def found_in(pattern: str, text: str) -> str:
    """The first group."""
    found = re.search(pattern, text)
    assert found is not None, f"no {pattern!r} in {text[:2_000]}"
    return found.group(1)


def path_of(answer: httpx.Response) -> str:
    """Where a redirect goes, without its query."""
    return urlsplit(answer.headers["location"]).path
