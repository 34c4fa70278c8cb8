"""Sign-in at the province's own identity provider: who comes in as what, and whom no lie lets in."""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import httpx
import pytest
from joserfc.jwk import RSAKey

from device_drivers.loopback import free_port
from fleet_server import config
from fleet_server.errors import NotSignedIn
from fleet_server.people.provider import Provider
from tests.counterparts.able_room import AbleRoom
from tests.counterparts.databases import everything_in
from tests.counterparts.forked import run_to_end
from tests.counterparts.identity_provider import Claims, IdentityProvider, identity_provider
from tests.counterparts.standing import StandingFleet, standing_fleet
from tests.counterparts.web_browser import WebBrowser, path_of
from wire.times import SystemClock

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ROLES = "tcd-xem=viewer, tcd-ky-thuat=technician, tcd-dieu-hanh=operator, tcd-quan-tri=administrator"
CLAIM, SITES_CLAIM = "groups", "rooms"
ANSWER = "/sign-in/provider/answer"


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    with identity_provider() as found:
        yield found


@pytest.fixture(autouse=True)
def honest(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "provider" in request.fixturenames:
        request.getfixturevalue("provider").honest()


def settings_for(provider: IdentityProvider, folder: Path) -> dict[str, str]:
    file = folder / "oidc.secret"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(provider.secret + "\n")
    return {
        "DIEMCAU_OIDC_ISSUER": provider.issuer, "DIEMCAU_OIDC_CLIENT": "diemcau", "DIEMCAU_OIDC_SECRET_FILE": str(file),
        "DIEMCAU_OIDC_ROLES": ROLES, "DIEMCAU_OIDC_ROLE_CLAIM": CLAIM, "DIEMCAU_OIDC_SITES_CLAIM": SITES_CLAIM,
    }  # fmt: skip


@pytest.fixture(scope="module")
def fleet(provider: IdentityProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandingFleet]:
    folder = tmp_path_factory.mktemp("provider")

    def people(server: StandingFleet) -> None:
        server.add_user("local", "viewer")

    with standing_fleet(folder, people, DIEMCAU_SECOND_PERSON="1", **settings_for(provider, folder)) as server:
        yield server


@pytest.fixture
def browser(fleet: StandingFleet) -> Iterator[WebBrowser]:
    with WebBrowser(fleet.address) as found:
        yield found


def sent_away(browser: WebBrowser, wanted: str = "/") -> str:
    """Where the browser is sent to sign in."""
    answer = browser.visit("/sign-in/provider", params={"next": wanted})
    assert answer.status_code == 303 and path_of(answer) == "/oauth2/authorize", answer.headers
    return str(answer.headers["location"])


def came_back(browser: WebBrowser, address: str) -> httpx.Response:
    """The browser goes where the provider sends it."""
    parts = urlsplit(address)
    return browser.visit(f"{parts.path}?{parts.query}")


def signed_in(browser: WebBrowser, provider: IdentityProvider, subject: str, wanted: str = "/") -> httpx.Response:
    """The whole road."""
    return came_back(browser, provider.approve(sent_away(browser, wanted), subject))


def is_refused(browser: WebBrowser, answer: httpx.Response) -> bool:
    """With a page, or back to where one signs in; and nobody is in."""
    told = answer.status_code in (401, 403, 409, 422) and "<html" in answer.text
    return (told or (answer.status_code == 303 and path_of(answer) == "/sign-in")) and not browser.is_in


def lets_in(answer: httpx.Response) -> bool:
    """On to a page, and not to where one signs in."""
    return answer.status_code == 303 and path_of(answer) != "/sign-in" and "diemcau" in answer.cookies


def user_row(fleet: StandingFleet, login: str) -> str:
    page = fleet.client.get(f"{fleet.address}/people", headers={"Accept-Language": "en"}).text
    _, _, found = page.partition(f'id="user-{login}"')
    return found.partition("</summary>")[0]


# It works.


def test_whoever_has_a_role_there_comes_in_with_it_and_to_the_page_that_was_wanted(
    fleet: StandingFleet, provider: IdentityProvider, browser: WebBrowser
) -> None:
    provider.user(
        "s-1",
        preferred_username="an.nguyen",
        name="Nguyễn Văn An",
        **{SITES_CLAIM: "*", CLAIM: ["khác", "tcd-dieu-hanh"]},
    )
    asked = parse_qs(urlsplit(sent_away(browser)).query)
    assert asked["response_type"] == ["code"] and asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [f"{fleet.address}{ANSWER}"]
    assert len(asked["state"][0]) >= 40 and len(asked["nonce"][0]) >= 40
    answer = signed_in(browser, provider, "s-1", "/progress?stage=surveyed")
    assert (answer.status_code, answer.headers["location"]) == (303, "/progress?stage=surveyed")
    account = browser.visit("/account").text
    assert "Nguyễn Văn An" in account and "an.nguyen" in account
    assert browser.visit("/enrolments").status_code == 200 and browser.visit("/people").status_code == 403
    assert provider.pkce_failures == 0
    assert browser.visit("/sign-in").text.count("/sign-in/provider") == 1


def test_the_sites_of_a_person_are_those_of_the_claim(
    fleet: StandingFleet, provider: IdentityProvider, browser: WebBrowser
) -> None:
    provider.user("s-2", preferred_username="binh", **{CLAIM: "tcd-ky-thuat", SITES_CLAIM: ["38-1"]})
    assert lets_in(signed_in(browser, provider, "s-2"))
    assert [site["id"] for site in browser.get("/api/v1/sites").json()["items"]] == ["38-1"]
    provider.user("s-2", preferred_username="binh", **{CLAIM: "tcd-ky-thuat", SITES_CLAIM: "38-2 38-3"})
    assert lets_in(signed_in(browser, provider, "s-2"))
    assert [site["id"] for site in browser.get("/api/v1/sites").json()["items"]] == ["38-2", "38-3"]


def test_the_highest_of_several_roles_counts_and_a_changed_one_from_the_next_time_on(
    fleet: StandingFleet, provider: IdentityProvider, browser: WebBrowser
) -> None:
    provider.user("s-3", preferred_username="chi", **{SITES_CLAIM: "*", CLAIM: ["tcd-xem", "tcd-quan-tri"]})
    assert lets_in(signed_in(browser, provider, "s-3"))
    assert browser.visit("/audit").status_code == 200
    provider.user("s-3", preferred_username="chi", **{SITES_CLAIM: "*", CLAIM: ["tcd-xem"]})
    with WebBrowser(fleet.address) as other:
        assert lets_in(signed_in(other, provider, "s-3"))
        assert other.visit("/audit").status_code == 403
    assert browser.visit("/audit").status_code == 403, "and for every browser of theirs"
    assert "chi" in user_row(fleet, "chi")
    assert fleet.client.get(f"{fleet.address}/people").text.count('id="user-chi"') == 1


def test_somebody_is_the_subject_and_not_the_name_that_is_shown(
    fleet: StandingFleet, provider: IdentityProvider, browser: WebBrowser
) -> None:
    provider.user("s-4", preferred_username="dung", **{SITES_CLAIM: "*", CLAIM: "tcd-xem"})
    assert lets_in(signed_in(browser, provider, "s-4"))
    with WebBrowser(fleet.address) as other:
        for login in ("dung", "local", "tests"):
            provider.user("s-5", preferred_username=login, **{SITES_CLAIM: "*", CLAIM: "tcd-quan-tri"})
            assert is_refused(other, signed_in(other, provider, "s-5")), "the login is somebody else's"
    provider.user("s-4", preferred_username="dung.moi", **{SITES_CLAIM: "*", CLAIM: "tcd-xem"})
    assert lets_in(signed_in(browser, provider, "s-4"))
    assert user_row(fleet, "dung") and not user_row(fleet, "dung.moi")
    with WebBrowser(fleet.address) as other:
        assert other.sign_in("dung", "").status_code == 401, "there is no password here"


# Who has no role, or none any more.


@pytest.mark.parametrize("claim", [None, "", [], ["not ours"], "TCD-XEM", {"tcd-xem": True}, 7, [["tcd-xem"]], True])
def test_whoever_has_no_role_there_does_not_come_in(
    fleet: StandingFleet, provider: IdentityProvider, browser: WebBrowser, claim: Any
) -> None:
    provider.user("s-6", preferred_username="em", **({CLAIM: claim} if claim is not None else {}))
    answer = signed_in(browser, provider, "s-6")
    assert answer.status_code == 403 and is_refused(browser, answer)
    assert not user_row(fleet, "em")


def test_somebody_whose_sites_are_not_said_does_not_come_in(
    fleet: StandingFleet, provider: IdentityProvider, browser: WebBrowser
) -> None:
    provider.user("s-30", preferred_username="xuan", **{CLAIM: "tcd-dieu-hanh"})
    answer = signed_in(browser, provider, "s-30")
    assert answer.status_code == 403 and is_refused(browser, answer)
    assert not user_row(fleet, "xuan")


def test_somebody_who_is_refused_leaves_a_row_in_the_audit(
    fleet: StandingFleet, provider: IdentityProvider, browser: WebBrowser
) -> None:
    def refusals() -> int:
        lines = fleet.client.get(f"{fleet.address}/audit/audit.jsonl").text.splitlines()
        return sum(row["outcome"] == "refused" and row["act"] == "sign_in" for row in map(json.loads, lines))

    before = refusals()
    provider.user("s-7", preferred_username="giang", **{SITES_CLAIM: "*", CLAIM: "nothing of ours"})
    assert signed_in(browser, provider, "s-7").status_code == 403
    assert refusals() == before + 1


def test_whoever_is_locked_out_here_stays_out_whatever_is_said_there(
    fleet: StandingFleet, provider: IdentityProvider, browser: WebBrowser
) -> None:
    provider.user("s-8", preferred_username="hoa", **{SITES_CLAIM: "*", CLAIM: "tcd-quan-tri"})
    assert lets_in(signed_in(browser, provider, "s-8"))
    page = user_row(fleet, "hoa") and fleet.client.get(f"{fleet.address}/people").text
    id = page.partition('id="user-hoa"')[2].partition('action="/people/')[2][:36]
    answer = fleet.client.post(f"{fleet.address}/people/{id}", data={"role": "viewer", "sites": "", "out": "1"})
    assert answer.status_code == 303
    assert not browser.is_in
    assert is_refused(browser, signed_in(browser, provider, "s-8"))


@pytest.mark.parametrize(
    "sites",
    [
        pytest.param(7, id="7"), pytest.param(True, id="True"), {"38-1": 1}, [7], [None],
        ["no-such-site"], [["38-1"]],
    ],
    ids=str,
)  # fmt: skip
def test_a_claim_of_sites_that_cannot_be_meant_gives_no_site_and_breaks_nothing(
    fleet: StandingFleet, provider: IdentityProvider, browser: WebBrowser, sites: Any
) -> None:
    provider.user("s-9", preferred_username="khanh", **{CLAIM: "tcd-dieu-hanh", SITES_CLAIM: sites})
    answer = signed_in(browser, provider, "s-9")
    assert answer.status_code < 500
    seen = browser.get("/api/v1/sites")
    assert seen.status_code == 401 or {site["id"] for site in seen.json()["items"]} <= {"38-1"}


@pytest.mark.parametrize("login", ["Nguyễn Văn", "../..", "x" * 5_000, "<script>", 7, ["a"]])
def test_a_login_that_cannot_be_one_is_refused_with_a_page(
    provider: IdentityProvider, browser: WebBrowser, login: Any
) -> None:
    subject = f"s-10 {login!s}"[:40].replace("/", "_").replace("<", "_").replace(">", "_")
    provider.user(subject, preferred_username=login, **{SITES_CLAIM: "*", CLAIM: "tcd-xem"})
    answer = signed_in(browser, provider, subject)
    assert is_refused(browser, answer) or (answer.status_code == 303 and len(str(login)) > 64)


def test_nobody_becomes_a_second_person_by_another_name(
    fleet: StandingFleet, provider: IdentityProvider, browser: WebBrowser
) -> None:
    """At many providers people choose themselves how they are shown."""
    room = AbleRoom("38-1", fleet.broker_port)
    room.report()
    fleet.wait_until("38-1", verdict="ready")
    ours = {"Origin": fleet.address}
    provider.user("s-23", preferred_username="thay-ten", name="Người Một", **{SITES_CLAIM: "*", CLAIM: "tcd-dieu-hanh"})
    assert lets_in(signed_in(browser, provider, "s-23"))
    wish = {"action": "reboot", "reason": "Hình đứng yên"}
    asked = browser.post("/api/v1/sites/38-1/devices/camera-1/commands", json=wish, headers=ours).json()
    assert (asked["state"], asked["approval"]) == ("requested", "")
    assert browser.post(f"/api/v1/commands/{asked['id']}/approval", headers=ours).status_code == 409
    provider.user("s-23", preferred_username="thay-ten", name="Người Hai", **{SITES_CLAIM: "*", CLAIM: "tcd-dieu-hanh"})
    assert lets_in(signed_in(browser, provider, "s-23"))
    found = browser.post(f"/api/v1/commands/{asked['id']}/approval", headers=ours).status_code
    room.leave()
    assert found == 409


# Lies on the way.


def test_an_answer_that_was_not_asked_for_or_not_by_this_browser_lets_nobody_in(
    fleet: StandingFleet, provider: IdentityProvider, browser: WebBrowser
) -> None:
    provider.user("s-11", preferred_username="lan", **{SITES_CLAIM: "*", CLAIM: "tcd-xem"})
    back = provider.approve(sent_away(browser), "s-11")
    parts = urlsplit(back)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    with WebBrowser(fleet.address) as other:
        sent_away(other)
        assert is_refused(other, came_back(other, back)), "it is another browser's"
        assert is_refused(browser, came_back(browser, back)), "it was shown by another: it is worth nothing any more"
    for wrong in ({"state": "x" * 43}, {"state": ""}, {"code": ""}):
        fresh = provider.approve(sent_away(browser), "s-11")
        told = {name: values[0] for name, values in parse_qs(urlsplit(fresh).query).items()} | wrong
        assert is_refused(browser, came_back(browser, urlunsplit(parts._replace(query=urlencode(told)))))
    assert is_refused(browser, browser.visit(ANSWER))
    assert is_refused(browser, browser.visit(f"{ANSWER}?error=access_denied&state={query['state']}"))


def test_an_answer_lets_in_once(fleet: StandingFleet, provider: IdentityProvider, browser: WebBrowser) -> None:
    provider.user("s-12", preferred_username="minh", **{SITES_CLAIM: "*", CLAIM: "tcd-xem"})
    back = provider.approve(sent_away(browser), "s-12")
    state = browser.cookie("-state")
    assert lets_in(came_back(browser, back)) and browser.is_in
    with WebBrowser(fleet.address) as thief:
        thief.cookies.set("diemcau-state", state)
        assert is_refused(thief, came_back(thief, back))
        code = parse_qs(urlsplit(back).query)["code"][0]
        own = parse_qs(urlsplit(sent_away(thief)).query)["state"][0]
        assert is_refused(thief, thief.visit(ANSWER, params={"state": own, "code": code})), "the code was used"


def test_a_code_of_somebody_else_is_not_taken_for_it_fits_another_verifier(
    fleet: StandingFleet, provider: IdentityProvider, browser: WebBrowser
) -> None:
    provider.user("s-13", preferred_username="nam", **{SITES_CLAIM: "*", CLAIM: "tcd-xem"})
    stolen = parse_qs(urlsplit(provider.approve(sent_away(browser), "s-13")).query)["code"][0]
    before = provider.pkce_failures
    with WebBrowser(fleet.address) as thief:
        own = parse_qs(urlsplit(sent_away(thief)).query)["state"][0]
        assert is_refused(thief, thief.visit(ANSWER, params={"state": own, "code": stolen}))
    assert provider.pkce_failures == before + 1


def changed(**wrong: Any) -> Callable[[Claims], Claims]:
    """The claims with some of them otherwise; None: without it."""
    return lambda claims: {name: value for name, value in (claims | wrong).items() if value is not None}


NOW = int(time.time())


@pytest.mark.parametrize(
    "lie",
    [
        changed(nonce="another"), changed(nonce=None), changed(aud="another"), changed(aud=None), changed(aud=[]),
        changed(aud=["another"]), changed(iss="http://127.0.0.1:1"), changed(iss=None), changed(exp=NOW - 3_600),
        changed(exp=None), changed(iat=NOW + 86_400), changed(iat=None), changed(nbf=NOW + 86_400), changed(sub=None),
        changed(exp="soon"), changed(sub=""),
    ],
    ids=["nonce", "no nonce", "aud", "no aud", "empty aud", "aud list", "iss", "no iss", "expired", "no exp",
         "from the future", "no iat", "not yet", "no sub", "exp is no time", "empty sub"],
)  # fmt: skip
def test_a_token_that_is_not_for_us_now_lets_nobody_in(
    provider: IdentityProvider, browser: WebBrowser, lie: Callable[[Claims], Claims]
) -> None:
    provider.user("s-14", preferred_username="oanh", **{SITES_CLAIM: "*", CLAIM: "tcd-quan-tri"})
    provider.claims = lie
    assert is_refused(browser, signed_in(browser, provider, "s-14"))
    provider.honest()
    assert lets_in(signed_in(browser, provider, "s-14")), "it was the lie that was refused"


@pytest.mark.parametrize("kid", ["first", "unknown"])
def test_a_token_signed_with_another_key_lets_nobody_in(
    provider: IdentityProvider, browser: WebBrowser, kid: str
) -> None:
    provider.user("s-15", preferred_username="phuc", **{SITES_CLAIM: "*", CLAIM: "tcd-quan-tri"})
    provider.key = RSAKey.generate_key(2048, {"kid": kid})
    assert is_refused(browser, signed_in(browser, provider, "s-15"))


def test_a_token_that_nobody_signed_or_that_is_none_lets_nobody_in(
    fleet: StandingFleet, provider: IdentityProvider, browser: WebBrowser
) -> None:
    provider.user("s-16", preferred_username="quang", **{SITES_CLAIM: "*", CLAIM: "tcd-quan-tri"})

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"iss": provider.issuer, "aud": "diemcau", "sub": "s-16", "exp": NOW + 600, "iat": NOW, CLAIM: "tcd-xem"}
    for token in (f"{part({'alg': 'none'})}.{part(claims)}.", "", "a.b.c", "x" * 9_000, "a.b.c.d.e", None, 7, {"a": 1}):
        address = sent_away(browser)
        claims["nonce"] = parse_qs(urlsplit(address).query)["nonce"][0]
        back = provider.approve(address, "s-16")
        told = {} if token is None else {"id_token": token}
        provider.answers["/oauth2/token"] = (
            "200 OK", [("Content-Type", "application/json")], json.dumps(told | {"access_token": "x"}).encode()
        )  # fmt: skip
        assert is_refused(browser, came_back(browser, back)), token
        provider.honest()


JSON = [("Content-Type", "application/json")]


@pytest.mark.parametrize(
    "answer",
    [
        ("500 Internal Server Error", JSON, b"{}"), ("400 Bad Request", JSON, b'{"error": "invalid_client"}'),
        ("200 OK", JSON, b"not JSON"), ("200 OK", JSON, b"[]"), ("200 OK", JSON, b"\xff\xfe"), ("200 OK", JSON, b""),
        ("200 OK", JSON, b'{"id_token": "' + b"x" * 400_000 + b'"}'), ("204 No Content", [], b""),
        ("200 OK", [*JSON, ("Content-Encoding", "gzip")], b"no gzip"),
    ],
    ids=["500", "400", "no JSON", "a list", "no UTF-8", "empty", "too large", "204", "no gzip"],
)  # fmt: skip
def test_a_provider_that_answers_nonsense_lets_nobody_in_and_breaks_nothing(
    provider: IdentityProvider, browser: WebBrowser, answer: Any
) -> None:
    provider.user("s-17", preferred_username="son", **{SITES_CLAIM: "*", CLAIM: "tcd-xem"})
    back = provider.approve(sent_away(browser), "s-17")
    provider.answers["/oauth2/token"] = answer
    assert is_refused(browser, came_back(browser, back))


def test_no_redirect_of_the_provider_is_followed(provider: IdentityProvider, browser: WebBrowser) -> None:
    provider.user("s-18", preferred_username="tam", **{SITES_CLAIM: "*", CLAIM: "tcd-xem"})
    back = provider.approve(sent_away(browser), "s-18")
    for status in ("302 Found", "307 Temporary Redirect"):
        provider.answers["/oauth2/token"] = (status, [("Location", f"{provider.issuer}/elsewhere")], b"")
        assert is_refused(browser, came_back(browser, back))
        back = provider.approve(sent_away(browser), "s-18")
    assert "/elsewhere" not in provider.asked


def test_a_key_that_the_provider_has_changed_is_known_at_once(provider: IdentityProvider, browser: WebBrowser) -> None:
    """OpenID Connect Core 1.0, 10.1.1: for a key that one does not know one asks anew."""
    provider.user("s-19", preferred_username="uyen", **{SITES_CLAIM: "*", CLAIM: "tcd-xem"})
    assert lets_in(signed_in(browser, provider, "s-19"))
    first = provider.key
    provider.key = RSAKey.generate_key(2048, {"kid": "second"})
    provider.published = [first, provider.key]
    try:
        assert lets_in(signed_in(browser, provider, "s-19"))
    finally:
        provider.published, provider.key = [first], first


def test_the_secret_of_ours_and_the_codes_are_nowhere(
    fleet: StandingFleet, provider: IdentityProvider, browser: WebBrowser
) -> None:
    provider.user("s-20", preferred_username="van", **{SITES_CLAIM: "*", CLAIM: "tcd-xem"})
    back = provider.approve(sent_away(browser), "s-20")
    state, cookie = parse_qs(urlsplit(back).query), browser.cookie("-state")
    assert lets_in(came_back(browser, back))
    written = fleet.says().encode() + everything_in(fleet.folder)
    written += fleet.client.get(f"{fleet.address}/audit/audit.jsonl").content
    for word in (provider.secret, state["code"][0], state["state"][0], cookie, browser.cookie()):
        assert word and word.encode() not in written


def test_nobody_can_be_kept_out_by_filling_the_room_of_those_who_are_away(provider: IdentityProvider) -> None:
    """Whoever has no account can ask to be sent away as often as they like."""
    ours = Provider(config.IdentityProvider(provider.issuer, "diemcau"), "http://127.0.0.1:1", SystemClock())

    async def begin_often() -> str:
        for _ in range(1_000):
            await ours.begin("/")
        return (await ours.begin("/"))[0]

    assert asyncio.run(begin_often()).startswith(provider.issuer)


# A provider that is away, or should not be asked at all.


def test_while_the_provider_is_down_one_is_told_so_and_passwords_still_work(tmp_path: Path) -> None:
    port = free_port()
    with identity_provider(port) as provider:
        environment = settings_for(provider, tmp_path)

    def people(server: StandingFleet) -> None:
        server.add_user("local", "viewer")

    with standing_fleet(tmp_path, people, **environment) as fleet, WebBrowser(fleet.address) as browser:
        answer = browser.visit("/sign-in/provider")
        assert is_refused(browser, answer)
        assert browser.sign_in("local").status_code == 303 and browser.is_in
        browser.cookies.clear()
        with identity_provider(port) as provider:
            provider.user("s-1", preferred_username="an", **{SITES_CLAIM: "*", CLAIM: "tcd-xem"})
            back = provider.approve(sent_away(browser), "s-1")
        assert is_refused(browser, came_back(browser, back)), "it went away in between"
        with identity_provider(port) as provider:
            provider.answers["/.well-known/openid-configuration"] = ("302 Found", [("Location", "/elsewhere")], b"")
            assert "/elsewhere" not in provider.asked


def test_whoever_is_not_let_in_is_told_why(provider: IdentityProvider, browser: WebBrowser) -> None:
    """And is not sent in a circle: what cannot be had once more is nothing to come back to."""
    provider.user("s-22", preferred_username="yen", **{SITES_CLAIM: "*", CLAIM: "tcd-xem"})
    back = provider.approve(sent_away(browser), "s-22")
    provider.answers["/oauth2/token"] = ("500 Internal Server Error", JSON, b"{}")
    answer = came_back(browser, back)
    if answer.status_code == 303:
        assert "code%3D" not in answer.headers["location"], "what is left to do is to begin anew"
        answer = browser.visit(answer.headers["location"])
    assert 'role="alert"' in answer.text or 400 <= answer.status_code < 500


@pytest.mark.parametrize(
    "described",
    [
        {"token_endpoint": "http://192.0.2.1/token"}, {"jwks_uri": "ftp://127.0.0.1/jwks"}, {"jwks_uri": ""},
        {"authorization_endpoint": "javascript:alert(1)"}, {"issuer": "https://another.example"}, {"token_endpoint": 7},
        {"jwks_uri": None}, {"token_endpoint": "http://["},
    ],
    ids=str,
)  # fmt: skip
def test_a_description_that_points_elsewhere_is_not_followed(tmp_path: Path, described: dict[str, Any]) -> None:
    with identity_provider() as provider:
        told = httpx.get(f"{provider.issuer}/.well-known/openid-configuration", timeout=30).json() | described
        body = json.dumps({name: value for name, value in told.items() if value is not None}).encode()
        provider.answers["/.well-known/openid-configuration"] = ("200 OK", JSON, body)
        ours = Provider(config.IdentityProvider(provider.issuer, "diemcau"), "http://127.0.0.1:1", SystemClock())
        with pytest.raises(NotSignedIn):
            asyncio.run(ours.begin("/"))


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"DIEMCAU_OIDC_ISSUER": "http://identity.example"}, "https"),
        ({"DIEMCAU_OIDC_ISSUER": "http://192.0.2.1:8080"}, "https"),
        ({"DIEMCAU_OIDC_ISSUER": "ftp://identity.example"}, "https"),
        ({"DIEMCAU_OIDC_ISSUER": "https://identity.example", "DIEMCAU_OIDC_ROLES": "a=king"}, "king"),
        ({"DIEMCAU_OIDC_ISSUER": "https://identity.example", "DIEMCAU_OIDC_SECRET_FILE": "/nowhere/x"}, "/nowhere"),
    ],
    ids=["http", "http by number", "ftp", "role", "secret"],
)
def test_the_server_does_not_start_with_a_provider_that_cannot_be_trusted(
    tmp_path: Path, environment: dict[str, str], said: str
) -> None:
    words = ("--folder", str(tmp_path), "--lang", "en", "serve", "--port", str(free_port()))
    done = run_to_end(*words, env={"PATH": "/usr/bin:/bin", **environment})
    assert done.returncode == 2 and said in done.stderr, done.stderr
