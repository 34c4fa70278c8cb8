"""Zalo against its stand-in: windows, errors inside HTTP 200, a token that is good for one use, two servers at once."""

import asyncio
import hashlib
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet_server.channels.channel import Message, Resources, Undelivered
from fleet_server.channels.registry import channels
from fleet_server.errors import Conflict, FleetError, Forbidden
from fleet_server.signing.process import signer_of
from fleet_server.signing.secret_box import SecretBox
from fleet_server.zalo import store
from fleet_server.zalo.account import Account
from fleet_server.zalo.consent import ConsentDesk
from fleet_server.zalo.events import Event, Kind, event_in
from fleet_server.zalo.oauth import Pair
from fleet_server.zalo.pace import Pace
from fleet_server.zalo.settings import settings_of
from fleet_server.zalo.store import Tokens
from tests.counterparts.databases import database_in
from tests.counterparts.zalo_server import APP, BOT, GROUP, SECRET, WEBHOOK_SECRET, Template, ZaloServer

PERSON = "2512523625412515"
NOON = datetime(2026, 11, 25, 5, 0, tzinfo=UTC)
TEXT = "Phường Hạc Thành: camera mất kết nối 3 phút; phiên 14:00 hôm nay"


class Turned:
    """A clock that a test turns."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return time.monotonic()


class Rig:
    """One server's side of Zalo, on a database that others may share."""

    def __init__(self, zalo: ZaloServer, folder: Path, clock: Turned, **more: str) -> None:
        (folder / "secret").write_text(SECRET)
        (folder / "bot").write_text(BOT)
        (folder / "webhook").write_text(WEBHOOK_SECRET)
        self.database, self.box = database_in(folder), SecretBox(folder)
        env = {
            "DIEMCAU_ZALO_APP": APP, "DIEMCAU_ZALO_SECRET_FILE": str(folder / "secret"),
            "DIEMCAU_ZALO_OAUTH": zalo.address, "DIEMCAU_ZALO_OPENAPI": zalo.address,
            "DIEMCAU_ZALO_BUSINESS": zalo.address, "DIEMCAU_ZALO_TEMPLATE": "301234",
            "DIEMCAU_ZALO_TEMPLATE_DATA": "place:diem_cau,what:noi_dung,since:thoi_gian",
            "DIEMCAU_ZALO_WEBHOOK_SECRET_FILE": str(folder / "webhook"),
            "DIEMCAU_ZALO_BOT_TOKEN_FILE": str(folder / "bot"), "DIEMCAU_ZALO_BOT_BASE": zalo.address, **more,
        }  # fmt: skip
        self.given = Resources(env, clock, self.database, self.box, signer_of(folder, None), "https://diemcau.vn")
        self.account, self.consent = Account(self.given, settings_of(env)), ConsentDesk(self.given)

    def bring(self, pair: Pair, at: datetime) -> None:
        tokens = Tokens(APP, self.box.seal(f"zalo:{APP}", store.packed(pair)), 1, at)
        self.database.write_now(lambda db: store.put(db, tokens))

    def tokens(self) -> Tokens:
        found = self.database.read_now(lambda db: store.read(db, APP))
        assert found is not None
        return found

    def pair(self) -> Pair:
        return store.unpacked(self.box.open(f"zalo:{APP}", self.tokens().sealed))

    def send(self, channel: str, address: str, text: str = TEXT) -> str:
        values = {
            "place": "Phường Hạc Thành",
            "what": "Camera",
            "since": "13:57",
            "link": "https://diemcau.vn/incidents/7",
        }
        message = Message(text, text, text, "incident.7", True, False, "vi", values)
        return asyncio.run(channels()[channel](self.given).send(message, address))

    def keep(self) -> None:
        asyncio.run(self.account.keep_token())


@pytest.fixture
def clock() -> Turned:
    return Turned()


@pytest.fixture
def zalo(clock: Turned) -> Iterator[ZaloServer]:
    server = ZaloServer()
    server.now = lambda: clock.at.timestamp()
    yield server
    server.close()
    assert server.violations == [], "what Zalo forbids"


@pytest.fixture
def rig(zalo: ZaloServer, tmp_path: Path, clock: Turned) -> Iterator[Rig]:
    made = Rig(zalo, tmp_path, clock)
    made.bring(Pair(zalo.access, zalo.refresh), clock.now())
    yield made
    made.database.close()


def refused(rig: Rig, channel: str, address: str) -> Undelivered:
    with pytest.raises(Undelivered) as error:
        rig.send(channel, address)
    return error.value


def test_a_group_a_person_and_a_bots_chat_get_the_text_as_it_is(rig: Rig, zalo: ZaloServer) -> None:
    zalo.last_interaction[PERSON] = zalo.now() - 3_600
    for channel, address in (("zalo_group", GROUP), ("zalo_person", PERSON), ("zalo_bot", "chat.1")):
        assert channels()[channel].takes(address)
        assert rig.send(channel, address) != ""
        assert zalo.sent_to(address) == [TEXT]
    rig.send("zalo_group", GROUP, "gọi [@user123] và tiếng Việt rời: " + "e\u0302\u0301")
    assert "[@" not in zalo.sent_to(GROUP)[-1], "nobody is called by what we did not mean"


def test_a_template_goes_by_id_and_by_phone_and_never_at_night(rig: Rig, zalo: ZaloServer, clock: Turned) -> None:
    for address in (f"uid:{PERSON}", "84912345678"):
        assert rig.send("zalo_template", address) != ""
    assert '"diem_cau": "Phường Hạc Thành"' in zalo.sent_to("84912345678")[0]
    clock.at = NOON.replace(hour=16)  # 23:00 there
    assert refused(rig, "zalo_template", "84912345678").permanent


@pytest.mark.parametrize(
    ("error", "permanent", "whole"),
    [(-32, False, True), (-200, False, False), (-230, True, False), (-213, True, False), (-201, True, False),
     (-224, True, True), (-237, True, True), (-9_999, True, False)],
)  # fmt: skip
def test_an_error_inside_http_200_is_an_error(
    rig: Rig, zalo: ZaloServer, error: int, permanent: bool, whole: bool
) -> None:
    zalo.error = error
    found = refused(rig, "zalo_group", GROUP)
    assert (found.permanent, found.whole_channel) == (permanent, whole)
    if error == -224:
        with pytest.raises(Undelivered):
            asyncio.run(rig.account.check())  # the stand-in would say that we called


def test_whoever_has_not_written_for_a_week_is_reached_by_the_next_channel(rig: Rig, zalo: ZaloServer) -> None:
    assert refused(rig, "zalo_person", PERSON).permanent
    zalo.last_interaction[PERSON] = zalo.now() - 8 * 86_400
    found = refused(rig, "zalo_person", PERSON)
    assert found.permanent and not found.whole_channel


def test_a_token_is_renewed_in_good_time_and_on_disk_before_it_is_used(
    rig: Rig, zalo: ZaloServer, clock: Turned
) -> None:
    rig.keep()
    assert zalo.refreshes == 0
    clock.at += timedelta(hours=20, minutes=1)
    rig.keep()
    assert zalo.refreshes == 1 and rig.pair() == Pair(zalo.access, zalo.refresh) and rig.tokens().generation == 2
    rig.keep()
    assert zalo.refreshes == 1
    assert rig.send("zalo_group", GROUP) != ""


def test_a_token_that_died_early_is_renewed_once_and_the_message_goes_out(rig: Rig, zalo: ZaloServer) -> None:
    zalo.access = "another that we do not know"
    assert rig.send("zalo_group", GROUP) != "" and zalo.refreshes == 1


def test_two_servers_that_renew_at_once_burn_no_token(
    rig: Rig, zalo: ZaloServer, tmp_path: Path, clock: Turned
) -> None:
    other = Rig(zalo, tmp_path, clock)
    clock.at += timedelta(hours=21)

    async def both() -> list[Any]:
        tries = [account.keep_token() for account in (rig.account, other.account) for _ in range(5)]
        return await asyncio.gather(*tries, return_exceptions=True)

    found = asyncio.run(both())
    assert all(each is None or (isinstance(each, Undelivered) and not each.permanent) for each in found), found
    assert zalo.refreshes == 1 and rig.pair() == Pair(zalo.access, zalo.refresh)
    assert rig.send("zalo_group", GROUP) and other.send("zalo_group", GROUP)
    other.database.close()


@pytest.mark.parametrize("fault", ["lost", "empty"])
def test_a_pair_that_is_lost_is_said_and_never_takes_the_place_of_the_one_that_we_have(
    rig: Rig, zalo: ZaloServer, clock: Turned, fault: str
) -> None:
    before = rig.pair()
    zalo.refresh_fault = fault
    clock.at += timedelta(hours=21)
    with pytest.raises(Undelivered) as error:
        rig.keep()
    assert error.value.permanent and error.value.whole_channel and "consent" in error.value.why
    assert rig.pair() == before and rig.tokens().stopped
    zalo.refresh_fault = ""
    assert refused(rig, "zalo_group", GROUP).whole_channel, "nothing is tried with a dead token"
    rig.bring(Pair(zalo.access, zalo.refresh), clock.now())
    assert rig.send("zalo_group", GROUP) != "", "an administrator has given consent again"


def test_a_kill_between_answer_and_save_is_found_by_the_next_life(rig: Rig, zalo: ZaloServer, clock: Turned) -> None:
    clock.at += timedelta(hours=21)
    assert rig.database.write_now(lambda db: store.lease(db, APP, 1, clock.now())), "the refresh began"
    zalo.used.add(zalo.refresh)  # and was answered; nobody has written the new pair down
    zalo.refresh_fault = "lost"
    clock.at += timedelta(seconds=10)
    rig.keep()
    assert not rig.tokens().stopped, "somebody else may still be at it"
    clock.at += timedelta(seconds=25)
    with pytest.raises(Undelivered, match="consent"):
        rig.keep()
    assert rig.tokens().stopped, "found within a minute, and said"


def test_while_zalo_is_down_nothing_is_burnt(rig: Rig, zalo: ZaloServer, clock: Turned) -> None:
    zalo.down = True
    found = refused(rig, "zalo_group", GROUP)
    assert not found.permanent and found.whole_channel
    clock.at += timedelta(hours=21)
    with pytest.raises(Undelivered):
        rig.keep()
    zalo.down = False
    clock.at += timedelta(minutes=1)
    rig.keep()
    assert zalo.refreshes == 1 and rig.send("zalo_group", GROUP) != ""


def test_no_secret_is_in_an_error(rig: Rig, zalo: ZaloServer) -> None:
    zalo.close()
    for channel, address in (("zalo_bot", "chat.1"), ("zalo_group", GROUP)):
        found = refused(rig, channel, address)
        assert BOT not in str(found) and SECRET not in str(found) and rig.pair().access not in str(found)
        assert found.__cause__ is None or BOT not in str(found.__cause__)


def consented(rig: Rig) -> httpx.Response:
    """What Zalo sends an administrator's browser back with."""
    return httpx.get(rig.consent.address("a state"), follow_redirects=False, timeout=30)


def test_an_administrators_consent_becomes_our_pair(zalo: ZaloServer, tmp_path: Path, clock: Turned) -> None:
    rig = Rig(zalo, tmp_path, clock)
    with pytest.raises(Undelivered, match="no consent"):
        rig.send("zalo_group", GROUP)
    back = consented(rig).headers["Location"]
    assert back.startswith("https://diemcau.vn/zalo/consent?") and "state=a+state" in back
    code = httpx.URL(back).params["code"]
    asyncio.run(rig.consent.take(code))
    assert rig.pair() == Pair(zalo.access, zalo.refresh) and rig.send("zalo_group", GROUP) != ""
    with pytest.raises(Conflict):
        asyncio.run(rig.consent.take(code))  # a code is good for one use
    assert rig.send("zalo_group", GROUP) != "", "and what we have stays as it is"
    zalo.callback = "https://another.vn/back"
    assert consented(rig).json()["error"] == -14003
    rig.database.close()


def test_zalo_is_asked_for_account_groups_and_template(rig: Rig, zalo: ZaloServer) -> None:
    view = asyncio.run(rig.consent.look())
    assert view.is_verified and view.package == "Tăng trưởng" and view.groups == ((GROUP, "Ca trực NOC"),)
    assert view.template is not None and view.template.status == "ENABLE" and view.template.missing == ()
    zalo.templates["301234"].asks += ("ma_su_co",)
    view = asyncio.run(rig.consent.look())
    assert view.template is not None and view.template.missing == ("ma_su_co",)


def test_a_template_that_is_taken_away_stops_templates_alone(rig: Rig, zalo: ZaloServer) -> None:
    channel = channels()["zalo_template"](rig.given)
    asyncio.run(channel.check())
    zalo.templates["301234"] = Template(status="DISABLE")
    found = refused(rig, "zalo_template", "84912345678")
    assert found.permanent and found.whole_channel
    with pytest.raises(Undelivered, match="DISABLE"):
        asyncio.run(channel.check())
    assert rig.send("zalo_group", GROUP) != "", "the account itself is well"


@pytest.mark.parametrize(("change", "permanent"), [
    ({"daily_quota": 0}, True), ({"development": True}, True),
])  # fmt: skip
def test_out_of_quota_or_in_development_the_persons_next_channel_takes_over(
    rig: Rig, zalo: ZaloServer, change: dict[str, Any], permanent: bool
) -> None:
    for name, value in change.items():
        setattr(zalo, name, value)
    assert refused(rig, "zalo_template", "84912345678").permanent is permanent


@pytest.mark.parametrize(("fault", "arrives"), [("reset", 1), ("html", 1), ("empty", 1)])
def test_what_became_of_a_message_in_a_broken_answer_is_in_doubt_and_it_is_not_sent_again_blindly(
    rig: Rig, zalo: ZaloServer, fault: str, arrives: int
) -> None:
    zalo.fault = fault
    found = refused(rig, "zalo_group", GROUP)
    assert not found.permanent and found.whole_channel
    assert len(zalo.sent_to(GROUP)) == arrives, "one call is one message"


def test_a_dead_token_may_come_as_http_401_and_codes_as_texts(rig: Rig, zalo: ZaloServer) -> None:
    zalo.fault = "texts"
    assert rig.send("zalo_group", GROUP) != ""
    zalo.fault = "401"
    assert rig.send("zalo_group", GROUP) != "" and zalo.refreshes == 1


def test_whoever_calls_beyond_the_pace_waits(rig: Rig) -> None:
    async def calls() -> tuple[float, float]:
        pace, began_s = Pace(3, period_s=2.0), time.monotonic()
        for _ in range(3):
            await pace.turn()
        at_once_s = time.monotonic() - began_s
        await pace.turn()
        return at_once_s, time.monotonic() - began_s

    at_once_s, beyond_s = asyncio.run(calls())
    assert at_once_s < 2.0 <= beyond_s


def signed(said: dict[str, Any], at: datetime, secret: str = WEBHOOK_SECRET) -> tuple[bytes, str, str]:
    stamp = str(round(at.timestamp() * 1_000))
    body = json.dumps(said, ensure_ascii=False).encode()
    return body, "mac=" + hashlib.sha256(APP.encode() + body + stamp.encode() + secret.encode()).hexdigest(), stamp


SAID = {"event_name": "user_send_text", "sender": {"id": PERSON}, "message": {"msg_id": "1", "text": "Đã nhận"}}


def test_an_event_that_zalo_has_signed_is_taken(rig: Rig) -> None:
    settings = rig.consent.settings
    assert event_in(settings, *signed(SAID, NOON), NOON) == Event(Kind.SAID, NOON, PERSON, "Đã nhận")
    reached = {"event_name": "user_received_message", "message": {"msg_id": "77"}}
    assert event_in(settings, *signed(reached, NOON), NOON) == Event(Kind.REACHED, NOON, message="77")
    body, mac, _ = signed({**SAID, "timestamp": str(round(NOON.timestamp() * 1_000))}, NOON)
    assert event_in(settings, body, mac.removeprefix("mac="), "", NOON).user == PERSON, "the body's own time, no prefix"
    assert event_in(settings, *signed({"event_name": "follow"}, NOON), NOON).kind is Kind.OTHER


@given(st.integers(0, 200), st.integers(1, 255))
def test_an_event_with_any_byte_changed_is_refused(at: int, change: int) -> None:
    settings = replace(settings_of({"DIEMCAU_ZALO_APP": APP}), webhook_secret=WEBHOOK_SECRET)
    body, mac, stamp = signed(SAID, NOON)
    changed = bytearray(body)
    changed[at % len(changed)] ^= change
    with pytest.raises(FleetError):
        event_in(settings, bytes(changed), mac, stamp, NOON)


def test_an_event_that_is_old_or_signed_by_another_is_refused(rig: Rig) -> None:
    settings = rig.consent.settings
    for at, secret in ((NOON, "another"), (NOON - timedelta(hours=4), WEBHOOK_SECRET)):
        with pytest.raises(Forbidden):
            event_in(settings, *signed(SAID, at, secret), NOON)
    with pytest.raises(Forbidden):
        event_in(replace(settings, webhook_secret=""), *signed(SAID, NOON, ""), NOON)


@example(b"[" * 60_000, "", "")
@given(st.binary(max_size=300), st.text(max_size=80), st.text(max_size=20))
def test_nothing_that_comes_unsigned_is_more_than_refused(body: bytes, mac: str, stamp: str) -> None:
    settings = replace(settings_of({"DIEMCAU_ZALO_APP": APP}), webhook_secret=WEBHOOK_SECRET)
    with pytest.raises(FleetError):
        event_in(settings, body, mac, stamp, NOON)
