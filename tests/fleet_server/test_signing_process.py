"""The process that holds the signing keys: it signs what rooms may be told, and nothing that it should not."""

import base64
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from nacl.signing import SigningKey

from demo.processes import Child, Processes
from fleet_server.durable import write_whole
from fleet_server.errors import SignerGone, WrongSettings
from fleet_server.minutes.seal import digest, sealed
from fleet_server.signing.keys import NEXT, NOW, KeyFiles, rotate
from fleet_server.signing.process import RemoteSigner, signer_of
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.forked import SERVER, run_to_end
from tests.counterparts.spoken_room import SpokenRoom
from tests.counterparts.waiting import wait_for
from wire.announcements import MinuteSeal
from wire.codec import MAX_MESSAGE_BYTES, encode
from wire.errors import UnknownKey
from wire.ids import uuid7
from wire.messages import Ack, Certificate, Command, Config, EventEntry, LogBatch
from wire.signing import PinnedKeys, Signer, sign, signed
from wire.topics import Announced, Kind, Said, Told

AT = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
SITE = "38-1"


def command(lasts_s: float = 300.0) -> Command:
    return Command(
        uuid7(), SITE, uuid7(), "ups-1", "beeper.mute", {}, AT, AT + timedelta(seconds=lasts_s), "operator"
    )  # fmt: skip


class SigningProcess:
    """`diemcau-server signer`, which can be killed and started again on the same keys."""

    def __init__(self, processes: Processes, folder: Path) -> None:
        self._processes, self.folder = processes, folder
        self.keys, self.socket = folder / "keys", folder / "signer.sock"
        self.child = self.start()

    def start(self) -> Child:
        """Start it and wait until it answers."""
        command = [*SERVER, *words(self.folder, "signer", "--socket", str(self.socket))]
        started = self._processes.start("signer", command)
        wait_for(self.is_there, 20, "it does not answer")
        self.child = started
        return started

    def end(self, number: signal.Signals) -> int:
        """Send it a signal, and wait until it has gone; its exit code."""
        self.child.send_signal(number)
        self._processes.forget(self.child)
        return self.child.wait(timeout=20)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """It is there, and does nothing."""
        self.child.send_signal(signal.SIGSTOP)
        try:
            wait_for(self._stands_still, 10, "it goes on")
            yield
        finally:
            self.child.send_signal(signal.SIGCONT)
        wait_for(self.is_there, 20, "it does not go on")

    def _stands_still(self) -> bool:
        threads = Path(f"/proc/{self.child.pid}/task").glob("*/stat")
        return all(thread.read_text().rpartition(")")[2].split()[0] == "T" for thread in threads)

    def is_there(self) -> bool:
        """Whether it tells its public keys."""
        try:
            return bool(RemoteSigner(self.socket).public_keys)
        except SignerGone:
            return False

    def connection(self) -> socket.socket:
        """A connection on which the test says every byte."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(10)
        made.connect(str(self.socket))
        return made

    def answers_to(self, said: bytes) -> bytes:
        """All that it answers to these bytes until it leaves, which it may do in the middle."""
        heard = b""
        with self.connection() as line, suppress(BrokenPipeError, ConnectionResetError):
            teller = Thread(target=_tell, args=(line, said))
            teller.start()
            while part := line.recv(65_536):
                heard += part
            teller.join()
        return heard


def _tell(line: socket.socket, said: bytes) -> None:
    with suppress(OSError):
        line.sendall(said)
        line.shutdown(socket.SHUT_WR)


@pytest.fixture
def signing(processes: Processes, tmp_path: Path) -> SigningProcess:
    """A signing process with keys of its own."""
    return SigningProcess(processes, tmp_path)


@pytest.fixture
def remote(signing: SigningProcess) -> RemoteSigner:
    """What a server has of it."""
    return RemoteSigner(signing.socket)


def words(folder: Path, *given: str) -> list[str]:
    return ["--lang", "en", "--folder", str(folder), *given]


def run(folder: Path, *given: str) -> "subprocess.CompletedProcess[str]":
    return run_to_end(*words(folder, *given))


def signs(signer: Signer) -> None:
    """It signs what is right, and a room takes it."""
    asked = encode(command())
    assert PinnedKeys(signer.public_keys).open(Told.COMMAND, signer.sign(Told.COMMAND, asked)) == asked


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_it_signs_opens_with_its_public_keys(remote: RemoteSigner) -> None:
    for message in (
        Ack(SITE, uuid7(), 7, AT),
        command(),
        Config(SITE, "0" * 16, AT, 15.0),
        Certificate(SITE, uuid7(), AT, "certificate " * 200, "authority", AT, "authorities " * 400),
    ):
        payload = signed(remote, message)
        assert PinnedKeys(remote.public_keys[:1]).open(message.kind, payload) == encode(message)
        with pytest.raises(UnknownKey):
            PinnedKeys(remote.public_keys[1:]).open(message.kind, payload)


def test_its_signature_is_that_of_the_key_in_its_folder(signing: SigningProcess, remote: RemoteSigner) -> None:
    files = signer_of(signing.keys, None)
    assert signer_of(signing.keys, signing.socket).public_keys == remote.public_keys == files.public_keys
    body = encode(command())
    assert remote.sign(Told.COMMAND, body) == files.sign(Told.COMMAND, body)


def test_the_largest_message_is_signed(remote: RemoteSigner) -> None:
    body = encode(command()).rjust(MAX_MESSAGE_BYTES)
    assert PinnedKeys(remote.public_keys).open(Told.COMMAND, remote.sign(Told.COMMAND, body)) == body


def test_what_rooms_must_not_be_told_is_refused_and_the_next_is_signed(remote: RemoteSigner) -> None:
    for kind, body in (
        (Told.COMMAND, encode(command(lasts_s=300.001))),
        (Told.COMMAND, encode(command(lasts_s=86_400.0))),
        (Told.COMMAND, b"{}"),
        (Told.COMMAND, b"\xff\x00" * 100),
        (Told.COMMAND, b"keys\nkeys\n"),
        (Told.COMMAND, b"x" * MAX_MESSAGE_BYTES),
        (Told.COMMAND, encode(command())[:-1]),
        (Told.COMMAND, encode(command()) + encode(command())),
        (Told.COMMAND, encode(Config(SITE, "0" * 16, AT, 15.0))),
        (Told.CONFIG, encode(command())),
        (Told.ACK, b""),
    ):
        with pytest.raises(SignerGone) as refused:
            remote.sign(kind, body)
        assert refused.value.key == "signing.refused", body[:100]
        signs(remote)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (Told.COMMAND, encode(command()).rjust(MAX_MESSAGE_BYTES + 1)),
        (Told.COMMAND, b"x" * 200_001),
        (Said.REPORT, b"{}"),
        ("password", b"x" * 40),
        ("k" * 100, b"{}"),
    ],
    ids=["a byte too large", "much too large", "what a room says", "an unknown kind", "a long kind"],
)
def test_an_unknown_kind_or_a_size_out_of_bounds_is_refused_and_the_next_is_signed(
    remote: RemoteSigner, kind: Kind, body: bytes
) -> None:
    for _ in range(2):
        with pytest.raises(SignerGone):
            remote.sign(kind, body)
        signs(remote)


@pytest.mark.parametrize(
    "said",
    [
        b"password 10\nkeys\nkeys\n",
        b"report 5\nkeys\n",
        b"command 65537\n" + b"keys\n" * 14_000,
        b"x" * 100 + b"\n",
        b"command " + b"7".rjust(56, b"0") + b"{}     \n",
    ],
    ids=["an unknown kind", "what a room says", "too large", "a long line", "a line without an end"],
)
def test_the_bytes_of_a_refused_message_are_not_taken_for_requests(signing: SigningProcess, said: bytes) -> None:
    assert signing.answers_to(said) in (b"0\n", b"")


@pytest.mark.parametrize(
    "noise",
    [b"\n", b"command\n", b"command 1 2\n", b"command -1\n", b"command 0\n", b"command x\n", b"\xff 7\n", b"keys \n"],
)
def test_a_line_that_is_no_request_is_refused_at_once(signing: SigningProcess, noise: bytes) -> None:
    with signing.connection() as line, line.makefile("rb") as answers:
        line.sendall(noise)
        assert answers.readline() == b"0\n"
    signs(RemoteSigner(signing.socket))


def test_a_client_that_stops_in_the_middle_of_a_request_holds_up_nobody(
    signing: SigningProcess, remote: RemoteSigner
) -> None:
    with signing.connection() as slow:
        slow.sendall(b"command 400\n{")
        signs(remote)
        signs(RemoteSigner(signing.socket))
    signs(remote)


def test_many_who_ask_at_once_each_get_their_own(signing: SigningProcess, remote: RemoteSigner) -> None:
    pinned = PinnedKeys(remote.public_keys)

    def ask(signer: Signer) -> bool:
        bodies = [encode(command()) for _ in range(50)]
        return all(pinned.open(Told.COMMAND, signer.sign(Told.COMMAND, body)) == body for body in bodies)

    signers: list[Signer] = [remote, remote, *(RemoteSigner(signing.socket) for _ in range(4))]
    with ThreadPoolExecutor(len(signers)) as askers:
        assert all(askers.map(ask, signers))


def test_a_killed_process_is_missed_and_signs_again_when_it_is_started(
    signing: SigningProcess, remote: RemoteSigner
) -> None:
    keys = remote.public_keys
    signing.end(signal.SIGKILL)
    for ask in (lambda: remote.sign(Told.COMMAND, encode(command())), lambda: RemoteSigner(signing.socket)):
        with pytest.raises(SignerGone) as gone:
            ask()
        assert gone.value.key == "signing.gone"
    signing.start()
    signs(remote)
    assert RemoteSigner(signing.socket).public_keys == keys


def test_a_process_that_was_restarted_between_two_messages_is_not_missed(
    signing: SigningProcess, remote: RemoteSigner
) -> None:
    signs(remote)
    signing.end(signal.SIGKILL)
    signing.start()
    signs(remote)


def test_a_process_that_hangs_is_given_up_and_signs_again_when_it_goes_on(
    signing: SigningProcess, remote: RemoteSigner
) -> None:
    with signing.hanging():
        with pytest.raises(SignerGone) as gone:
            remote.sign(Told.COMMAND, encode(command()))
        assert gone.value.key == "signing.gone"
    signs(remote)


def test_a_server_stays_awake_while_its_signing_process_hangs(
    processes: Processes, mosquitto_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites = [f"38-{n}" for n in range(11, 21)]
    rows = "".join(f"{site},{n},Xã {n},commune,38-hub,20.0,105.0,5,5\n" for n, site in enumerate(sites, 15_000))
    fleet = FleetUnderTest(processes, mosquitto_port, tmp_path / "server", rows)
    signing = SigningProcess(processes, fleet.folder)
    monkeypatch.setenv("DIEMCAU_SIGNER", str(signing.socket))
    fleet.start()
    rooms = [SpokenRoom(site, mosquitto_port) for site in sites]
    slowest_s = 0.0
    with signing.hanging():
        for room in rooms:
            room.say(LogBatch(uuid7(), (EventEntry(1, AT, "agent_started"),), 1))
        for _ in range(100):
            began_s = time.monotonic()
            assert fleet.health()
            slowest_s = max(slowest_s, time.monotonic() - began_s)
    for room in rooms:
        room.leave()
    fleet.close()
    assert slowest_s < 4.0, "ten rooms after each other would have kept it for five seconds"


def test_it_ends_in_order_and_takes_its_socket_away(signing: SigningProcess, remote: RemoteSigner) -> None:
    assert signing.end(signal.SIGTERM) == 0
    assert not signing.socket.exists()
    with pytest.raises(SignerGone):
        remote.sign(Told.COMMAND, encode(command()))


def test_nobody_else_may_open_its_socket_or_read_its_keys(signing: SigningProcess) -> None:
    assert stat.S_ISSOCK(signing.socket.stat().st_mode) and mode_of(signing.socket) & 0o007 == 0
    assert mode_of(signing.keys) == 0o700
    assert {file.name: mode_of(file) for file in signing.keys.iterdir()} == {NOW: 0o600, NEXT: 0o600}


def test_keys_are_made_once_and_kept(tmp_path: Path) -> None:
    first = KeyFiles(tmp_path / "keys").public_keys
    assert mode_of(tmp_path / "keys") == 0o700 and {mode_of(file) for file in (tmp_path / "keys").iterdir()} == {0o600}
    assert KeyFiles(tmp_path / "keys").public_keys == first and len(set(first)) == 2
    assert KeyFiles(tmp_path / "others").public_keys != first


@pytest.mark.parametrize("name", [NOW, NEXT])
@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644, 0o666])
def test_a_key_file_that_others_may_open_is_refused(tmp_path: Path, name: str, mode: int) -> None:
    KeyFiles(tmp_path)
    (tmp_path / name).chmod(mode)
    with pytest.raises(WrongSettings) as refused:
        KeyFiles(tmp_path)
    assert refused.value.key == "settings.key_readable" and refused.value.params == {"file": str(tmp_path / name)}
    (tmp_path / name).chmod(0o400)
    signs(KeyFiles(tmp_path))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda kept: b"",
    "half": lambda kept: kept[:22],
    "one short": lambda kept: kept[:-1],
    "31 bytes": lambda kept: base64.b64encode(base64.b64decode(kept)[:-1]),
    "33 bytes": lambda kept: base64.b64encode(base64.b64decode(kept) + b"x"),
    "zeros": lambda kept: bytes(len(kept)),
    "noise": lambda kept: b"\xff" * len(kept),
    "words": lambda kept: "đây không phải là khóa".encode(),
    "folded": lambda kept: kept[:20] + b"\n" + kept[20:],
}


@pytest.mark.parametrize("name", [NOW, NEXT])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_key_file_is_refused_and_left_as_it_is(
    tmp_path: Path, name: str, damage: Callable[[bytes], bytes]
) -> None:
    KeyFiles(tmp_path)
    damaged = damage((tmp_path / name).read_bytes())
    write_whole(tmp_path / name, damaged)
    with pytest.raises(WrongSettings) as refused:
        KeyFiles(tmp_path)
    assert refused.value.key == "settings.key_damaged" and refused.value.params == {"file": str(tmp_path / name)}
    assert (tmp_path / name).read_bytes() == damaged


@pytest.mark.parametrize("given", [("signer", "--socket", "signer.sock"), ("keys", "rotate")], ids=["signer", "rotate"])
def test_a_key_file_that_cannot_be_used_is_named_and_not_shown(tmp_path: Path, given: tuple[str, ...]) -> None:
    key = tmp_path / "keys" / NOW
    KeyFiles(key.parent)
    secret = key.read_text()
    given = tuple(str(tmp_path / word) if word.endswith(".sock") else word for word in given)
    key.chmod(0o640)
    readable = run(tmp_path, *given)
    assert readable.returncode == 2 and f"key file {key}. chmod 600" in readable.stderr
    key.chmod(0o600)
    write_whole(key, secret[:-2].encode())
    damaged = run(tmp_path, *given)
    assert damaged.returncode == 2 and f"{key} is damaged" in damaged.stderr
    for said in (readable, damaged):
        assert "Traceback" not in said.stderr and secret[:-2] not in said.stdout + said.stderr
    assert not (tmp_path / "signer.sock").exists()


def test_rotation_makes_the_next_key_the_present_one_and_a_new_next_one(tmp_path: Path) -> None:
    before = KeyFiles(tmp_path / "keys").public_keys
    rotated = run(tmp_path, "keys", "rotate")
    assert rotated.returncode == 0, rotated.stderr
    after = KeyFiles(tmp_path / "keys")
    assert rotated.stdout.split() == list(after.public_keys)
    assert after.public_keys[0] == before[1] and after.public_keys[1] not in before
    asked = encode(command())
    assert PinnedKeys(before).open(Told.COMMAND, after.sign(Told.COMMAND, asked)) == asked
    assert {mode_of(file) for file in (tmp_path / "keys").iterdir()} == {0o600}


def test_a_rotation_that_was_cut_short_is_finished_at_the_next_start(tmp_path: Path) -> None:
    before = KeyFiles(tmp_path).public_keys
    (tmp_path / NEXT).replace(tmp_path / NOW)
    after = KeyFiles(tmp_path).public_keys
    assert after[0] == before[1] and after[1] not in before


def test_rotation_twice_leaves_nothing_of_the_first_pair(tmp_path: Path) -> None:
    first = KeyFiles(tmp_path)
    asked = encode(command())
    rotate(tmp_path)
    rotate(tmp_path)
    with pytest.raises(UnknownKey):
        PinnedKeys(KeyFiles(tmp_path).public_keys).open(Told.COMMAND, first.sign(Told.COMMAND, asked))
    assert not set(first.public_keys) & set(KeyFiles(tmp_path).public_keys)


def test_a_running_process_signs_with_the_next_key_once_it_is_started_again(
    signing: SigningProcess, remote: RemoteSigner
) -> None:
    before, asked = remote.public_keys, encode(command())
    assert run(signing.folder, "keys", "rotate").returncode == 0
    assert PinnedKeys(before[:1]).open(Told.COMMAND, remote.sign(Told.COMMAND, asked)) == asked
    signing.end(signal.SIGTERM)
    signing.start()
    assert PinnedKeys(before[1:]).open(Told.COMMAND, remote.sign(Told.COMMAND, asked)) == asked
    assert RemoteSigner(signing.socket).public_keys == KeyFiles(signing.keys).public_keys


def test_a_server_beside_a_signing_process_rotates_no_keys_that_sign_nothing(
    signing: SigningProcess, tmp_path: Path
) -> None:
    mine = tmp_path / "server"
    mine.mkdir()
    refused = run_to_end(*words(mine, "keys", "rotate"), env={**os.environ, "DIEMCAU_SIGNER": str(signing.socket)})
    assert refused.returncode == 2 and "runuser -u diemcau-signer" in refused.stderr
    assert list(mine.iterdir()) == []


def test_what_a_signing_process_has_sealed_is_verified_beside_it_also_after_rotations(
    signing: SigningProcess, tmp_path: Path
) -> None:
    content, file = b"%PDF", tmp_path / "minute.pdf"
    seal = encode(MinuteSeal(uuid7(), uuid7(), AT, digest(content)))
    file.write_bytes(sealed(content, RemoteSigner(signing.socket).sign(Announced.MINUTE, seal)))
    for _ in range(3):
        assert run(signing.folder, "keys", "rotate").returncode == 0
    signing.end(signal.SIGTERM)
    signing.start()
    env = {**os.environ, "DIEMCAU_SIGNER": str(signing.socket)}
    verified = run_to_end(*words(tmp_path / "server", "minute", "verify", str(file)), env=env)
    assert verified.returncode == 0 and digest(content) in verified.stdout, verified.stderr
    file.write_bytes(file.read_bytes().replace(b"%PDF", b"%PDG"))
    assert run_to_end(*words(tmp_path / "server", "minute", "verify", str(file)), env=env).returncode == 1


def test_a_secret_replaces_the_file_before_it_whole(tmp_path: Path) -> None:
    file = tmp_path / NOW
    file.write_bytes(b"readable by all")
    file.chmod(0o644)
    (tmp_path / f"{NOW}.new").write_bytes(b"left by one that was killed")
    before = os.umask(0)
    try:
        write_whole(file, base64.b64encode(bytes(SigningKey(bytes(32)))))
    finally:
        os.umask(before)
    assert mode_of(file) == 0o600 and list(tmp_path.iterdir()) == [file]
    write_whole(tmp_path / NEXT, base64.b64encode(bytes(SigningKey(b"x" * 32))))
    body = encode(command())
    assert KeyFiles(tmp_path).sign(Told.COMMAND, body) == sign(SigningKey(bytes(32)), Told.COMMAND, body)
