"""A machine becomes the agent of a site: by a code that serves once, a key of its own and a person's yes."""

import base64
import os
import pty
import re
import shlex
import socket
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from demo.processes import Processes
from demo.room_toml import room_toml
from edge_agent.config import DeviceConfig, RoomConfig
from edge_agent.enrolment import Centre, enrol
from edge_agent.errors import CentreAway, EnrolmentFailed, NotEnrolled
from edge_agent.identity import FOLDER, IdentityKeeper
from fleet_server.authority.certificates import issue, new_authority, new_key, pem_of
from fleet_server.authority.files import SERVICE_LIVES
from fleet_server.store.database import millis
from tests.counterparts.databases import change_in
from tests.counterparts.guarded import GuardedFleet, agent_cli
from tests.counterparts.identity import PUBLIC
from tests.counterparts.visitor import Visitor, identity_in, proof_in
from tests.counterparts.waiting import wait_for
from wire.identity import short
from wire.ids import uuid7
from wire.topics import Said, topic_of

SEALING = base64.b64encode(bytes(range(32))).decode()
EMPTY = {
    "site": "", "broker_host": "", "broker_port": 0, "signing_keys": [], "authorities": "", "certificate": "",
    "authority": "", "renew_after": None,
}  # fmt: skip


def request_of(key: Any, name: str = "", **names: Any) -> str:
    """A request for a certificate of this key, which says what it likes of names."""
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    for extension in names.get("extensions", ()):
        builder = builder.add_extension(extension, critical=False)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM).decode()


def bring(fleet: GuardedFleet, code: str, request: str | None = None, **changed: Any) -> httpx.Response:
    """What a machine sends with its code."""
    own = request if request is not None else request_of(new_key())
    wish = {"code": code, "request": own, "sealing_key": SEALING, "machine": "a PC"}
    return httpx.post(f"{fleet.address}/api/v1/enrolments/claim", json=wish | changed, timeout=10)


def fetch(fleet: GuardedFleet, enrolment: str, token: str | None) -> httpx.Response:
    """What a machine asks until it has its answer."""
    headers = {"Authorization": f"Bearer {token}".strip()} if token is not None else {}
    return httpx.get(f"{fleet.address}/api/v1/enrolments/{enrolment}/identity", headers=headers, timeout=10)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# It works.


def test_a_machine_that_is_accepted_has_an_identity_that_opens_the_broker(
    guarded: GuardedFleet, site: str, home: Path
) -> None:
    known = guarded.enrol(site, home)
    assert (known.site, known.broker_host, known.broker_port) == (site, "127.0.0.1", guarded.outer_port)
    assert known.broker_tls and known.signing_keys == PUBLIC
    assert known.authorities == guarded.authority.trusted_by_rooms and known.authorities.count("BEGIN") == 2
    assert known.pair is not None and known.pair.authority == guarded.authority.issuing_name
    assert 14 < (known.pair.renew_after - datetime.now(UTC)).total_seconds() / 86_400 < 15.1
    assert identity_in(home) == known
    room = Visitor(guarded.outer_port, site, proof_in(home))
    assert room.is_in, room.refusal
    assert room.say(topic_of(site, Said.PRESENCE), b"{}") == "Success"
    room.leave()


def test_nobody_else_on_the_machine_reads_its_keys(guarded: GuardedFleet, site: str, home: Path) -> None:
    before = os.umask(0)  # the mask of whoever starts us is not what protects them
    try:
        guarded.enrol(site, home)
    finally:
        os.umask(before)
    files = {file.name: mode_of(file) for file in (home / FOLDER).iterdir()}
    pair = identity_in(home).pair
    assert pair is not None
    assert files.keys() == {f"{pair.name}.key", f"{pair.name}.pem", "sealing.key", "documents.json"}
    assert mode_of(home / FOLDER) == 0o700
    assert {files[name] for name in files if name != "documents.json"} == {0o600}, files


def test_the_person_at_the_centre_sees_the_fingerprint_that_the_machine_shows(
    guarded: GuardedFleet, site: str, home: Path
) -> None:
    shown: dict[str, str] = {}
    code = guarded.new_code(site)
    with ThreadPoolExecutor(1) as pool:
        machine = pool.submit(enrol, home / FOLDER, guarded.centre(), code, shown.__setitem__, 60.0)
        waiting = guarded.claimed(site)
        wait_for(lambda: shown, 5, "the machine shows nothing")
        guarded.decide(waiting["id"])
        machine.result(15)
    certificate = x509.load_pem_x509_certificate(Path(proof_in(home).certificate_file).read_bytes())
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    digest = hashes.Hash(hashes.SHA256())
    digest.update(certificate.public_key().public_bytes(serialization.Encoding.DER, form))
    own = digest.finalize().hex()
    assert shown["fingerprint"] == own
    assert waiting["fingerprint"] == short(own) and len(waiting["fingerprint"].replace("-", "")) == 16


@pytest.mark.parametrize("typed", [str.lower, lambda code: code.replace("-", ""), lambda code: f" {code} "])
def test_a_code_is_known_however_it_is_typed(guarded: GuardedFleet, site: str, typed: Callable[[str], str]) -> None:
    assert bring(guarded, typed(guarded.new_code(site))).status_code == 202


# A code serves one machine, once, for a day.


def test_one_alone_has_the_code_when_eight_bring_it_at_once(guarded: GuardedFleet, site: str) -> None:
    for _ in range(5):
        code, at_once = guarded.new_code(site), threading.Barrier(8)

        def one(_: int, code: str = code, at_once: threading.Barrier = at_once) -> httpx.Response:
            request = request_of(new_key())
            at_once.wait(10)
            return bring(guarded, code, request)

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(one, range(8)))
        assert sorted(answer.status_code for answer in answers) == [202] + [404] * 7
        (taken,) = (answer.json() for answer in answers if answer.status_code == 202)
        assert guarded.claimed(site)["id"] == taken["id"]
        assert fetch(guarded, taken["id"], taken["token"]).json()["state"] == "claimed"
        assert "token" not in "".join(answer.text for answer in answers if answer.status_code == 404)


def test_a_code_that_has_run_out_is_none(guarded: GuardedFleet, site: str, other_site: str) -> None:
    code, other = guarded.new_code(site), guarded.new_code(other_site)
    (kept,) = (each for each in guarded.enrolments() if each["site"] == site)
    lives_s = (datetime.fromisoformat(kept["expires_at"]) - datetime.now(UTC)).total_seconds()
    assert 86_000 < lives_s <= 86_400
    late = "UPDATE enrolments SET expires_at = :past WHERE id = :id"
    assert change_in(guarded.folder, late, past=millis(datetime.now(UTC)) - 1, id=kept["id"]) == 1
    assert bring(guarded, code).status_code == 404
    assert site not in {each["site"] for each in guarded.enrolments()}
    assert bring(guarded, other).status_code == 202


def test_a_new_code_makes_the_earlier_one_of_its_site_void(guarded: GuardedFleet, site: str, other_site: str) -> None:
    others = guarded.new_code(other_site)
    first, second = guarded.new_code(site), guarded.new_code(site)
    assert bring(guarded, first).status_code == 404
    assert bring(guarded, second).status_code == 202
    assert bring(guarded, others).status_code == 202


def test_a_code_that_was_used_is_none_whatever_became_of_it(guarded: GuardedFleet, site: str) -> None:
    for accept in (True, False):
        code = guarded.new_code(site)
        claimed = bring(guarded, code).json()
        assert bring(guarded, code).status_code == 404
        assert guarded.decide(claimed["id"], accept).status_code == 200
        assert bring(guarded, code).status_code == 404


@pytest.mark.parametrize(
    "code", ["AAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AA", "%%%%%%%%%%%%%%%%%%%%%%%%%%", "' OR 1=1 --          "]
)
def test_a_code_that_was_never_given_is_none(guarded: GuardedFleet, code: str) -> None:
    assert bring(guarded, code).status_code == 404


def test_a_code_is_kept_as_a_hash_alone_and_so_is_the_machines_token(guarded: GuardedFleet, site: str) -> None:
    code, other = guarded.new_code(site), ""
    claimed = bring(guarded, code).json()
    other = guarded.new_code(site)
    secrets = [written(each) for code in (code, other) for each in (code, code.replace("-", ""))]
    secrets += [written(claimed["token"])]
    kept = b"".join(file.read_bytes().lower() for file in guarded.folder.rglob("*") if file.is_file())
    kept += guarded.server_says().lower().encode() + guarded.client.get("/enrolments").content.lower()
    assert claimed["id"].encode() in kept, "the database has not been read"
    assert [secret for secret in secrets if secret in kept] == []


def written(secret: str) -> bytes:
    """As it would stand in a file, in small letters."""
    return secret.lower().encode()


# What a machine asks for.


def test_a_certificate_names_the_site_whatever_its_request_says(guarded: GuardedFleet, site: str) -> None:
    key = new_key()
    greedy = request_of(
        key, "fleet_server",
        extensions=[
            x509.SubjectAlternativeName([x509.DNSName("38-hub"), x509.DNSName("localhost")]),
            x509.BasicConstraints(True, None),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
        ],
    )  # fmt: skip
    claimed = bring(guarded, guarded.new_code(site), greedy, site="38-hub").json()
    guarded.decide(claimed["id"])
    given = fetch(guarded, claimed["id"], claimed["token"]).json()
    made = x509.load_pem_x509_certificate(given["certificate"].encode())
    assert given["site"] == site
    assert made.subject.rfc4514_string() == f"CN={site}"
    assert made.public_key() == key.public_key()
    extensions = {type(each.value): each.value for each in made.extensions}
    assert x509.SubjectAlternativeName not in extensions
    assert extensions[x509.BasicConstraints].ca is False  # type: ignore[attr-defined]
    assert list(extensions[x509.ExtendedKeyUsage]) == [ExtendedKeyUsageOID.CLIENT_AUTH]  # type: ignore[call-overload]
    lives = made.not_valid_after_utc - datetime.now(UTC)
    assert 29.9 < lives.total_seconds() / 86_400 <= 30


def tampered() -> str:
    """Somebody else's request with another key put into it."""
    honest, other = (x509.load_pem_x509_csr(request_of(new_key()).encode()) for _ in range(2))
    ours, theirs = (each.public_bytes(serialization.Encoding.DER) for each in (honest, other))
    key = honest.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    foreign = other.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert ours.count(key) == 1 and len(key) == len(foreign)
    text = base64.encodebytes(theirs.replace(foreign, key)).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n"


BAD_REQUESTS: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "no_request": lambda: "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
    "a_certificate": lambda: new_authority("x", datetime.now(UTC)).pem,
    "cut_short": lambda: request_of(new_key())[:200],
    "rsa": lambda: request_of(rsa.generate_private_key(65_537, 2_048)),
    "p_384": lambda: request_of(ec.generate_private_key(ec.SECP384R1())),
    "ed25519": lambda: request_of(ed25519.Ed25519PrivateKey.generate()),
    "another_signature": tampered,
    "not_ascii": lambda: "chứng thư",
    "too_long": lambda: request_of(new_key()) + "\n" * 4_000,
}


@pytest.mark.parametrize("bad", BAD_REQUESTS)
def test_a_request_that_cannot_be_meant_is_refused_and_leaves_the_code_as_it_was(
    guarded: GuardedFleet, site: str, bad: str
) -> None:
    code = guarded.new_code(site)
    answer = bring(guarded, code, BAD_REQUESTS[bad]())
    assert answer.status_code == 422, answer.text
    assert bring(guarded, code).status_code == 202


@pytest.mark.parametrize("sealing_key", ["", "short", "A" * 44, SEALING + "\n", "-" * 43 + "=", "A" * 43 + "="])
def test_a_sealing_key_that_is_none_is_refused(guarded: GuardedFleet, site: str, sealing_key: str) -> None:
    code = guarded.new_code(site)
    assert bring(guarded, code, sealing_key=sealing_key).status_code == 422
    assert bring(guarded, code).status_code == 202


# The answer is for whoever has the token, and only after a person's yes.


def test_there_is_nothing_to_fetch_before_a_person_has_said_yes(guarded: GuardedFleet, site: str) -> None:
    claimed = bring(guarded, guarded.new_code(site)).json()
    before = fetch(guarded, claimed["id"], claimed["token"]).json()
    assert before["state"] == "claimed"
    assert {name: before[name] for name in EMPTY} == EMPTY
    guarded.decide(claimed["id"])
    after = fetch(guarded, claimed["id"], claimed["token"]).json()
    assert after["state"] == "accepted" and after["certificate"].startswith("-----BEGIN CERTIFICATE-----")


def test_an_identity_is_given_for_its_own_token_alone(guarded: GuardedFleet, site: str, other_site: str) -> None:
    code = guarded.new_code(site)
    claimed, other = bring(guarded, code).json(), bring(guarded, guarded.new_code(other_site)).json()
    for _ in range(2):  # while it waits, and once it is accepted
        wrong = ["", None, code, claimed["id"], other["token"], claimed["token"][:-1], claimed["token"] + "A"]
        for token in wrong:
            answer = fetch(guarded, claimed["id"], token)
            assert answer.status_code == 404 and "BEGIN" not in answer.text, token
        basic = {"Authorization": f"Basic {claimed['token']}"}
        path = f"{guarded.address}/api/v1/enrolments/{claimed['id']}/identity"
        assert httpx.get(path, headers=basic, timeout=30).status_code == 404
        assert httpx.get(path, params={"token": claimed["token"]}, timeout=30).status_code == 404
        assert fetch(guarded, uuid7(), claimed["token"]).status_code == 404
        assert fetch(guarded, claimed["id"], claimed["token"]).status_code == 200
        guarded.decide(claimed["id"])
    assert fetch(guarded, other["id"], other["token"]).json()["state"] == "claimed"


def test_a_code_that_nobody_has_brought_has_no_token(guarded: GuardedFleet, site: str) -> None:
    guarded.new_code(site)
    (still_open,) = (each for each in guarded.enrolments() if each["site"] == site)
    for token in ("", None, "x"):
        assert fetch(guarded, still_open["id"], token).status_code == 404


def test_a_machine_that_is_not_wanted_is_told_and_keeps_no_identity(
    guarded: GuardedFleet, site: str, home: Path
) -> None:
    machine = guarded.enrolling(home, guarded.new_code(site))
    waiting = guarded.claimed(site)
    assert guarded.decide(waiting["id"], accept=False).status_code == 200
    with pytest.raises(EnrolmentFailed, match="has not accepted this machine"):
        machine.result(15)
    with pytest.raises(NotEnrolled):
        IdentityKeeper(home / FOLDER)
    assert guarded.decide(waiting["id"]).status_code == 409
    assert guarded.cli("enrol", site).returncode == 0


def test_a_machine_is_answered_once(guarded: GuardedFleet, site: str) -> None:
    guarded.new_code(site)
    (still_open,) = (each for each in guarded.enrolments() if each["site"] == site)
    assert guarded.decide(still_open["id"]).status_code == 409
    claimed = bring(guarded, guarded.new_code(site)).json()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: guarded.decide(claimed["id"]).status_code, range(8)))
    assert sorted(answers) == [200] + [409] * 7
    assert guarded.decide(claimed["id"], accept=False).status_code == 409
    assert fetch(guarded, claimed["id"], claimed["token"]).json()["state"] == "accepted"


def test_there_is_no_code_for_a_site_that_is_none(guarded: GuardedFleet) -> None:
    assert guarded.client.post("/sites/no-such-site/enrolments", json={}).status_code == 404
    refused = guarded.cli("enrol", "no-such-site", check=False)
    assert refused.returncode == 2 and "There is no site no-such-site" in refused.stderr


def test_a_machine_waits_on_when_the_server_is_started_again(processes: Processes, tmp_path: Path, home: Path) -> None:
    """A person may take a day to answer, and the code is used: one answer that fails to come must not be the end."""
    fleet = GuardedFleet(processes, tmp_path / "server")
    fleet.start()
    try:
        waits, pool = threading.Event(), ThreadPoolExecutor(1)
        code = fleet.new_code("38-1")
        machine = pool.submit(enrol, home / FOLDER, fleet.centre(), code, lambda *_: waits.set(), 60.0)
        pool.shutdown(wait=False)
        assert waits.wait(10)
        waiting = fleet.claimed("38-1")
        fleet.kill()
        wait_for(lambda: machine.done() or not fleet.health(), 5)
        with pytest.raises(TimeoutError):
            machine.result(5)  # it asks every 2 s
        fleet.start()
        fleet.decide(waiting["id"])
        assert machine.result(15).site == "38-1"
    finally:
        fleet.close()


def test_an_attempt_that_fails_leaves_the_identity_of_before_whole(
    guarded: GuardedFleet, site: str, home: Path
) -> None:
    """Somebody mistypes a code on a machine that works: its key for sealed secrets must still be there."""
    guarded.enrol(site, home)
    before = {file.name: file.read_bytes() for file in (home / FOLDER).iterdir()}
    with pytest.raises(EnrolmentFailed, match="404"):
        enrol(home / FOLDER, guarded.centre(), "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AA", lambda *_: None)
    after = {file.name: file.read_bytes() for file in (home / FOLDER).iterdir()}
    assert {name: after.get(name) for name in before} == before


# The server proves itself first.


def fingerprint_of(fleet: GuardedFleet) -> str:
    """Of the server's key, as its people are told it with a code."""
    answer = fleet.client.post("/sites/38-hub/enrolments", json={})
    return str(answer.json()["fingerprint"])


def _question(caller: ssl.SSLSocket) -> bytes:
    """A whole HTTP request, or what there was of it."""
    heard = b""
    while part := caller.recv(65_536):
        heard += part
        head, _, body = heard.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        if b"\r\n\r\n" in heard and (length is None or len(body) >= int(length[1])):
            break
    return heard


@contextmanager
def an_impostor(folder: Path, answer: bytes = b"", drips: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """Somebody who answers by HTTPS in the server's place; his address, and what he was told."""
    authority, key = new_authority("rooms-1", datetime.now(UTC)), new_key()
    made = issue(authority, "web", key.public_key(), datetime.now(UTC), SERVICE_LIVES, ("127.0.0.1",))
    folder.mkdir(exist_ok=True)
    (folder / "impostor.pem").write_text(made.pem)
    (folder / "impostor.key").write_bytes(pem_of(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "impostor.pem", folder / "impostor.key")
    line = socket.create_server(("127.0.0.1", 0))
    told: list[bytes] = []
    over = threading.Event()

    def serve() -> None:
        while True:
            try:
                bare, _ = line.accept()
            except OSError:
                return
            bare.settimeout(10)
            try:
                with context.wrap_socket(bare, server_side=True) as caller:
                    told.append(_question(caller))
                    caller.sendall(answer)
                    while drips and not over.wait(1.0):
                        caller.sendall(b" ")
            except (ssl.SSLError, ConnectionError):
                told.append(b"")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"https://127.0.0.1:{line.getsockname()[1]}", told
    finally:
        over.set()
        line.shutdown(socket.SHUT_RDWR)
        line.close()
        thread.join(10)


def test_a_machine_tells_nothing_to_a_server_with_another_key(
    by_https: GuardedFleet, site: str, home: Path, tmp_path: Path
) -> None:
    right = fingerprint_of(by_https)
    code = by_https.new_code(site)
    with an_impostor(tmp_path / "impostor") as (address, told):
        with pytest.raises(EnrolmentFailed, match="Compare with the sheet"):
            enrol(home / FOLDER, Centre(address, right), code, lambda *_: None)
        wait_for(lambda: told, 10, "the impostor was not even asked")
        assert told == [b""]
        deceived = Centre(address, None)  # by which the silence before is measured
        with pytest.raises(EnrolmentFailed, match="does not answer"):
            enrol(home / FOLDER, deceived, code, lambda *_: None)
        wait_for(lambda: code.encode() in b"".join(told), 10, "the impostor is deaf")
    with pytest.raises(EnrolmentFailed, match="Compare with the sheet"):
        enrol(home / FOLDER, by_https.centre("0" * 64), code, lambda *_: None)
    assert "enrolment_claimed" not in by_https.server_says().split("enrolment_opened")[-1]
    machine = by_https.enrolling(home, code, right)  # so the code is still good
    by_https.decide(by_https.claimed(site)["id"])
    assert machine.result(15).site == site


@pytest.mark.parametrize(
    "typed", [short, lambda pin: pin[:-1], lambda pin: f"{pin}0", lambda pin: ("1" if pin[0] == "0" else "0") + pin[1:]]
)
def test_a_fingerprint_counts_whole_or_not_at_all(by_https: GuardedFleet, typed: Callable[[str], str]) -> None:
    with pytest.raises(EnrolmentFailed, match="Compare with the sheet"):
        by_https.centre(typed(fingerprint_of(by_https))).ask("GET", "/api/v1/health", dict)


@pytest.mark.parametrize("nothing", [" ", "-", "::"])
def test_a_fingerprint_of_nothing_but_separators_lets_nobody_through(by_https: GuardedFleet, nothing: str) -> None:
    """It must not be taken for none, where nobody is asked to compare either."""
    with pytest.raises(EnrolmentFailed, match="no fingerprint"):
        by_https.centre(nothing)


@pytest.mark.parametrize(
    "typed",
    [str, str.upper, lambda pin: ":".join(pin[i : i + 2] for i in range(0, 64, 2)),
     lambda pin: " ".join(pin[i : i + 8] for i in range(0, 64, 8))],
)  # fmt: skip
def test_the_right_fingerprint_is_known_however_it_is_written(
    by_https: GuardedFleet, typed: Callable[[str], str]
) -> None:
    with pytest.raises(EnrolmentFailed, match="404"):  # the server answers, and knows no such enrolment
        by_https.centre(typed(fingerprint_of(by_https))).ask("GET", f"/api/v1/enrolments/{uuid7()}/identity", dict)


NO_HTTP = [
    "http://192.0.2.1", "http://192.0.2.1:8080", "http://diemcau.example.vn", "http://127.0.0.1.example.vn",
    "http://localhost.example.vn", "http://127.0.0.1@192.0.2.1/", "http://[2001:db8::1]:80", "http://[::ffff:192.0.2.1]/",
    "http://0.0.0.0", "ftp://127.0.0.1", "//127.0.0.1", "127.0.0.1:8080", "file:///etc/passwd", "",
]  # fmt: skip
WATCHED = """
import sys
calls = []
sys.addaudithook(lambda name, args: calls.append(name))
from edge_agent.cli import main
calls.clear()
status = main(sys.argv[1:])
print("status", status, "network", sorted(set(calls) & {"socket.connect", "socket.getaddrinfo", "socket.sendto"}))
"""


@pytest.mark.parametrize("address", NO_HTTP)
def test_no_packet_leaves_for_a_server_that_would_not_be_safe(home: Path, tmp_path: Path, address: str) -> None:
    said = watched(tmp_path, address)
    assert said.stdout.splitlines()[-1] == "status 2 network []", said.stdout + said.stderr
    assert "by https only" in said.stderr or "no address of a server" in said.stderr


def test_packets_are_seen_where_there_are_some(tmp_path: Path) -> None:
    """By which the test before is measured."""
    assert "socket.connect" in watched(tmp_path, "http://127.0.0.1:9").stdout


def watched(folder: Path, address: str) -> "subprocess.CompletedProcess[str]":
    """`diemcau-agent enrol` with this address, and what it did on the network."""
    config = folder / "room.toml"
    config.write_text(room_toml(RoomConfig(str(folder / "agent"))))
    arguments = ["--lang", "en", "enrol", "--config", str(config), "--server", address, "--code", "A" * 26]
    return subprocess.run(
        [sys.executable, "-c", WATCHED, *arguments], capture_output=True, text=True, timeout=30, check=False
    )


@contextmanager
def loses_the_first_answer(port: int) -> Iterator[tuple[int, list[bytes]]]:
    """A line that breaks once the first answer is under way; the list holds what was asked."""
    asked: list[bytes] = []
    near = socket.create_server(("127.0.0.1", 0))

    def carry() -> None:
        with suppress(OSError):
            while True:
                here, _ = near.accept()
                with here, socket.create_connection(("127.0.0.1", port)) as there:
                    question = here.recv(65_536)
                    while b"\r\n\r\n" not in question or (question.startswith(b"POST") and b"}" not in question):
                        question += here.recv(65_536)
                    asked.append(question)
                    there.sendall(question)
                    answer = there.recv(65_536)
                    there.settimeout(0.3)
                    with suppress(TimeoutError):
                        while part := there.recv(65_536):
                            answer += part
                    if len(asked) > 1:
                        here.sendall(answer)

    thread = threading.Thread(target=carry, daemon=True)
    thread.start()
    try:
        yield near.getsockname()[1], asked
    finally:
        near.shutdown(socket.SHUT_RDWR)
        near.close()


def test_a_machine_follows_no_redirect(home: Path, tmp_path: Path) -> None:
    with an_impostor(tmp_path / "second") as (elsewhere, told):
        redirect = f"HTTP/1.1 307 Go\r\nLocation: {elsewhere}/x\r\nContent-Length: 2\r\n\r\n{{}}".encode()
        with an_impostor(tmp_path / "first", redirect) as (address, _), pytest.raises(EnrolmentFailed):
            enrol(home / FOLDER, Centre(address, None), "A" * 26, lambda *_: None)
        assert told == []


def test_an_answer_without_end_is_not_read_to_its_end(home: Path, tmp_path: Path) -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b'"' + b"x" * 30_000_000
    with an_impostor(tmp_path / "endless", endless) as (address, told):
        with pytest.raises(EnrolmentFailed, match="refuses"):
            enrol(home / FOLDER, Centre(address, None), "A" * 26, lambda *_: None)
        wait_for(lambda: len(told) == 2, 10, "all of it was read")  # the question, and that the caller has hung up


def test_an_answer_that_is_cut_short_is_no_answer(tmp_path: Path) -> None:
    """A server that is started again leaves some half said; the machine that waits must ask once more."""
    for said in (b"", b'{"state":'):
        answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n" + said
        with an_impostor(tmp_path / "short", answer) as (address, _), pytest.raises(CentreAway):
            Centre(address, None).ask("GET", "/api/v1/health", dict)


def test_an_answer_that_drips_is_not_awaited_for_ever(home: Path, tmp_path: Path) -> None:
    """Each byte comes in time, and the answer never."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n"
    with an_impostor(tmp_path / "slow", head, drips=True) as (address, _):
        pool = ThreadPoolExecutor(1)
        asking = pool.submit(enrol, home / FOLDER, Centre(address, None), "A" * 26, lambda *_: None)
        pool.shutdown(wait=False)
        with pytest.raises(EnrolmentFailed):
            asking.result(60)


def test_a_claim_whose_answer_is_lost_is_brought_again_with_the_same_keys(
    guarded: GuardedFleet, site: str, home: Path
) -> None:
    with loses_the_first_answer(guarded.port) as (port, lost):
        machine = ThreadPoolExecutor(1)
        centre = Centre(f"http://127.0.0.1:{port}", None)
        asking = machine.submit(enrol, home / FOLDER, centre, guarded.new_code(site), lambda *_: None, 60.0)
        machine.shutdown(wait=False)
        wait_for(lambda: lost, 10, "no answer was lost")
        waiting = guarded.claimed(site)
        wait_for(lambda: len(lost) > 1, 10, "it does not ask again")
        assert guarded.decide(waiting["id"]).status_code == 200
        assert asking.result(15).site == site


@pytest.mark.parametrize("other", ["request", "sealing_key"])
def test_the_code_is_nobody_elses_once_it_was_brought(guarded: GuardedFleet, site: str, other: str) -> None:
    code, own = guarded.new_code(site), request_of(new_key())
    first, again = bring(guarded, code, own), bring(guarded, code, own)
    assert (first.status_code, again.status_code) == (202, 202) and first.json()["id"] == again.json()["id"]
    foreign = {"request": request_of(new_key()), "sealing_key": base64.b64encode(bytes(range(1, 33))).decode()}
    assert bring(guarded, code, **{"request": own, other: foreign[other]}).status_code == 404
    assert fetch(guarded, first.json()["id"], first.json()["token"]).status_code == 404, "two tokens are good"
    assert fetch(guarded, first.json()["id"], again.json()["token"]).json()["state"] == "claimed"
    assert guarded.decide(first.json()["id"], False).status_code == 200
    assert bring(guarded, code, own).status_code == 404


# By the commands that people type.


def room_file(folder: Path) -> Path:
    """A room.toml for a machine that watches nothing but itself."""
    (folder / "agent").mkdir(parents=True, exist_ok=True)
    config = folder / "room.toml"
    pc = DeviceConfig("pc-1", "pc", "pc", 5.0, settings={"processes": ["python"], "disk": str(folder)})
    config.write_text(room_toml(RoomConfig(str(folder / "agent"), (pc,))))
    return config


def test_the_printed_command_enrols_and_the_agent_then_appears(
    by_https: GuardedFleet, site: str, processes: Processes, tmp_path: Path
) -> None:
    sheet = tmp_path / "sheet.html"
    printed = by_https.cli("enrol", site, "--sheet", str(sheet)).stdout
    command = next(line for line in printed.splitlines() if line.startswith("diemcau-agent enrol"))
    code, fingerprint = command.rsplit(" ", 1)[1], fingerprint_of_command(command)
    assert f"Code for {site}: {code}" in printed and short(fingerprint) in printed
    assert any(block in printed for block in "▀▄█"), "no QR code for the terminal"
    page = sheet.read_text()
    assert "<svg" in page and command in page and short(fingerprint) in page and site in page
    assert mode_of(sheet) == 0o600
    config = room_file(tmp_path)
    typed = shlex.split(command.replace("/etc/diemcau/room.toml", str(config)))
    machine = processes.start("enrol", [*agent_cli(), *typed[1:]])
    waiting = by_https.claimed(site)
    assert machine.poll() is None
    by_https.decide(waiting["id"])
    assert machine.wait(20) == 0
    processes.forget(machine)
    said = (tmp_path / "enrol.log").read_text()
    assert (
        f"Fingerprint of this machine: {waiting['fingerprint']}" in said and f"This machine is site {site} now" in said
    )
    assert {mode_of(file) for file in (tmp_path / "agent" / FOLDER).iterdir()} == {0o600}
    assert by_https.site(site)["reported_at"] is None
    processes.start("agent", agent_cli("run", "--config", str(config)))
    wait_for(lambda: by_https.site(site)["verdict"] != "offline", 30, "the agent does not appear")
    assert {device["id"] for device in by_https.site(site)["devices"]} == {"pc-1"}


def fingerprint_of_command(command: str) -> str:
    return command.split("--fingerprint ")[1].split()[0]


def test_a_person_who_finds_another_fingerprint_says_no_and_nothing_is_sent(
    by_https: GuardedFleet, site: str, tmp_path: Path
) -> None:
    code, right = by_https.new_code(site), short(fingerprint_of(by_https))
    command = agent_cli("enrol", "--config", str(room_file(tmp_path)), "--server", by_https.address, "--code", code)
    alone = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30, check=False)
    assert alone.returncode == 2 and right in alone.stdout and "--fingerprint" in alone.stderr
    ours, theirs = pty.openpty()
    try:
        for typed, status in ((b"n\n", 1), (b"\n", 1)):
            asked = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            os.write(ours, typed)
            said, _ = asked.communicate(timeout=30)
            assert asked.returncode == status and right in said.decode(), said
        assert {each["state"] for each in by_https.enrolments() if each["site"] == site} == {"open"}
        asked = subprocess.Popen(command, stdin=theirs, stdout=subprocess.DEVNULL)
        os.write(ours, b"y\n")
        by_https.decide(by_https.claimed(site)["id"])
        assert asked.wait(20) == 0
    finally:
        os.close(ours)
        os.close(theirs)


def test_an_agent_without_identity_says_what_to_do(tmp_path: Path) -> None:
    command = agent_cli("run", "--config", str(room_file(tmp_path)))
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 2 and "diemcau-agent enrol" in ran.stderr
