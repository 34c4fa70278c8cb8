"""Fifty rooms at a real Mosquitto: each speaks and hears under its own name, whatever it tries; strangers stay out."""

import json
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec.structs import replace

from demo.broker import mosquitto
from demo.processes import Processes
from edge_agent.identity import write_private
from fleet_server.authority.certificates import Authority, issue, new_authority, new_key, pem_of
from fleet_server.broker.mosquitto import SERVER_NAME, Doors, write_config
from fleet_server.errors import BadFile
from tests.conftest import need
from tests.counterparts.forked import ForkingProcesses
from tests.counterparts.guarded import GuardedFleet, rows_of
from tests.counterparts.identity import told
from tests.counterparts.spoken_room import about_of_room, report_of_room
from tests.counterparts.visitor import REFUSED, Visitor, proof_in
from tests.counterparts.waiting import wait_for
from wire.codec import encode
from wire.ids import uuid7
from wire.messages import Command, Presence
from wire.tls import Tls, tls_context
from wire.topics import ALL_ROOMS, BASE, Said, Told, one_room, topic_of

ROOMS = [f"38-{number:04}" for number in range(1, 51)]
A, B = ROOMS[0], ROOMS[1]
KINDS = (*Said, *Told)
FORGED = b"said by somebody else"
EVERYTHING = (
    "#", "+/#", "+/+/#", "+/+/+/#", "+/+/+/+/+", "+/+/+/up/+", "+/+/+/dn/+", ALL_ROOMS, f"{BASE}/#", f"{BASE}/+/dn/#",
    f"{BASE}/+/+/command", "$share/g/#", f"$share/g/{ALL_ROOMS}", f"$share/g/{BASE}/+/dn/#", "$SYS/#",
    "$SYS/broker/+/+", "$CONTROL/#", "/#", "+",
)  # fmt: skip


class Province(GuardedFleet):
    """Fifty rooms that were let in, and whatever comes to the broker's doors."""

    def __init__(self, processes: Processes, folder: Path) -> None:
        super().__init__(processes, folder / "server", rows_of([*ROOMS, "fleet-server", "broker"]))
        self.homes = {site: folder / "machines" / site for site in [*ROOMS, "fleet-server", "broker"]}
        self.furnish(self.homes)
        self.came: list[Visitor] = []

    def enters(self, site: str, *, name: str = "", will: tuple[str, bytes] | None = None) -> Visitor:
        """A room by the outer door, with its own certificate and, where it is not its own, the name that it gives."""
        return self._let_in(Visitor(self.outer_port, name or site, proof_in(self.homes[site]), will))

    def centre_enters(self, name: str = "witness") -> Visitor:
        """Somebody by the inner door, with the server's certificate."""
        return self._let_in(Visitor(self.inner_port, name, self.own_tls()))

    def tries(self, port: int, proof: Tls | ssl.SSLContext) -> Visitor:
        """Somebody who may not be let in, calling himself A."""
        self.came.append(Visitor(port, A, proof))
        return self.came[-1]

    def all_leave(self) -> None:
        """Nobody is at the doors but the server."""
        for visitor in self.came:
            visitor.leave()
        self.came.clear()

    def forgive(self, *topics: str) -> None:
        """What a test has left behind at the broker is gone; the server's own words come again with its next start."""
        centre = self.centre_enters("sweeper")
        for topic in topics:
            centre.say(topic, b"", retain=True)

    def not_taken(self) -> dict[str, int]:
        """What the server heard and could not read, by reason."""
        found: dict[str, int] = self.client.get("/intake").json()["not_taken"]
        return found

    def refused(self) -> dict[str, int]:
        """What the broker refused, by client."""
        found: dict[str, int] = self.client.get("/intake").json()["refused_by_broker"]
        return found

    def _let_in(self, visitor: Visitor) -> Visitor:
        self.came.append(visitor)
        assert visitor.is_in, visitor.refusal
        return visitor


@pytest.fixture(scope="module")
def one_province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Province]:
    """Made once, for fifty identities take their time; every test leaves it as it was."""
    need(mosquitto(), "mosquitto")
    folder = tmp_path_factory.mktemp("matrix")
    processes = ForkingProcesses(folder)
    made = Province(processes, folder)
    try:
        made.start()
        yield made
    finally:
        made.close()
        processes.end()


@pytest.fixture
def province(one_province: Province) -> Iterator[Province]:
    """The province with nobody at the doors, before and after."""
    yield one_province
    one_province.all_leave()


def marked(listeners: list[Visitor], centre: Visitor) -> None:
    """Whatever the broker had for these rooms before now has reached them: what is sent last arrives last."""
    mark = f"mark {uuid7()}".encode()
    for listener in listeners:
        assert centre.say(topic_of(listener.name, Told.ACK), mark) == "Success"
    for listener in listeners:
        wait_for(lambda heard=listener: mark in heard.told(Told.ACK), 20, f"{listener.name} hears nothing")  # type: ignore[misc]


def overheard(listeners: list[Visitor], room: Visitor) -> None:
    """The same for those who listen to what rooms say."""
    mark = encode(Presence("online", "0", uuid7()))
    assert room.say(topic_of(room.name, Said.PRESENCE), mark) == "Success"
    for listener in listeners:
        wait_for(lambda heard=listener: mark in {said for _, said, _ in heard.heard}, 20, "a witness is deaf")  # type: ignore[misc]


def command_for(site: str) -> bytes:
    """A command that the centre has signed."""
    now = datetime.now(UTC)
    return told(Command(uuid7(), site, uuid7(), "camera-1", "reboot", {}, now, now + timedelta(seconds=60), "somebody"))


def test_a_room_reaches_the_server_and_is_told_what_is_for_it(province: Province) -> None:
    """What all that follows is measured by: the same doors, the same rooms, and all of it arrives."""
    room, about = province.enters(A), about_of_room()
    room.listen(one_room(A))
    boot = uuid7()
    for said in (Presence("online", "0", boot), about, report_of_room(about, boot, 1)):
        assert room.say(topic_of(A, said.kind), encode(said)) == "Success"
    wait_for(lambda: province.site(A)["reported_at"], 10, "the report does not arrive")
    wait_for(lambda: room.told(Told.CONFIG), 10, "the configuration does not arrive")
    assert province.centre_enters().say(topic_of(A, Told.COMMAND), command_for(A)) == "Success"
    wait_for(lambda: room.told(Told.COMMAND), 10, "the command does not arrive")


@pytest.mark.timeout(170)
@pytest.mark.parametrize("retain", [False, True], ids=["in_passing", "to_stay"])
def test_no_room_speaks_for_another_or_as_the_centre_on_any_topic(province: Province, retain: bool) -> None:
    """Fifty by fifty rooms by nine topics, all but those that are a room's own to say."""
    before = sum(province.not_taken().values())
    rooms = [province.enters(site) for site in ROOMS]
    for room in rooms:
        room.listen(one_room(room.name))
    witness = province.centre_enters()
    witness.listen(ALL_ROOMS)
    tried = 0
    for room in rooms:
        foreign = [
            topic_of(other, kind) for other in ROOMS for kind in KINDS if (other, type(kind)) != (room.name, Said)
        ]
        answers = room.say_all(foreign, FORGED, retain=retain)
        assert set(answers.values()) == {REFUSED}, {topic: said for topic, said in answers.items() if said != REFUSED}
        tried += len(answers)
    assert tried == 50 * (50 * 9 - 5)
    for room in rooms:  # each may still say what is its own, and the witness hears that
        assert room.say(topic_of(room.name, Said.PRESENCE), encode(Presence("online", "0", uuid7()))) == "Success"
    marked(rooms, witness)
    wait_for(lambda: {topic.split("/")[2] for topic, _, _ in witness.heard} == set(ROOMS), 10, "the witness is deaf")
    late = province.centre_enters("late-witness")
    late.listen(ALL_ROOMS)
    again = [province.enters(site) for site in ROOMS[:5]]
    for room in again:
        room.listen(one_room(room.name))
    marked(again, witness)
    overheard([witness, late], again[0])
    assert not [heard for each in (*rooms, *again, witness, late) for heard in each.heard if heard[1] == FORGED]
    assert again[0].say(topic_of(again[0].name, Said.LOG), b"the first that the server cannot read") == "Success"
    wait_for(lambda: sum(province.not_taken().values()) > before, 10, "the server is deaf")
    assert sum(province.not_taken().values()) == before + 1, "something of it has reached the server"


@pytest.mark.timeout(170)
def test_no_room_hears_another_whatever_it_subscribes_to(province: Province) -> None:
    rooms = [province.enters(site) for site in ROOMS]
    by_name = [topic_of(site, kind) for site in ROOMS for kind in KINDS]
    for room in rooms:
        room.listen(*EVERYTHING, *by_name, *(f"$share/{room.name}/{topic}" for topic in by_name[:90]))
    centre = province.centre_enters()
    centre.listen(ALL_ROOMS)
    for room in rooms:  # there is something to overhear on every topic
        said = {topic_of(room.name, kind): str(kind).encode() for kind in Said}
        assert {room.say(topic, payload, retain=True) for topic, payload in said.items()} == {"Success"}
        for kind in Told:
            assert centre.say(topic_of(room.name, kind), f"for {room.name} alone".encode()) == "Success"
    marked(rooms, centre)
    wait_for(lambda: len({topic for topic, _, _ in centre.heard}) == 50 * len(Said), 20, "the centre is deaf")
    for room in rooms:
        own = f"{BASE}/{room.name}/dn/"
        assert {topic for topic, _, _ in room.heard if topic.startswith(own)} == {topic_of(room.name, k) for k in Told}
        assert [topic for topic, _, _ in room.heard if not topic.startswith(own)] == []
    late = province.enters(B)
    late.listen("#", *by_name)  # and what is retained, to one who comes later
    marked([late], centre)
    assert {topic.split("/")[2] for topic, _, _ in late.heard} == {B}
    province.forgive(*(topic_of(site, kind) for site in ROOMS for kind in Said))


@pytest.mark.parametrize(
    "topic",
    [f"{BASE}/{A}", f"{BASE}/{A}/dn", f"{BASE}//up/report", f"{BASE}", f"{BASE}/+/up/report".replace("+", "%u"),
     "diemcau/v2/38-0001/up/report", f"/{BASE}/{A}/up/report", f"{BASE.upper()}/{A}/up/report", f"{BASE}/{A}/UP/report",
     "a/topic/of/nobody", "$SYS/broker/uptime", "$CONTROL/dynamic-security/v1"],
)  # fmt: skip
def test_a_room_says_nothing_beside_its_own_tree(province: Province, topic: str) -> None:
    assert province.enters(A).say(topic, FORGED, retain=True) == REFUSED


def test_a_topic_that_is_none_is_counted_and_harms_nobody(province: Province) -> None:
    """A room may write below its `up/` whatever it likes; the server takes its word for no other site."""
    before = sum(province.not_taken().values())
    room = province.enters(A)
    strange = [f"{BASE}/{A}/up", f"{BASE}/{A}/up/..", f"{BASE}/{A}/up/../../{B}/up/report", f"{BASE}/{A}/up/report/{B}"]
    assert set(room.say_all(strange, FORGED).values()) == {"Success"}
    wait_for(lambda: sum(province.not_taken().values()) == before + len(strange), 10, "they are not counted")
    assert province.site(B)["reported_at"] is None


def test_a_last_will_on_anothers_topic_is_never_read_out(province: Province) -> None:
    witness = province.centre_enters()
    witness.listen(ALL_ROOMS)
    listener = province.enters(B)
    listener.listen(one_room(B))
    for topic in (topic_of(B, Said.PRESENCE), topic_of(B, Told.COMMAND), topic_of(A, Told.CONFIG)):
        dying = Visitor(province.outer_port, A, proof_in(province.homes[A]), (topic, FORGED))
        if dying.is_in:  # a broker may refuse such a will at once, or keep silent about it later
            dying.vanish()
        else:
            assert dying.refusal == REFUSED
    own = encode(Presence("lost", "0", uuid7()))
    province.enters(A, will=(topic_of(A, Said.PRESENCE), own)).vanish()
    wait_for(lambda: any(payload == own for _, payload, _ in witness.heard), 10, "not even its own will is read out")
    marked([listener], witness)
    late = province.centre_enters("late-witness")
    late.listen(ALL_ROOMS)
    overheard([witness, late], listener)
    assert FORGED not in {payload for each in (witness, listener, late) for _, payload, _ in each.heard}
    province.forgive(topic_of(A, Said.PRESENCE))


def test_a_room_that_gives_anothers_name_takes_nothing_from_it(province: Province) -> None:
    honest = province.enters(B)
    honest.listen(one_room(B))
    thieves = [province.enters(A, name=B), province.enters(A, name=SERVER_NAME), province.enters(A, name="witness")]
    thieves[-1].listen("#", one_room(B), ALL_ROOMS)
    assert thieves[-1].say(topic_of(B, Said.PRESENCE), FORGED) == REFUSED
    marked([honest], province.centre_enters())
    assert honest.is_in and province.health()["broker"]
    assert not [topic for topic, _, _ in thieves[-1].heard if not topic.startswith(f"{BASE}/{A}/")]
    same = province.enters(B)  # who has B's own certificate is B: then, and only then, the one before must go
    wait_for(lambda: not honest.is_in, 10, "two hold one name")
    assert same.is_in


def test_a_command_that_a_room_retains_for_itself_or_another_is_nobodys(province: Province) -> None:
    """It is one that the centre has signed, as a thief may have overheard it in his own room."""
    thief, victim = province.enters(A), province.enters(B)
    victim.listen(one_room(B))
    thief.listen(one_room(A))
    for site in (A, B):
        for retain in (True, False):
            assert thief.say(topic_of(site, Told.COMMAND), command_for(site), retain=retain) == REFUSED
    centre = province.centre_enters()
    marked([thief, victim], centre)
    assert not thief.told(Told.COMMAND) and not victim.told(Told.COMMAND)
    for site in (A, B):
        again = province.enters(site)
        again.listen(one_room(site))
        marked([again], centre)
        assert not again.told(Told.COMMAND)
        assert centre.say(topic_of(site, Told.COMMAND), command_for(site)) == "Success"
        wait_for(lambda heard=again: heard.told(Told.COMMAND), 10, "not even the centre's arrives")  # type: ignore[misc]


# Who is let in at all.


def proof_of(
    folder: Path,
    by: Authority,
    trusted: str,
    name: str = A,
    hosts: tuple[str, ...] = (),
    born: timedelta = timedelta(0),
) -> Tls:
    """A certificate for `name` that lives thirty days, made so long ago."""
    key: ec.EllipticCurvePrivateKey = new_key()
    made = issue(by, name, key.public_key(), datetime.now(UTC) - born, timedelta(days=30), hosts)
    write_private(folder / "stranger.pem", made.pem)
    write_private(folder / "stranger.key", pem_of(key).decode())
    return Tls(trusted, str(folder / "stranger.pem"), str(folder / "stranger.key"))


def nothing_at_all(province: Province, folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=province.authority.trusted_by_rooms)


def a_foreign_authority(province: Province, folder: Path) -> Tls:
    return proof_of(folder, new_authority("rooms-1", datetime.now(UTC)), province.authority.trusted_by_rooms)


def one_that_has_run_out(province: Province, folder: Path) -> Tls:
    return proof_of(
        folder, province.authority.issuing, province.authority.trusted_by_rooms, born=timedelta(days=30, seconds=5)
    )


def one_of_tomorrow(province: Province, folder: Path) -> Tls:
    return proof_of(folder, province.authority.issuing, province.authority.trusted_by_rooms, born=-timedelta(days=2))


def one_for_a_server(province: Province, folder: Path) -> Tls:
    hosts = ("127.0.0.1",)
    return proof_of(folder, province.authority.issuing, province.authority.trusted_by_rooms, "broker", hosts)


def the_servers_own(province: Province, folder: Path) -> Tls:
    return province.own_tls()


def signed_by_a_room(province: Province, folder: Path) -> Tls:
    """A room's key plays authority: its certificate must not be one."""
    proof = proof_in(province.homes[A])
    key = load_pem_private_key(Path(proof.key_file).read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    own = x509.load_pem_x509_certificate(Path(proof.certificate_file).read_bytes())
    made = proof_of(folder, Authority(A, key, own), province.authority.trusted_by_rooms, B)
    chain = Path(made.certificate_file).read_text() + Path(proof.certificate_file).read_text()
    write_private(folder / "stranger.pem", chain)
    return made


def tls_1_2(province: Province, folder: Path) -> ssl.SSLContext:
    context = tls_context(proof_in(province.homes[A]))
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


Proof = Callable[[Province, Path], Tls | ssl.SSLContext]


@pytest.mark.parametrize(
    "proof",
    [nothing_at_all, a_foreign_authority, one_that_has_run_out, one_of_tomorrow, one_for_a_server, the_servers_own,
     signed_by_a_room, tls_1_2],
)  # fmt: skip
def test_the_outer_door_stays_shut_and_the_broker_says_so(province: Province, tmp_path: Path, proof: Proof) -> None:
    """A good certificate made in the same way opens it, so that it is the flaw that shuts it."""
    good = proof_of(tmp_path, province.authority.issuing, province.authority.trusted_by_rooms)
    assert province.tries(province.outer_port, good).is_in
    before = len(province.broker_says())
    stranger = province.tries(province.outer_port, proof(province, tmp_path))
    assert stranger.refusal and not stranger.is_in
    wait_for(lambda: "SSL routines" in province.broker_says()[before:], 5, "the broker's log is silent")


def of_a_room(province: Province, folder: Path) -> Tls:
    return proof_in(province.homes[A])


def named_like_the_server(province: Province, folder: Path) -> Tls:
    return proof_of(folder, province.authority.issuing, province.authority.trusted_by_rooms, SERVER_NAME)


@pytest.mark.parametrize(
    "proof", [nothing_at_all, of_a_room, named_like_the_server, a_foreign_authority, one_for_a_server]
)
def test_the_inner_door_opens_to_the_server_alone(province: Province, tmp_path: Path, proof: Proof) -> None:
    assert province.tries(province.inner_port, province.own_tls()).is_in
    before = len(province.broker_says())
    stranger = province.tries(province.inner_port, proof(province, tmp_path))
    assert stranger.refusal and not stranger.is_in
    wait_for(lambda: "SSL routines" in province.broker_says()[before:], 5, "the broker's log is silent")


def test_a_room_does_not_speak_to_a_broker_that_its_centre_has_not_vouched_for(province: Province) -> None:
    proof = proof_in(province.homes[A])
    foreign = new_authority("rooms-1", datetime.now(UTC)).pem
    for trusted, is_let_in in ((foreign, False), (proof.authorities, True)):
        tls = Tls(trusted, proof.certificate_file, proof.key_file)
        visitor = Visitor(province.outer_port, A, tls)
        province.came.append(visitor)
        assert visitor.is_in is is_let_in, visitor.refusal
        assert is_let_in or "CERTIFICATE_VERIFY_FAILED" in visitor.refusal


# Names that would be more than a name.


@pytest.mark.parametrize("name", [SERVER_NAME, "+", "#", "%u", "38-1/up", "", "Broker", "a" * 65])
def test_no_site_is_called_like_the_server_or_like_a_pattern(province: Province, name: str) -> None:
    with pytest.raises(BadFile) as refused:
        province.import_sites(
            f"site_id,code,name,kind,parent,lat,lon,line_down_mbps,line_up_mbps\n{name},,Xã,hub,,19,105,5,5\n"
        )
    assert f"site_id '{name}'" in refused.value.params["rows"]


@pytest.mark.parametrize("name", ["fleet-server", "broker"])
def test_a_site_that_is_called_nearly_like_the_server_is_a_room_as_any_other(province: Province, name: str) -> None:
    room, victim, centre = province.enters(name), province.enters(B), province.centre_enters()
    room.listen("#", ALL_ROOMS)
    assert room.say(topic_of(B, Told.COMMAND), command_for(B)) == REFUSED
    assert room.say(topic_of(B, Said.PRESENCE), FORGED) == REFUSED
    assert victim.say(topic_of(B, Said.PRESENCE), encode(Presence("online", "0", uuid7()))) == "Success"
    marked([room], centre)
    assert {topic.split("/")[2] for topic, _, _ in room.heard} == {name}


def test_what_a_room_was_refused_is_counted_and_recorded_at_the_centre(province: Province, tmp_path: Path) -> None:
    """A room that tries another's topics is broken into; somebody must be able to see that."""
    # The broker's log is read in its order: once this room's refusal is counted, those of earlier tests are too.
    marker = ROOMS[-1]
    marks = province.refused().get(marker, 0)
    assert province.enters(marker).say(topic_of(B, Told.COMMAND), FORGED) == REFUSED
    wait_for(lambda: province.refused().get(marker, 0) > marks, 10, "the mark is not counted")
    before = province.refused()
    room = province.enters(A)
    for _ in range(3):
        assert room.say(topic_of(B, Told.COMMAND), FORGED) == REFUSED
    assert not province.tries(province.outer_port, nothing_at_all(province, tmp_path)).is_in
    wait_for(lambda: province.refused().get(A, 0) == before.get(A, 0) + 3, 10, "the refused publishes are not counted")
    wait_for(lambda: province.refused().get("?", 0) > before.get("?", 0), 10, "the stranger is not counted")
    rows = [json.loads(line) for line in province.cli("audit", "export").stdout.splitlines()]
    assert any(row["act"] == "broker.refused" and row["site"] == A for row in rows)
    assert province.refused().get(B, 0) == before.get(B, 0)


def test_a_configuration_that_is_as_it_was_keeps_its_time(tmp_path: Path) -> None:
    """By it an upgrade knows that the broker need not begin anew, and no room is cut off."""
    doors = Doors(port=8883, host="0.0.0.0", inner_port=8884, inner_host="127.0.0.1", count_refused=True)
    conf = write_config(tmp_path, doors)
    before = conf.stat().st_mtime_ns, conf.stat().st_ino
    assert write_config(tmp_path, doors) == conf and (conf.stat().st_mtime_ns, conf.stat().st_ino) == before
    write_config(tmp_path, replace(doors, port=8885))
    assert conf.stat().st_ino != before[1] and "8885" in conf.read_text()
