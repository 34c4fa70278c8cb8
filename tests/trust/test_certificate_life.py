"""A room's certificate is renewed in time, by the room that has it and by no copy of it, on a line that bears it."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from msgspec.structs import replace

from edge_agent.agent import Agent
from edge_agent.certificate_request import new_request
from edge_agent.config import RoomConfig
from edge_agent.identity import FOLDER, Identity, Pair, save_new, write_private
from fleet_server.authority.certificates import new_authority
from tests.counterparts.door import asks, connections_of, enters, given, is_out
from tests.counterparts.guarded import GuardedFleet
from tests.counterparts.visitor import Visitor, identity_in, proof_in
from tests.counterparts.waiting import wait_for
from wire.ids import uuid7
from wire.messages import Renewal
from wire.topics import Told, topic_of


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
        wait_for(lambda: names_in(home) == files_of(identity_in(home)), 5, "files are left behind")
        new = identity_in(home)
        assert new.waiting is None
        assert new.pair is not None and old.pair is not None
        assert new.pair.name != old.pair.name
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
    assert agent.longest_away_s() < 20


def _uses_another(agent: Any, name: str) -> bool:
    """Another certificate than the one of this name, and waits for none."""
    return agent.keeper.identity.pair.name != name and agent.keeper.identity.waiting is None


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
        wait_for(lambda before=before: _uses_another(agent, before.name), 60, "no new one is used")  # type: ignore[misc]
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


def test_a_question_that_is_repeated_has_the_same_answer(guarded: GuardedFleet, site: str, home: Path) -> None:
    guarded.enrol(site, home)
    room = enters(guarded, site, home)
    once = Renewal(uuid7(), new_request(home / "one.key"))
    asks(room, once)
    wait_for(lambda: len(given(room)) == 1, 10, "no answer")
    asks(room, once)
    wait_for(lambda: len(given(room)) == 2, 10, "no answer")  # of two at once only the newest is looked at
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
