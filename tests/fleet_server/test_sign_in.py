"""Signing in as a browser does: the first link, passwords, second factor, cookies, tokens; and whoever else tries."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest
from msgspec.structs import replace

from fleet_server.domain.access import Role
from fleet_server.errors import FleetError
from fleet_server.people.desk import PeopleDesk
from fleet_server.people.known import Known
from fleet_server.people.users import new_user
from fleet_server.signing.one_time import hash_of
from fleet_server.store.database import Database
from fleet_server.store.people import KeyKind, add_user
from tests.counterparts.databases import change_in, database_in, everything_in
from tests.counterparts.fleet import PASSWORD
from tests.counterparts.standing import StandingFleet, standing_fleet
from tests.counterparts.waiting import wait_for
from tests.counterparts.web_browser import WebBrowser, code_of, found_in, path_of
from wire.times import SystemClock

ANOTHER = "quite another long word"
WITH_CODE = ("once", "twice", "guessed", "half", "wanted", "beside")
VIEWERS = ("out", "expired", "locked", "slow", "two-places", "burst", "redirected", "reader", "changer", "streamer")
ACTING = ("actor",)


class NobodyYet(StandingFleet):
    """A server that nobody was added to."""

    def add_user(self, login: str, role: str, *sites: str) -> str:
        return "nobody" if login == "tests" else super().add_user(login, role, *sites)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandingFleet]:
    """Whoever can act needs a second factor; viewers need none: what is tried with them is of passwords alone."""

    def people(server: StandingFleet) -> None:
        for login in WITH_CODE:
            server.add_user(login, "operator")
        for login in VIEWERS:
            server.add_user(login, "viewer")
        for login in ACTING:
            server.add_user(login, "operator")

    with standing_fleet(tmp_path_factory.mktemp("sign-in"), people, DIEMCAU_SECOND_FACTOR="1") as server:
        yield server


@pytest.fixture
def browser(fleet: StandingFleet) -> Iterator[WebBrowser]:
    with WebBrowser(fleet.address) as found:
        yield found


def invited(fleet: StandingFleet, login: str, role: str = "viewer") -> str:
    """The key of the link that a new user gets."""
    page = fleet.client.post(f"{fleet.address}/people", data={"login": login, "name": login, "role": role})
    assert page.status_code == 200, page.text
    link = found_in(r'id="link">([^<]+)<', page.text)
    assert link.startswith(f"{fleet.address}/set-up#"), "what stands behind # no browser sends"
    return link.partition("#")[2]


def user_id(fleet: StandingFleet, login: str) -> str:
    page = fleet.client.get(f"{fleet.address}/people").text
    return found_in(rf'id="user-{login}".*?action="/people/([0-9a-f-]{{36}})"', page.replace("\n", " "))


def on_disk(fleet: StandingFleet) -> bytes:
    """All that the server has written beside its keys."""
    files = [file for file in fleet.folder.rglob("*") if file.is_file() and "secrets" not in file.parts]
    return b"".join(file.read_bytes() for file in files) + everything_in(fleet.folder) + fleet.says().encode()


# The first start.


def test_the_first_start_prints_a_link_that_sets_a_password_once(tmp_path: Path) -> None:
    with standing_fleet(tmp_path, kind=NobodyYet, DIEMCAU_SECOND_FACTOR="1") as fleet:
        link = wait_for(lambda: [line for line in fleet.says().splitlines() if "/set-up#" in line], 10, "no link")[0]
        key = link.partition("#")[2]
        assert link.startswith(f"{fleet.address}/set-up#") and len(key) >= 40 and "?" not in link
        with WebBrowser(fleet.address) as browser, WebBrowser(fleet.address) as late:
            assert browser.visit("/set-up").status_code == 200
            answer = browser.submit("/set-up", key=key, password=PASSWORD, again=PASSWORD)
            assert (answer.status_code, path_of(answer)) == (303, "/sign-in/code")
            assert not browser.is_in, "the second factor is still to come"
            browser.set_code_up()
            assert browser.is_in and browser.visit("/audit").status_code == 200, "an administrator"
            again = late.submit("/set-up", key=key, password=ANOTHER, again=ANOTHER)
            assert again.status_code == 404 and not late.is_in
            assert late.sign_in("admin", ANOTHER).status_code == 401
            assert late.sign_in("admin").status_code == 303
        fleet.kill()
        fleet.start()
        assert fleet.says().count("/set-up#") == 1, "there is somebody now"
        assert key.encode() not in everything_in(fleet.folder)


def test_of_two_who_use_a_link_at_once_one_sets_the_password(fleet: StandingFleet) -> None:
    key = invited(fleet, "raced")
    answers: dict[str, int] = {}

    def use(password: str) -> None:
        with WebBrowser(fleet.address) as browser:
            answers[password] = browser.submit("/set-up", key=key, password=password, again=password).status_code

    users = [threading.Thread(target=use, args=(f"a long word of number {n}",)) for n in range(4)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert sorted(answers.values()) == [303, 404, 404, 404]
    with WebBrowser(fleet.address) as browser:
        right = next(password for password, status in answers.items() if status == 303)
        assert browser.sign_in("raced", right).status_code == 303 and browser.is_in


@pytest.mark.parametrize(
    ("password", "again"),
    [
        ("eleven char", None), ("", None), ("x" * 257, None), ("aaaaaaaaaaaaaaaaaaaa", None),
        ("abababababababab", None), ("my name is WEAKLING", None), ("a long word, for trying", "another long word"),
    ],
)  # fmt: skip
def test_a_weak_password_is_refused_and_the_link_still_good(
    fleet: StandingFleet, browser: WebBrowser, password: str, again: str | None
) -> None:
    login = f"weakling{abs(hash(password)) % 10**6}"
    key = invited(fleet, login)
    password = password.replace("WEAKLING", login.upper())
    answer = browser.submit("/set-up", key=key, password=password, again=password if again is None else again)
    assert answer.status_code == 422 and 'role="alert"' in answer.text
    assert not browser.is_in and browser.sign_in(login, password).status_code == 401
    assert browser.submit("/set-up", key=key, password=PASSWORD, again=PASSWORD).status_code == 303


def test_a_new_link_ends_what_was_signed_in_before_only_once_it_is_used(fleet: StandingFleet) -> None:
    with WebBrowser(fleet.address) as old, WebBrowser(fleet.address) as new:
        key = invited(fleet, "forgetful")
        old.submit("/set-up", key=key, password=PASSWORD, again=PASSWORD)
        page = fleet.client.post(f"{fleet.address}/people/{user_id(fleet, 'forgetful')}", data={"link": "1"})
        again = found_in(r"/set-up#([^<]+)<", page.text)
        assert old.is_in
        assert new.submit("/set-up", key=again, password=ANOTHER, again=ANOTHER).status_code == 303
        assert new.is_in and not old.is_in
        assert old.sign_in("forgetful").status_code == 401


# The second factor.


def test_the_code_is_asked_for_next_time_and_none_is_taken_twice(fleet: StandingFleet, browser: WebBrowser) -> None:
    answer = browser.sign_in("once")
    assert (answer.status_code, path_of(answer)) == (303, "/sign-in/code")
    assert path_of(browser.visit("/sign-in/code")) == "/sign-in/second-factor", "there is none yet"
    secret = browser.set_code_up()
    assert browser.is_in
    now = code_of(secret)
    with WebBrowser(fleet.address) as other:
        assert path_of(other.sign_in("once")) == "/sign-in/code"
        assert path_of(other.visit("/sign-in/second-factor")) == "/sign-in", "it is set up: nobody sets up another"
        assert other.submit("/sign-in/second-factor", secret="A" * 32, code="1").status_code == 401
        assert other.submit("/sign-in/code", code="").status_code == 401
        assert other.submit("/sign-in/code", code=now).status_code == 303
        assert other.is_in
    with WebBrowser(fleet.address) as listener:
        listener.sign_in("once")
        for used in (now, code_of(secret, -1)):
            assert listener.submit("/sign-in/code", code=used).status_code == 401, "it was used"
        assert not listener.is_in
        assert listener.submit("/sign-in/code", code=code_of(secret, 1)).status_code == 303
    assert secret.encode() not in on_disk(fleet)


def test_a_second_factor_is_set_up_only_with_a_right_code(fleet: StandingFleet, browser: WebBrowser) -> None:
    browser.sign_in("twice")
    secret = found_in(r'id="secret">([A-Z2-7]+)<', browser.visit("/sign-in/second-factor").text)
    wrong = browser.submit("/sign-in/second-factor", secret=secret, code="000000")
    assert wrong.status_code == 422 and not browser.is_in
    assert secret not in wrong.text, "another is shown, so that nobody tries codes on the first"
    assert browser.submit("/sign-in/second-factor", secret="short", code="000000").status_code == 422
    browser.set_code_up()
    assert browser.is_in


def test_whoever_guesses_codes_waits_and_the_right_one_waits_too(fleet: StandingFleet, browser: WebBrowser) -> None:
    browser.sign_in("guessed")
    secret = browser.set_code_up()
    with WebBrowser(fleet.address) as guesser:
        guesser.sign_in("guessed")
        right = code_of(secret)  # before: it may wait for the next step, and the pause lasts two seconds
        found = [guesser.submit("/sign-in/code", code=f"wrong-{n}").status_code for n in range(8)]
        assert found[:5] == [401] * 5 and found[5:] == [429] * 3
        assert guesser.submit("/sign-in/code", code=right).status_code == 429
        assert not guesser.is_in
    assert browser.is_in, "whoever is in stays in"


def test_a_browser_that_is_half_in_is_nobody(fleet: StandingFleet, browser: WebBrowser) -> None:
    browser.sign_in("half")
    half = browser.cookie("-half")
    assert half and not browser.cookie()
    assert browser.get("/api/v1/sites").status_code == 401
    assert path_of(browser.visit("/people")) == "/sign-in"
    assert browser.submit("/sign-out").status_code == 401
    forged = {"Cookie": f"diemcau={half}"}, {"Authorization": f"Bearer {half}"}
    assert [httpx.get(f"{fleet.address}/api/v1/sites", headers=told, timeout=30).status_code for told in forged] == [
        401,
        401,
    ]


def test_one_comes_to_the_page_that_was_wanted_with_its_whole_query(fleet: StandingFleet, browser: WebBrowser) -> None:
    wanted = "/progress?stage=surveyed&lang=vi"
    answer = browser.sign_in("wanted", wanted=wanted)
    assert path_of(answer) == "/sign-in/code"
    assert parse_qs(urlsplit(answer.headers["location"]).query)["next"] == [wanted]


# Cookies.


def test_signing_out_ends_the_cookie_and_not_only_in_this_browser(fleet: StandingFleet, browser: WebBrowser) -> None:
    browser.sign_in("out")
    kept = browser.cookie()
    assert browser.is_in
    answer = browser.submit("/sign-out")
    assert (answer.status_code, path_of(answer)) == (303, "/sign-in")
    assert not browser.is_in and not browser.cookie()
    again = httpx.get(f"{fleet.address}/api/v1/sites", headers={"Cookie": f"diemcau={kept}"}, timeout=30)
    assert again.status_code == 401


def test_whoever_works_on_keeps_the_cookie(fleet: StandingFleet, browser: WebBrowser) -> None:
    """A browser drops it at the end that it was told: every page tells it the end that counts now."""
    browser.sign_in("expired")
    told = {
        name: answer.headers.get("set-cookie", "") for name in ("/", "/sessions") if (answer := browser.visit(name))
    }
    for name, said in told.items():
        found = re.search(r"diemcau=[^;]+;.* Max-Age=(\d+);", said)
        assert found is not None and int(found[1]) > 11 * 3_600, (name, said)
    assert "diemcau=" not in browser.get("/api/v1/sites").headers.get("set-cookie", "")


def test_a_cookie_that_has_run_out_or_is_of_another_kind_or_nobodys_opens_nothing(
    fleet: StandingFleet, browser: WebBrowser
) -> None:
    browser.sign_in("expired")
    assert browser.is_in
    cookie, seen_before = browser.cookie(), browser.cookie("-browser")
    assert seen_before and seen_before != cookie

    def opens(**headers: str) -> int:
        return httpx.get(f"{fleet.address}/api/v1/sites", headers=headers, timeout=30).status_code

    assert opens(Cookie=f"diemcau={cookie}") == 200
    wrong = (seen_before, hash_of(cookie), cookie[:-1], cookie + "x", cookie.swapcase(), "", "x" * 5_000, "%00", '"')
    assert {value: opens(Cookie=f"diemcau={value}") for value in wrong} == dict.fromkeys(wrong, 401)
    assert {opens(Authorization=f"Bearer {value}") for value in (cookie, seen_before, hash_of(cookie))} == {401}
    token = fleet.headers["Authorization"].removeprefix("Bearer ")
    assert opens(Cookie=f"diemcau={token}") == 401
    past = int(time.time() * 1000) - 1
    assert change_in(
        fleet.folder, "UPDATE keys SET expires_at = :past WHERE hash = :hash", past=past, hash=hash_of(cookie)
    )
    wait_for(lambda: not browser.is_in, 30, "it has run out and still opens")


def test_cookies_are_for_our_pages_alone(fleet: StandingFleet, browser: WebBrowser) -> None:
    answer = browser.sign_in("slow")
    cookies = [line.lower() for line in answer.headers.get_list("set-cookie") if "max-age=0" not in line.lower()]
    assert len(cookies) == 2
    for line in cookies:
        assert "httponly" in line and "samesite=lax" in line and "path=/;" in f"{line};" and "domain=" not in line


def test_where_people_come_by_https_cookies_are_held_to_it(tmp_path: Path) -> None:
    def people(server: StandingFleet) -> None:
        server.add_user("viewer", "viewer")
        server.add_user("operator", "operator")

    environment = {"DIEMCAU_PUBLIC_URL": "https://diemcau.example", "DIEMCAU_SECOND_FACTOR": "1"}
    with standing_fleet(tmp_path, people, **environment) as fleet:
        for login in ("viewer", "operator"):
            with WebBrowser(fleet.address) as browser:
                lines = browser.sign_in(login).headers.get_list("set-cookie")
                assert lines
                for line in lines:
                    parts = [part.strip().lower() for part in line.split(";")]
                    assert parts[0].startswith("__host-diemcau"), line
                    assert {"secure", "httponly", "path=/", "samesite=lax"} <= set(parts), line
                    assert not any(part.startswith("domain") for part in parts)
        with WebBrowser(fleet.address) as browser:
            found = browser.sign_in("viewer").headers.get_list("set-cookie")[0].partition("=")[2].partition(";")[0]
            headers = [{"Cookie": f"{name}={found}"} for name in ("__Host-diemcau", "diemcau")]
            answers = [
                httpx.get(f"{fleet.address}/api/v1/sites", headers=each, timeout=30).status_code for each in headers
            ]
            assert answers == [200, 401], "the name that a neighbouring site could set is not looked at"


# Other people's pages.


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://127.0.0.1:1"}, False),
        ({"Origin": "{address}.evil.example"}, False),
        ({}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Origin": "{address}", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}, False),
        ({"Referer": "{address}/account"}, False),
        ({"Origin": "{address}"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
    ],
    ids=str,
)
def test_with_a_cookie_only_our_own_pages_change_things(
    fleet: StandingFleet, headers: dict[str, str], taken: bool
) -> None:
    with WebBrowser(fleet.address) as browser:
        browser.sign_in("reader")
        told = {name: value.format(address=fleet.address) for name, value in headers.items()}
        label = f"by-{abs(hash(str(headers)))}"
        answer = browser.post("/account/tokens", data={"label": label, "days": "1"}, headers=told)
        assert answer.status_code == (200 if taken else 403)
        assert (label in browser.visit("/account").text) is taken
        out = browser.post("/sign-out", headers=told)
        assert out.status_code == (303 if taken else 403)
        assert browser.is_in is not taken


@pytest.mark.parametrize("header", ["Origin", "Host"])
@pytest.mark.parametrize("value", ["http://[", "[", "//]", "http://[::1", "http://a:b:c"])
def test_a_header_that_cannot_be_read_is_refused_and_breaks_nothing(
    fleet: StandingFleet, header: str, value: str
) -> None:
    answer = httpx.post(f"{fleet.address}/sign-in", data={"login": "reader"}, headers={header: value}, timeout=30)
    assert 400 <= answer.status_code < 500


WANTED = (
    "//evil.example", "https://evil.example", "http:evil.example", "/\\evil.example", "\\\\evil.example",
    "///evil.example", "/\t/evil.example", "\t//evil.example", "/\n/evil.example", "javascript:alert(1)",
    "evil.example", "@evil.example",
    "/\r\nSet-Cookie: diemcau=x", ".evil.example", "/%0d%0aX: y", "", "/%2f%2fevil.example", "/.//evil.example",
)  # fmt: skip


@pytest.mark.parametrize("wanted", WANTED, ids=repr)
def test_nobody_is_sent_on_to_another_site(fleet: StandingFleet, wanted: str) -> None:
    def stays(location: str) -> bool:
        as_browsers_do = location.replace("\\", "/").replace("\t", "").replace("\n", "").replace("\r", "")
        return urlsplit(urljoin(fleet.address, as_browsers_do)).netloc == urlsplit(fleet.address).netloc

    with WebBrowser(fleet.address) as browser:
        kept = found_in(r'name="next" value="([^"]*)"', browser.get("/sign-in", params={"next": wanted}).text)
        assert stays(kept), "what the form sends along"
        answer = browser.sign_in("redirected", wanted=wanted)
        assert answer.status_code == 303 and stays(answer.headers["location"]), answer.headers["location"]
        assert answer.cookies["diemcau"] != "x"
    with WebBrowser(fleet.address) as browser:
        answer = browser.sign_in("beside", wanted=wanted)
        assert stays(answer.headers["location"])
        if path_of(answer) == "/sign-in/code":
            inner = parse_qs(urlsplit(answer.headers["location"]).query).get("next", ["/"])[0]
            onward = browser.get("/sign-in/code", params={"next": inner})
            assert onward.status_code == 200 or stays(onward.headers["location"])


# API tokens.


def new_token(browser: WebBrowser, label: str, **more: str) -> tuple[str, str]:
    """The token, and its id."""
    page = browser.submit("/account/tokens", label=label, days="30", **more)
    assert page.status_code == 200, page.text
    token = found_in(r'id="token">([^<]+)<', page.text)
    id = found_in(rf"<strong>{label}</strong>.*?/account/tokens/([0-9a-f-]+)/end", page.text.replace("\n", " "))
    assert token not in browser.visit("/account").text, "it is shown once"
    return token, id


def test_a_token_that_only_reads_cannot_act_and_one_that_was_ended_is_dead(
    fleet: StandingFleet, browser: WebBrowser
) -> None:
    browser.sign_in("actor")
    browser.set_code_up()
    reads, reads_id = new_token(browser, "reads")
    acts, _ = new_token(browser, "acts", acts="1")
    wish = {"sites": ["38-1"]}
    with fleet.client_of(reads) as reading, fleet.client_of(acts) as acting:
        assert reading.get("/sites").status_code == acting.get("/sites").status_code == 200
        assert reading.post("/line-tests", json=wish).status_code == 403
        assert reading.get(f"{fleet.address}/account").status_code == 403
        assert acting.post("/line-tests", json=wish).status_code == 202
        for client in (reading, acting):
            answer = client.post(f"{fleet.address}/account/tokens", data={"label": "more", "days": "1", "acts": "1"})
            assert answer.status_code == 403 and 'id="token"' not in answer.text, "a token makes no token"
        assert browser.submit(f"/account/tokens/{reads_id}/end").status_code == 303
        assert reading.get("/sites").status_code == 401 and acting.get("/sites").status_code == 200
    written = on_disk(fleet)
    assert reads.encode() not in written and acts.encode() not in written
    assert hash_of(acts).encode() in written, "it is kept as its hash"


def test_nobody_ends_anothers_token(fleet: StandingFleet, browser: WebBrowser) -> None:
    browser.sign_in("reader")
    token, id = new_token(browser, "mine")
    with WebBrowser(fleet.address) as other:
        other.sign_in("out")
        assert other.submit(f"/account/tokens/{id}/end").status_code == 404
    with fleet.client_of(token) as client:
        assert client.get("/sites").status_code == 200


def test_another_password_ends_every_other_browser(fleet: StandingFleet, browser: WebBrowser) -> None:
    with WebBrowser(fleet.address) as other:
        other.sign_in("changer")
        browser.sign_in("changer")
        wrong = browser.submit("/account/password", old="not the old one", password=ANOTHER, again=ANOTHER)
        assert wrong.status_code == 422 and other.is_in
        weak = browser.submit("/account/password", old=PASSWORD, password="changer" * 3, again="changer" * 3)
        assert weak.status_code == 422
        assert browser.submit("/account/password", old=PASSWORD, password=ANOTHER, again=ANOTHER).status_code == 200
        assert browser.is_in and not other.is_in
        assert other.sign_in("changer").status_code == 401
        assert other.sign_in("changer", ANOTHER).status_code == 303


# Guessing.


def test_who_has_no_account_is_told_the_same_as_who_has_the_wrong_password(browser: WebBrowser) -> None:
    answers = [browser.sign_in(login, "a wrong password") for login in ("out", "nobody-of-this-name")]
    texts = [
        re.sub(r'data-now="[^"]*"', "", answer.text).replace(login, "")
        for answer, login in zip(answers, ("out", "nobody-of-this-name"), strict=True)
    ]
    assert [answer.status_code for answer in answers] == [401, 401] and texts[0] == texts[1]


def test_failures_at_one_address_do_not_lock_out_another(fleet: StandingFleet) -> None:
    with WebBrowser(fleet.address, "127.0.0.2") as guesser, WebBrowser(fleet.address, "127.0.0.3") as owner:
        found = [guesser.sign_in("two-places", f"wrong word {n}").status_code for n in range(7)]
        assert found == [401] * 5 + [429] * 2
        # Each further guess that is looked at doubles the pause: eight seconds leave the owner the time to come in.
        for _ in range(2):
            wait_for(lambda: guesser.sign_in("two-places", "wrong again").status_code == 401, 30, "no pause ends")
        assert guesser.sign_in("two-places").status_code == 429, "not even with the right one"
        assert owner.sign_in("two-places").status_code == 303 and owner.is_in
        assert guesser.sign_in("two-places").status_code == 429


def test_many_guesses_at_once_are_no_more_than_one_after_the_other(fleet: StandingFleet) -> None:
    async def guess() -> list[int]:
        async with httpx.AsyncClient(base_url=fleet.address, timeout=60) as client:
            form = ({"login": "burst", "password": f"wrong word {n}", "next": "/"} for n in range(24))
            answers = await asyncio.gather(*(client.post("/sign-in", data=each) for each in form))
            return [answer.status_code for answer in answers]

    found = asyncio.run(guess())
    assert found.count(401) <= 8, "each that is looked at is a guess"
    assert found.count(429) >= 16


def test_the_old_password_cannot_be_guessed_without_end_from_a_browser_that_was_left(
    fleet: StandingFleet, browser: WebBrowser
) -> None:
    browser.sign_in("expired")
    found = [
        browser.submit("/account/password", old=f"guess {n}", password=ANOTHER, again=ANOTHER).status_code
        for n in range(12)
    ]
    assert 429 in found


# Locked out, and the last administrator.


def lock_out(fleet: StandingFleet, login: str) -> None:
    answer = fleet.client.post(
        f"{fleet.address}/people/{user_id(fleet, login)}", data={"role": "viewer", "sites": "", "out": "1"}
    )
    assert answer.status_code == 303, answer.text


def test_whoever_is_locked_out_is_out_with_cookies_and_tokens_at_once(
    fleet: StandingFleet, browser: WebBrowser
) -> None:
    browser.sign_in("locked")
    token, _ = new_token(browser, "locked")
    with fleet.client_of(token) as client, WebBrowser(fleet.address) as other:
        assert client.get("/sites").status_code == 200
        lock_out(fleet, "locked")
        assert client.get("/sites").status_code == 401 and not browser.is_in
        assert other.sign_in("locked").status_code == 401, "as for a wrong password"
        back = {"role": "viewer", "sites": ""}
        fleet.client.post(f"{fleet.address}/people/{user_id(fleet, 'locked')}", data=back)
        assert client.get("/sites").status_code == 401 and not browser.is_in, "what was ended stays so"
        assert other.sign_in("locked").status_code == 303


def test_whoever_is_locked_out_hears_no_more_of_the_stream(fleet: StandingFleet, browser: WebBrowser) -> None:
    browser.sign_in("streamer")
    ended, heard = threading.Event(), threading.Event()

    def hear() -> None:
        try:
            with browser.stream("GET", "/api/v1/events", timeout=30) as answer:
                for _ in answer.iter_lines():
                    heard.set()
        except (httpx.HTTPError, RuntimeError):
            pass
        ended.set()

    thread = threading.Thread(target=hear, daemon=True)
    thread.start()
    assert heard.wait(30)
    lock_out(fleet, "streamer")
    assert ended.wait(30), "the stream that was open goes on"


def test_the_last_administrator_can_be_neither_locked_out_nor_made_less(fleet: StandingFleet) -> None:
    me = user_id(fleet, "tests")
    for change in (
        {"role": "administrator", "out": "1"},
        {"role": "viewer"},
        {"role": "administrator", "sites": "38-1"},
    ):
        answer = fleet.client.post(f"{fleet.address}/people/{me}", data=change)
        assert answer.status_code == 409, answer.text
    assert fleet.client.get(f"{fleet.address}/people").status_code == 200


def test_somebody_who_has_not_taken_the_invitation_is_no_administrator_yet(fleet: StandingFleet) -> None:
    people = f"{fleet.address}/people"
    invited = {"login": "never-came", "name": "", "role": "administrator", "sites": ""}
    assert fleet.client.post(people, data=invited).status_code == 200
    answer = fleet.client.post(f"{people}/{user_id(fleet, 'tests')}", data={"role": "administrator", "out": "1"})
    assert answer.status_code == 409, "nobody is left who could let one in"


def test_whoever_tries_name_after_name_leaves_one_row_a_minute(fleet: StandingFleet) -> None:
    def rows() -> int:
        lines = fleet.client.get(f"{fleet.address}/audit/audit.jsonl").text.splitlines()
        return sum(row["by"] == "?" and row["origin"] == "127.0.0.44" for row in map(json.loads, lines))

    with WebBrowser(fleet.address, "127.0.0.44") as browser:
        for number in range(8):
            assert browser.sign_in(f"nobody-{number}", "x").status_code == 401
    assert rows() == 1


# What the desk promises, without a web around it.


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = database_in(tmp_path)
    yield made
    made.close()


def test_two_administrators_who_lock_each_other_out_at_once_do_not_both_succeed(database: Database) -> None:
    clock = SystemClock()
    rows = [
        replace(new_user(login, "", Role.ADMINISTRATOR, frozenset(), clock.now()), password="a hash")
        for login in ("first", "second")
    ]
    for row in rows:
        database.write_now(lambda db, row=row: add_user(db, row))  # type: ignore[misc]

    async def both() -> list[object]:
        known = Known(database, clock)
        await known.load()
        desk = PeopleDesk(database, known, clock)
        wishes = (desk.change(row.id, Role.ADMINISTRATOR, frozenset(), True) for row in rows)
        found = await asyncio.gather(*wishes, return_exceptions=True)
        assert any(user.disabled_at is None for user in known.users.values()), "nobody is left who could let one in"
        return list(found)

    assert sum(isinstance(each, FleetError) for each in asyncio.run(both())) == 1


def test_a_new_key_is_good_at_once_also_while_all_are_read_anew(database: Database) -> None:
    """What the server reads every few seconds is older than what it has just written."""
    clock = SystemClock()
    row = new_user("somebody", "", Role.VIEWER, frozenset(), clock.now())
    database.write_now(lambda db: add_user(db, row))

    async def race() -> int:
        known, lost = Known(database, clock), 0
        await known.load()

        async def read_again() -> None:
            while True:
                await known.load()

        reading = asyncio.create_task(read_again())
        for _ in range(150):
            _, key = await known.new_key(row.id, KeyKind.SIGN_IN, clock.now() - clock.now().replace(year=2020))
            await asyncio.sleep(0)
            lost += known.live(key, KeyKind.SIGN_IN) is None
        reading.cancel()
        return lost

    assert asyncio.run(race()) == 0
