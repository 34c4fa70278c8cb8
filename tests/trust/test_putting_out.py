"""A machine that is revoked, replaced or closed down is out within a minute, and nothing brings it back."""

import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from demo.processes import Processes
from edge_agent.certificate_request import new_request
from tests.counterparts.door import Insistent, asks, enters, given, is_out, kicks_of
from tests.counterparts.guarded import GuardedFleet, rows_of
from tests.counterparts.light_agents import LightAgent
from tests.counterparts.visitor import Visitor, proof_in
from tests.counterparts.waiting import wait_for
from wire.codec import encode
from wire.ids import uuid7
from wire.messages import Presence, Renewal
from wire.tls import tls_context
from wire.topics import Said, topic_of

OUT_WITHIN_S = 60.0


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

    def comes_and_is_revoked() -> Visitor | None:
        """Who got a word in before its connection ended; on a busy machine that second may be over too soon."""
        guarded.enrol(site, home)
        room, wanted = enters(guarded, site, home), Renewal(uuid7(), new_request(home / "late.key"))
        guarded.revoke(site)
        said = room.say(topic_of(site, Said.PRESENCE), encode(Presence("online", "0", uuid7())))
        if said == "Success":
            asks(room, wanted)
        wait_for(lambda: not room.is_in, OUT_WITHIN_S, "it is still connected")
        return room if said == "Success" else None

    room = wait_for(comes_and_is_revoked, 60, "it never gets a word in")
    assert room is not None
    assert guarded.site(site)["verdict"] == "offline" and given(room) == []
    assert guarded.client.get("/intake").json()["not_taken"].get("ingest.revoked", 0) >= 2


def test_rooms_that_ask_for_a_certificate_while_they_are_revoked_have_no_good_one(
    processes: Processes, tmp_path: Path
) -> None:
    sites = [f"r-{number}" for number in range(8)]
    fleet = GuardedFleet(processes, tmp_path / "server", rows_of(sites))
    homes = {site: tmp_path / site for site in sites}
    fleet.furnish(homes)
    fleet.start()
    rooms = [Insistent(enters(fleet, site, home), home) for site, home in homes.items()]
    try:
        with ExitStack() as all_of_them, ThreadPoolExecutor(8) as pool:
            for room in rooms:
                all_of_them.enter_context(room.asking())
            list(pool.map(fleet.revoke, sites))
            for room in rooms:
                wait_for(lambda room=room: not room.room.is_in, OUT_WITHIN_S, "it is still connected")  # type: ignore[misc]
        good = {room.room.name: room.good_ones(fleet) for room in rooms}
        assert good == {site: [] for site in sites}
    finally:
        for room in rooms:
            room.room.leave()
        fleet.close()


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
    assert [up for _, up in second.changes] == [True], "the second has lost its connection"
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
    began_s = time.monotonic()  # whoever puts the first one out may look again for a while
    machine = guarded.enrolling(tmp_path / "second", guarded.new_code(site, put_out=True))
    first.stop()
    wait_for(lambda: is_out(guarded, site, proof_in(home)), 10)
    assert guarded.decide(guarded.claimed(site)["id"]).status_code == 200
    machine.result(15)
    second = light(tmp_path / "second")
    wait_for(lambda: second.link.is_connected, 15)
    wait_for(lambda: kicks_of(guarded, site) >= 3 or time.monotonic() - began_s > 18, 20)
    assert [up for _, up in second.changes] == [True], "it lost its connection"


def test_the_machine_that_was_replaced_gets_no_new_certificate_at_the_last_moment(
    guarded: GuardedFleet, site: str, home: Path, tmp_path: Path
) -> None:
    """It is connected for a moment longer, and asks for a renewal in the name of the site as often as it can."""
    guarded.enrol(site, home)
    thief = Insistent(enters(guarded, site, home), home)
    second = guarded.enrolling(tmp_path / "second", guarded.new_code(site))
    waiting = guarded.claimed(site)
    with thief.asking():
        guarded.decide(waiting["id"])
        wait_for(lambda: not thief.room.is_in, OUT_WITHIN_S, "it is still connected")
    assert second.result(15).site == site
    assert thief.good_ones(guarded) == [], "the machine that was replaced has a good certificate"
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


def test_a_site_that_is_closed_is_gone_with_its_machine_until_somebody_opens_it_again(
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
    guarded.import_sites(HUB + rows_of([site]), reopen=True)
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
