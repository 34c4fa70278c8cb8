"""A room's certificate is renewed in time, ends when a person says so, and outlives the authority that issued it."""

import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from msgspec.structs import replace

from demo.processes import Processes
from edge_agent.agent import Agent
from edge_agent.certificate_request import new_request
from edge_agent.config import RoomConfig
from edge_agent.identity import FOLDER, Identity, Pair, save_new, write_private
from fleet_server.authority.certificates import new_authority
from tests.counterparts.guarded import GuardedFleet, rows_of
from tests.counterparts.identity import PUBLIC
from tests.counterparts.light_agents import LightAgent
from tests.counterparts.visitor import Visitor, identity_in, proof_in
from tests.counterparts.waiting import wait_for
from wire.codec import decode, encode
from wire.ids import uuid7
from wire.messages import Certificate, Presence, Renewal
from wire.mqtt import Tls, tls_context
from wire.signing import PinnedKeys
from wire.topics import Said, Told, one_room, topic_of

OUT_WITHIN_S = 60.0
_KEYS = PinnedKeys(PUBLIC)


def make_due(home: Path) -> Identity:
    """The machine believes that its certificate should have been renewed two days ago; what it knew before."""
    known = identity_in(home)
    assert known.pair is not None
    past = datetime.now(UTC) - timedelta(days=2)
    save_new(home / FOLDER, replace(known, pair=replace(known.pair, renew_after=past)))
    return known


def names_in(home: Path) -> set[str]:
    """Of the keys and certificates in a machine's folder."""
    return {file.name for file in (home / FOLDER).iterdir() if file.suffix in (".key", ".pem")} - {"sealing.key"}


def files_of(known: Identity) -> set[str]:
    assert known.pair is not None
    return {f"{known.pair.name}.key", f"{known.pair.name}.pem"}


def connections_of(fleet: GuardedFleet, site: str) -> int:
    """How often a machine of this site came in by the outer door, as the broker says."""
    return len(re.findall(rf"New client connected from \S+ as {site} \(.*u'{site}'\)", fleet.broker_says()))


def kicks_of(fleet: GuardedFleet, site: str) -> int:
    """How often the server took its connection."""
    return len(re.findall(rf"New client connected from \S+ as {site} \(.*u'fleet_server'\)", fleet.broker_says()))


def is_out(fleet: GuardedFleet, site: str, proof: Tls) -> bool:
    """Whether the broker's outer door stays shut to whoever has this, and once more: another may just have taken it."""
    for _ in range(2):
        tried = Visitor(fleet.outer_port, site, proof)
        let_in = tried.is_in
        tried.leave()
        if let_in:
            return False
    return True


# Renewal.


def test_a_certificate_that_is_due_is_renewed_and_the_old_one_goes_last(
    guarded: GuardedFleet, site: str, home: Path
) -> None:
    """The whole agent, with a new key; the old files go only once the broker has let the new ones in."""
    guarded.enrol(site, home)
    old = make_due(home)
    agent = Agent(RoomConfig(str(home)))
    before = connections_of(guarded, site)
    agent.start()
    try:
        seen: list[tuple[bool, int]] = []

        def is_renewed() -> bool:
            came = connections_of(guarded, site) - before  # first: what is seen after may only be more
            there = files_of(old) <= names_in(home)
            seen.append((there, came))
            return not there

        wait_for(is_renewed, 30, "it is not renewed")
        came_before_it_went = connections_of(guarded, site) - before
        assert came_before_it_went == 2 and all(there for there, _ in seen[:-1])
        wait_for(lambda: identity_in(home).waiting is None, 5)
        new = identity_in(home)
        assert new.pair is not None and old.pair is not None
        assert names_in(home) == files_of(new) and new.pair.name != old.pair.name
        assert new.pair.renew_after > datetime.now(UTC) + timedelta(days=14)
        made = x509.load_pem_x509_certificate((home / FOLDER / f"{new.pair.name}.pem").read_bytes())
        assert made.subject.rfc4514_string() == f"CN={site}"
        assert {(home / FOLDER / name).stat().st_mode & 0o777 for name in names_in(home)} == {0o600}
    finally:
        agent.stop()
    assert not is_out(guarded, site, proof_in(home))


def test_a_renewed_certificate_is_of_another_key(guarded: GuardedFleet, site: str, home: Path, light: Any) -> None:
    guarded.enrol(site, home)
    old_key = Path(proof_in(home).key_file).read_bytes()
    make_due(home)
    agent = light(home)
    wait_for(lambda: files_of(agent.keeper.identity) == names_in(home) and len(agent.changes) >= 3, 30, "not renewed")
    assert Path(proof_in(home).key_file).read_bytes() != old_key
    assert agent.longest_away_s() < 5


def test_a_second_renewal_comes_into_use_as_the_first_did(
    guarded: GuardedFleet, site: str, home: Path, light: Any
) -> None:
    """An agent lives for months and renews every two weeks."""
    guarded.enrol(site, home)
    agent = light(home)
    wait_for(lambda: agent.link.is_connected, 15)
    for _ in range(2):
        before = agent.keeper.identity.pair
        due = replace(before, renew_after=datetime.now(UTC) - timedelta(days=2))
        agent.keeper.identity = replace(agent.keeper.identity, pair=due)
        wait_for(lambda: agent.keeper.identity.waiting is not None, 30, "no answer")
        wait_for(lambda: agent.keeper.identity.waiting is None, 10, "the new certificate is not used")
        assert agent.keeper.identity.pair.name != before.name
        wait_for(lambda: agent.link.is_connected, 10)


def test_a_machine_that_was_switched_off_before_it_used_its_new_certificate_uses_it_then(
    guarded: GuardedFleet, site: str, home: Path, light: Any
) -> None:
    known = guarded.enrol(site, home)
    room = enters(guarded, site, home)
    asks(room, Renewal(uuid7(), new_request(home / FOLDER / "next.key")))
    wait_for(lambda: given(room), 10, "no answer")
    room.leave()
    (answer,) = given(room)
    write_private(home / FOLDER / "next.pem", answer.certificate)
    save_new(home / FOLDER, replace(known, waiting=Pair("next", answer.authority, answer.renew_after)))
    agent = light(home)
    wait_for(lambda: agent.link.is_connected, 15)
    wait_for(lambda: agent.keeper.identity.waiting is None, 5, "it stays with the old one")
    assert agent.keeper.identity.pair.name == "next"


def test_a_new_certificate_that_opens_no_door_locks_nobody_out(
    guarded: GuardedFleet, site: str, home: Path, light: Any
) -> None:
    known = guarded.enrol(site, home)
    assert known.pair is not None
    broken = replace(known.pair, name="broken")
    foreign = new_authority("rooms-1", datetime.now(UTC))
    for pem in ("rubbish", foreign.pem):
        write_private(home / FOLDER / "broken.pem", pem)
        shutil.copy(proof_in(home).key_file, home / FOLDER / "broken.key")
        save_new(home / FOLDER, replace(known, waiting=broken))
        agent = light(home)
        wait_for(lambda agent=agent: agent.link.is_connected, 20, "it is locked out")  # type: ignore[misc]
        agent.stop()
        assert files_of(known) <= names_in(home)


def asks(room: Visitor, renewal: Renewal) -> None:
    """A room asks for a certificate."""
    assert room.say(topic_of(room.name, Said.RENEWAL), encode(renewal)) == "Success"


def given(room: Visitor) -> list[Certificate]:
    """The certificates that a room was given, each answer of its own."""
    found = [decode(Told.CERTIFICATE, _KEYS.open(Told.CERTIFICATE, said)) for said in room.told(Told.CERTIFICATE)]
    return [each for each in found if isinstance(each, Certificate)]


def enters(fleet: GuardedFleet, site: str, home: Path) -> Visitor:
    """Somebody with a room's certificate who listens to what it is told."""
    room = Visitor(fleet.outer_port, site, proof_in(home))
    assert room.is_in, room.refusal
    room.listen(one_room(site))
    return room


def test_a_question_that_is_repeated_has_the_same_answer(guarded: GuardedFleet, site: str, home: Path) -> None:
    guarded.enrol(site, home)
    room = enters(guarded, site, home)
    once = Renewal(uuid7(), new_request(home / "one.key"))
    asks(room, once)
    wait_for(lambda: len(given(room)) == 1, 10, "no answer")
    asks(room, once)
    asks(room, Renewal(once.id, new_request(home / "two.key")))
    wait_for(lambda: len(given(room)) == 3, 10, "no answer")
    assert len({each.certificate for each in given(room)}) == 1
    assert {each.renewal for each in given(room)} == {once.id}
    room.leave()


def test_a_room_gets_no_certificate_of_another_by_the_number_of_its_question(
    guarded: GuardedFleet, site: str, other_site: str, home: Path, tmp_path: Path
) -> None:
    for name, folder in ((site, home), (other_site, tmp_path / "other")):
        guarded.enrol(name, folder)
    honest, curious = enters(guarded, site, home), enters(guarded, other_site, tmp_path / "other")
    question = Renewal(uuid7(), new_request(home / "one.key"))
    asks(honest, question)
    wait_for(lambda: given(honest), 10, "no answer")
    asks(curious, question)
    refusal = f"renewal_refused site={other_site} reason=identities.none_valid"
    wait_for(lambda: refusal in guarded.server_says() or given(curious), 10, "it is not refused")
    own = Renewal(uuid7(), new_request(home / "two.key"))
    asks(curious, own)
    wait_for(lambda: given(curious), 10, "no answer")
    assert [each.renewal for each in given(curious)] == [own.id]
    made = x509.load_pem_x509_certificate(given(curious)[0].certificate.encode())
    assert made.subject.rfc4514_string() == f"CN={other_site}"
    for room in (honest, curious):
        room.leave()


def test_a_room_that_asks_without_end_gets_a_dozen_a_day(guarded: GuardedFleet, site: str, home: Path) -> None:
    guarded.enrol(site, home)
    room = enters(guarded, site, home)
    refusal = f"renewal_refused site={site} reason=identities.too_many"
    questions = [Renewal(uuid7(), new_request(home / "many.key")) for _ in range(14)]
    for count, question in enumerate(questions, start=1):  # of a burst only the newest counts
        asks(room, question)
        wait_for(lambda count=count: len(given(room)) == count or refusal in guarded.server_says(), 10)  # type: ignore[misc]
    asks(room, questions[0])  # answered as before, and no sooner than all the others
    wait_for(lambda: [each.renewal for each in given(room)].count(questions[0].id) == 2, 10)
    assert len({each.certificate for each in given(room)}) == 11  # the first of the day came with its enrolment
    assert refusal in guarded.server_says() and guarded.health()["status"] == "ok"
    room.leave()


# Revocation.


def test_a_revoked_room_is_out_within_a_minute_and_its_neighbour_notices_nothing(
    guarded: GuardedFleet, site: str, other_site: str, home: Path, tmp_path: Path, light: Any
) -> None:
    for name, folder in ((site, home), (other_site, tmp_path / "other")):
        guarded.enrol(name, folder)
    lost, neighbour = light(home), light(tmp_path / "other")
    for name in (site, other_site):
        guarded.wait_until(name, verdict="ready")
    wait_for(lambda: not guarded.health()["learning"], 20)  # while it learns, no site turns offline
    began_s = time.monotonic()
    assert guarded.revoke(site) == 1
    guarded.wait_until(site, within_s=1, verdict="offline")
    wait_for(lambda: not lost.link.is_connected, OUT_WITHIN_S, "it is still connected")
    out_s = time.monotonic() - began_s
    wait_for(lambda: is_out(guarded, site, proof_in(home)), OUT_WITHIN_S - out_s, "it is let in again")
    for _ in range(5):
        assert is_out(guarded, site, proof_in(home)) and not lost.link.is_connected
    assert guarded.site(site)["verdict"] == "offline"
    assert [up for _, up in neighbour.changes] == [True] and guarded.site(other_site)["verdict"] == "ready"
    print(f"revoked: out after {out_s:.2f} s")


def test_what_a_revoked_room_still_says_is_not_heard(guarded: GuardedFleet, site: str, home: Path) -> None:
    """In the second before its connection ends; and it gets no new certificate in that second."""
    guarded.enrol(site, home)
    room = enters(guarded, site, home)
    guarded.revoke(site)
    assert room.say(topic_of(site, Said.PRESENCE), encode(Presence("online", "0", uuid7()))) == "Success"
    asks(room, Renewal(uuid7(), new_request(home / "late.key")))
    wait_for(lambda: not room.is_in, OUT_WITHIN_S, "it is still connected")
    assert guarded.site(site)["verdict"] == "offline" and given(room) == []
    assert guarded.client.get("/intake").json()["not_taken"].get("ingest.revoked", 0) >= 2


def test_rooms_that_are_revoked_at_once_are_all_out(processes: Processes, tmp_path: Path) -> None:
    """A stolen lorry of machines: several people at the centre press the button in the same second."""
    sites = [f"r-{number}" for number in range(9)]
    fleet = GuardedFleet(processes, tmp_path / "server", rows_of(sites))
    homes = {site: tmp_path / site for site in sites}
    fleet.furnish(homes)
    fleet.start()
    rooms = {site: enters(fleet, site, home) for site, home in homes.items()}
    try:
        with ThreadPoolExecutor(8) as pool:
            lost = sites[1:]
            asked = [(f"/sites/{site}/identity/revocation", {"reason": "stolen"}) for site in lost]
            answers = list(pool.map(lambda each: fleet.client.post(each[0], json=each[1]).status_code, asked))
        for site in lost:
            wait_for(lambda site=site: not rooms[site].is_in, 25, f"{site} is still connected; {answers}")  # type: ignore[misc]
            assert is_out(fleet, site, proof_in(homes[site]))
        assert answers == [200] * 8
        assert rooms[sites[0]].is_in and not is_out(fleet, sites[0], proof_in(homes[sites[0]]))
    finally:
        for room in rooms.values():
            room.leave()
        fleet.close()


def test_rooms_that_are_revoked_one_after_the_other_within_a_second_are_all_out(
    processes: Processes, tmp_path: Path
) -> None:
    """A list of revocations is dated to the second, and the newest must count."""
    sites = [f"r-{number}" for number in range(6)]
    fleet = GuardedFleet(processes, tmp_path / "server", rows_of(sites))
    homes = {site: tmp_path / site for site in sites}
    fleet.furnish(homes)
    fleet.start()
    try:
        for site in sites[1:]:
            fleet.revoke(site)
        for site in sites[1:]:
            wait_for(lambda site=site: is_out(fleet, site, proof_in(homes[site])), 10, f"{site} is let in")  # type: ignore[misc]
        assert not is_out(fleet, sites[0], proof_in(homes[sites[0]]))
    finally:
        fleet.close()


def test_a_room_that_is_revoked_while_the_broker_is_away_is_out_when_it_comes_back(
    processes: Processes, tmp_path: Path
) -> None:
    fleet = GuardedFleet(processes, tmp_path / "server", rows_of(["r-1", "r-2"]))
    homes = {site: tmp_path / site for site in ("r-1", "r-2")}
    fleet.furnish(homes)
    fleet.start()
    try:
        assert fleet.broker is not None and not is_out(fleet, "r-1", proof_in(homes["r-1"]))
        fleet.broker.kill()
        fleet.broker.wait()
        processes.forget(fleet.broker)
        fleet.revoke("r-1")
        fleet.start_broker()
        assert is_out(fleet, "r-1", proof_in(homes["r-1"])) and not is_out(fleet, "r-2", proof_in(homes["r-2"]))
        fleet.kill()
        fleet.start()  # and it is remembered by a server that is started again
        assert is_out(fleet, "r-1", proof_in(homes["r-1"])) and not is_out(fleet, "r-2", proof_in(homes["r-2"]))
    finally:
        fleet.close()


def test_a_revoked_room_does_not_come_back_on_its_old_tls_session(guarded: GuardedFleet, site: str, home: Path) -> None:
    """TLS can take up a session again without looking at certificates: the broker must have forgotten it."""
    guarded.enrol(site, home)
    context = tls_context(proof_in(home))

    def connect(session: ssl.SSLSession | None) -> ssl.SSLSocket:
        bare = socket.create_connection(("127.0.0.1", guarded.outer_port), 10)
        return context.wrap_socket(bare, server_hostname="127.0.0.1", session=session)

    def is_let_in(line: ssl.SSLSocket) -> bool:
        try:
            line.sendall(b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03abc")
            return line.recv(4)[:1] == b" "
        except OSError:
            return False

    first = connect(None)
    assert is_let_in(first)
    again = connect(first.session)
    assert again.session_reused and is_let_in(again), "the broker takes up no sessions: then this proves nothing"
    guarded.revoke(site)
    wait_for(lambda: is_out(guarded, site, proof_in(home)), 10)
    for session in (first.session, again.session):
        line = connect(session)
        assert not is_let_in(line)
        line.close()
    for line in (first, again):
        line.close()


def test_revoking_needs_a_site_and_a_reason(guarded: GuardedFleet, site: str) -> None:
    for name, reason, status in ((site, " ", 422), (site, "", 422), ("no-such-site", "lost", 404), (site, "lost", 200)):
        answer = guarded.client.post(f"/sites/{name}/identity/revocation", json={"reason": reason})
        assert answer.status_code == status, answer.text


# Another machine in the place of the first.


def test_the_machine_that_was_replaced_is_out_and_its_successor_works(
    guarded: GuardedFleet, site: str, home: Path, tmp_path: Path, light: Any
) -> None:
    guarded.enrol(site, home)
    first = light(home)
    guarded.wait_until(site, verdict="ready")
    assert is_let_in_while_it_waits(guarded, site, first)
    began_s = time.monotonic()
    guarded.enrol(site, tmp_path / "second")
    decided_s = time.monotonic()
    second = light(tmp_path / "second")
    wait_for(lambda: not first.link.is_connected and is_out(guarded, site, proof_in(home)), OUT_WITHIN_S, "it is in")
    out_s = time.monotonic() - began_s
    wait_for(lambda: second.link.is_connected, 15, "the second is not in")
    guarded.wait_until(site, within_s=30, verdict="ready")
    assert all(is_out(guarded, site, proof_in(home)) for _ in range(5)), "the first is let in again"
    assert not [at_s for at_s, up in first.changes if up and at_s > decided_s + 2], "the first came back"
    print(f"replaced: the first is out after {out_s:.2f} s")


def is_let_in_while_it_waits(fleet: GuardedFleet, site: str, first: LightAgent) -> bool:
    """A new code alone changes nothing for the machine of now."""
    fleet.new_code(site)
    return first.link.is_connected and [up for _, up in first.changes] == [True]


def test_the_successor_is_not_thrown_out_with_the_machine_that_it_replaces(
    guarded: GuardedFleet, site: str, home: Path, tmp_path: Path, light: Any
) -> None:
    """It has a good certificate, and the person who has just put it there waits for it to turn green."""
    guarded.enrol(site, home)
    first = light(home)
    wait_for(lambda: first.link.is_connected, 15)
    guarded.enrol(site, tmp_path / "second")
    first.stop()
    wait_for(lambda: is_out(guarded, site, proof_in(home)), 10)
    second = light(tmp_path / "second")
    wait_for(lambda: second.link.is_connected, 15)
    began_s = time.monotonic()  # whoever puts the first one out may look again for a while
    wait_for(lambda: kicks_of(guarded, site) >= 3 or time.monotonic() - began_s > 18, 20)
    assert [up for _, up in second.changes] == [True], "it lost its connection"


def test_the_machine_that_was_replaced_gets_no_new_certificate_at_the_last_moment(
    guarded: GuardedFleet, site: str, home: Path, tmp_path: Path
) -> None:
    """It is connected for a moment longer, and asks for a renewal in the name of the site as often as it can."""
    guarded.enrol(site, home)
    thief, over = enters(guarded, site, home), threading.Event()
    key = home / FOLDER / "thief.key"

    def ask_on() -> None:
        request = new_request(key)
        while thief.is_in and not over.wait(0.03):
            thief.say(topic_of(site, Said.RENEWAL), encode(Renewal(uuid7(), request)))

    second = guarded.enrolling(tmp_path / "second", guarded.new_code(site))
    waiting = guarded.claimed(site)
    asking = threading.Thread(target=ask_on)
    asking.start()
    try:
        wait_for(lambda: given(thief), 5, "it has not even asked")
        guarded.decide(waiting["id"])
        wait_for(lambda: not thief.is_in, OUT_WITHIN_S, "it is still connected")
    finally:
        over.set()
        asking.join(70)
    assert second.result(15).site == site
    for number, answer in enumerate(given(thief)):
        write_private(home / FOLDER / f"{number}.pem", answer.certificate)
        got = Tls(answer.authorities, str(home / FOLDER / f"{number}.pem"), str(key))
        assert is_out(guarded, site, got), "the machine that was replaced has a good certificate"
    assert not is_out(guarded, site, proof_in(tmp_path / "second"))


def test_a_code_that_puts_the_machine_of_now_out_does_so_at_once(
    guarded: GuardedFleet, site: str, home: Path, tmp_path: Path, light: Any
) -> None:
    guarded.enrol(site, home)
    stolen = light(home)
    guarded.wait_until(site, verdict="ready")
    wait_for(lambda: not guarded.health()["learning"], 20)
    code = guarded.new_code(site, put_out=True)
    guarded.wait_until(site, within_s=1, verdict="offline")
    wait_for(lambda: not stolen.link.is_connected, OUT_WITHIN_S, "it is still connected")
    wait_for(lambda: is_out(guarded, site, proof_in(home)), 10)
    machine = guarded.enrolling(tmp_path / "second", code)
    guarded.decide(guarded.claimed(site)["id"])
    machine.result(15)
    light(tmp_path / "second")
    guarded.wait_until(site, within_s=30, verdict="ready")


# The end of a site.


def test_a_site_that_is_closed_is_gone_with_its_machine_until_it_is_imported_again(
    guarded: GuardedFleet, site: str, home: Path, tmp_path: Path, light: Any
) -> None:
    guarded.enrol(site, home)
    room = light(home)
    guarded.wait_until(site, verdict="ready")
    close = {"reason": "merged"}
    assert guarded.client.post(f"/sites/{site}/decommission", json={"reason": " "}).status_code == 422
    assert guarded.client.post(f"/sites/{site}/decommission", json=close).status_code == 204
    assert guarded.client.get(f"/sites/{site}").status_code == 404
    assert site not in {each["id"] for each in guarded.client.get("/sites", params={"limit": 1000}).json()["items"]}
    assert guarded.client.post(f"/sites/{site}/enrolments", json={}).status_code == 404
    assert guarded.client.post(f"/sites/{site}/decommission", json=close).status_code == 404
    wait_for(lambda: not room.link.is_connected, OUT_WITHIN_S, "its machine is still connected")
    wait_for(lambda: is_out(guarded, site, proof_in(home)), 10)
    guarded.import_sites(HUB + rows_of([site]))
    wait_for(lambda: guarded.client.get(f"/sites/{site}").status_code == 200, 15, "it does not come back")
    assert guarded.site(site)["verdict"] == "offline" and is_out(guarded, site, proof_in(home))
    guarded.enrol(site, tmp_path / "new")
    light(tmp_path / "new")
    guarded.wait_until(site, within_s=30, verdict="ready")


HUB = (
    "site_id,code,name,kind,parent,lat,lon,line_down_mbps,line_up_mbps\n"
    "38-hub,,Trụ sở Tiếp công dân tỉnh,hub,,19.8,105.78,30,30\n"
)


def test_nobody_is_let_in_any_more_for_a_site_that_is_closed(
    guarded: GuardedFleet, site: str, other_site: str, home: Path, tmp_path: Path
) -> None:
    """Neither by a code that was given before, nor by an answer to a machine that waited."""
    code = guarded.new_code(site)
    machine = guarded.enrolling(tmp_path / "waits", guarded.new_code(other_site))
    waiting = guarded.claimed(other_site)
    for name in (site, other_site):
        assert guarded.client.post(f"/sites/{name}/decommission", json={"reason": "merged"}).status_code == 204
    late = guarded.enrolling(home, code)
    answered = guarded.decide(waiting["id"]).status_code
    wait_for(lambda: late.done() or [each for each in guarded.enrolments() if each["site"] == site], 10)
    known = [each for each in guarded.enrolments() if each["site"] in (site, other_site)]
    for each in known:
        guarded.decide(each["id"], accept=False)
    assert late.exception(15) is not None and machine.exception(15) is not None
    assert answered in (404, 409) and known == []


# Two machines with one identity.


def test_a_room_that_was_copied_is_noticed(
    guarded: GuardedFleet, site: str, other_site: str, home: Path, tmp_path: Path, light: Any
) -> None:
    for name, folder in ((site, home), (other_site, tmp_path / "other")):
        guarded.enrol(name, folder)
    honest = light(tmp_path / "other")
    light(home)
    guarded.wait_until(site, verdict="ready")
    shutil.copytree(home, tmp_path / "copy")
    light(tmp_path / "copy")
    wait_for(lambda: f"identity_cloned site={site} " in guarded.server_says(), 60, "nobody notices")
    honest.stop()  # one that is started again is no copy
    guarded.wait_until(other_site, verdict="offline")
    light(tmp_path / "other")
    guarded.wait_until(other_site, within_s=30, verdict="ready")
    assert f"identity_cloned site={other_site} " not in guarded.server_says()


# The line itself.


TALKATIVE = """
import queue, sys, threading
from pathlib import Path
from edge_agent.identity import IdentityKeeper
from wire.mqtt import MqttSession
site, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
comings, stop, inbox = [], threading.Event(), queue.Queue()
session = MqttSession(IdentityKeeper(folder).broker, f"diemcau/v1/{site}/dn/#", inbox.put, comings.append)
runs = threading.Thread(target=session.run, args=(stop,))
runs.start()
while not session.is_connected:
    stop.wait(0.01)
print("connected", flush=True)
def talk():
    while not stop.wait(0.0005):
        session.publish(f"diemcau/v1/{site}/up/about", b"x" * 2_000)
talker = threading.Thread(target=talk)
talker.start()
heard = 0
while heard < count and comings == [True]:
    try:
        session.acknowledge((inbox.get(timeout=10),))
    except queue.Empty:
        break
    heard += 1
stop.set()
talker.join()
runs.join()
print(heard, comings, session.faults, flush=True)
"""


def test_a_connection_bears_that_one_thread_speaks_while_another_listens(
    guarded: GuardedFleet, site: str, home: Path
) -> None:
    """In a process of its own, for two threads in one TLS connection can end whole programs."""
    guarded.enrol(site, home)
    count = 4_000
    child = subprocess.Popen(
        [sys.executable, "-c", TALKATIVE, site, str(home / FOLDER), str(count)], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    centre = Visitor(guarded.inner_port, "talkative-centre", guarded.own_tls())
    try:
        assert child.stdout is not None and child.stdout.readline() == "connected\n"
        for _ in range(count // 100 + 2):
            said = centre.say_all([topic_of(site, kind) for kind in (Told.ACK, Told.CONFIG) * 50], b"y" * 2_000)
            assert set(said.values()) <= {"Success", "No matching subscribers"}
        said, trouble = child.communicate(timeout=40)
        assert child.returncode == 0, f"it ended with {child.returncode}: {trouble[-300:]}"
        assert said.split() == [str(count), "[True,", "False]", "0"], f"the connection broke: {said}"
    finally:
        centre.leave()
        child.kill()
        child.wait()
