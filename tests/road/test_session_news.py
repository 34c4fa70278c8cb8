"""How a session stands is said outward: retained and signed at the broker, signed and retried to a webhook."""

import base64
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from demo.processes import Processes
from fleet_server.sessions.news import SIGNATURE
from tests.counterparts.databases import change_in
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.identity import PUBLIC
from tests.counterparts.spoken_room import SpokenRoom
from tests.counterparts.waiting import wait_for
from wire.announcements import GateNews
from wire.codec import decode
from wire.errors import WireError
from wire.ids import uuid7
from wire.signing import PinnedKeys
from wire.topics import ALL_ANNOUNCED, Announced, Told, gate_topic

KEYS = PinnedKeys(PUBLIC)


class DoorSign:
    """Hears what is said of sessions, and believes only what our keys have signed."""

    def __init__(self, broker_port: int) -> None:
        self.heard: dict[str, GateNews] = {}
        self.retained: list[bool] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, f"door-sign-{uuid7()}", protocol=paho.MQTTv5)
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", broker_port)
        self._client.subscribe(ALL_ANNOUNCED, qos=1)
        self._client.loop_start()

    def _hear(self, _client: Any, _data: Any, message: Any) -> None:
        found = decode(Announced.GATE, KEYS.open(Announced.GATE, bytes(message.payload)))
        assert isinstance(found, GateNews) and message.topic == gate_topic(found.session)
        self.heard[found.session] = found
        self.retained.append(bool(message.retain))

    def leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Listener:
    """A webhook of others: fails as often as it is told to, then takes everything."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.fails, self.asked = 2, 0
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.asked += 1
                if listener.fails > 0:
                    listener.fails -= 1
                    self.send_response(503)
                else:
                    listener.taken.append((self.headers[SIGNATURE], body))
                    self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/gate"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def news(self) -> list[GateNews]:
        """What it was told, each once its signature was found right."""
        return [opened(signature, body) for signature, body in self.taken]


def opened(signature: str, body: bytes) -> GateNews:
    found = decode(Announced.GATE, KEYS.open(Announced.GATE, signature.encode() + b"." + body))
    assert isinstance(found, GateNews)
    return found


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()
    yield found
    found.close()


@pytest.fixture
def telling(processes: Processes, mosquitto_port: int, tmp_path: Path, listener: Listener) -> Iterator[FleetUnderTest]:
    server = FleetUnderTest(processes, mosquitto_port, tmp_path / "server")
    server.environment["DIEMCAU_GATE_WEBHOOK"] = listener.address
    server.start()
    yield server
    server.close()


def plan(fleet: FleetUnderTest, in_min: float = 120) -> str:
    starts_at = datetime.now(UTC) + timedelta(minutes=in_min)
    times = {"starts_at": starts_at.isoformat(), "ends_at": (starts_at + timedelta(hours=1)).isoformat()}
    answer = fleet.client.post("/sessions", json={"title": "Phiên mật", "sites": ["38-1"], **times})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_a_door_sign_and_a_webhook_hear_every_turn_of_a_session(
    telling: FleetUnderTest, mosquitto_port: int, listener: Listener
) -> None:
    room, sign = SpokenRoom("38-1", mosquitto_port), DoorSign(mosquitto_port)
    room.report()
    telling.wait_until("38-1", verdict="ready")
    session = plan(telling)
    now = lambda: (found := sign.heard.get(session)) and (found.decision, found.recommended, found.admitted)  # noqa: E731
    wait_for(lambda: now() == ("none", "go", 1), 10)
    room.report()  # a go rests on reports of the last ten seconds
    decided = telling.client.post(f"/sessions/{session}/decision", json={"decision": "go"})
    assert decided.status_code == 200, decided.text
    wait_for(lambda: now() == ("go", "go", 1), 10)
    late = DoorSign(mosquitto_port)
    wait_for(lambda: session in late.heard, 5, "it is not kept for who comes later")
    assert late.retained[0] and late.heard[session] == sign.heard[session]
    wait_for(lambda: any(news.decision == "go" for news in listener.news), 40, "the webhook was given up")
    assert listener.asked > len(listener.taken), "it did fail at first"
    assert b"M\xe1\xba\xadt" not in b"".join(body for _, body in listener.taken) and b"38-1" not in listener.taken[0][1]
    telling.client.post(f"/sessions/{session}/cancellation", json={"reason": "Dời"})
    wait_for(lambda: sign.heard[session].decision == "cancelled", 10)
    sign.leave()
    late.leave()
    room.leave()


def test_what_is_said_again_after_a_restart_is_what_stands(telling: FleetUnderTest, mosquitto_port: int) -> None:
    session = plan(telling, 30)
    sign = DoorSign(mosquitto_port)
    wait_for(lambda: session in sign.heard, 10)
    assert sign.heard[session].recommended == "no_go"
    telling.kill()
    sign.heard.clear()
    telling.start()
    wait_for(lambda: session in sign.heard, 20, "a server that comes back says nothing")
    sign.leave()


def test_a_session_that_was_cancelled_or_moved_far_away_stands_nowhere_as_it_was(
    telling: FleetUnderTest, mosquitto_port: int
) -> None:
    given_up, moved = plan(telling, 30), plan(telling, 200)
    sign = DoorSign(mosquitto_port)
    wait_for(lambda: {given_up, moved} <= sign.heard.keys(), 10)
    later = datetime.now(UTC) + timedelta(days=9)
    times = {"starts_at": later.isoformat(), "ends_at": (later + timedelta(hours=1)).isoformat()}
    changed = telling.client.put(f"/sessions/{moved}", json={"title": "Phiên mật", "sites": ["38-1"], **times})
    assert changed.status_code == 200, changed.text
    wait_for(lambda: sign.heard[moved].starts_at > later - timedelta(seconds=2), 40, "the door sign has the old time")
    telling.kill()  # between the cancellation and its being said
    change_in(telling.folder, "UPDATE sessions SET cancelled_at = 1, cancelled_why = 'Dời' WHERE id = :id", id=given_up)
    telling.start()
    wait_for(lambda: sign.heard[given_up].decision == "cancelled", 20, "nobody is told that it does not take place")
    sign.leave()


def test_news_are_no_command_and_a_changed_word_is_not_believed(telling: FleetUnderTest, listener: Listener) -> None:
    listener.fails = 0
    plan(telling, 30)
    wait_for(lambda: listener.taken, 20)
    signature, body = listener.taken[0]
    payload = signature.encode() + b"." + body
    for kind in (Told.COMMAND, Told.CONFIG):
        with pytest.raises(WireError):
            KEYS.open(kind, payload)
    with pytest.raises(WireError):
        opened(signature, body.replace(b"no_go", b"go"))
    assert len(base64.urlsafe_b64decode(signature.rsplit(".", 1)[1] + "==")) == 64


def test_a_webhook_on_another_machine_must_be_https(processes: Processes, tmp_path: Path, mosquitto_port: int) -> None:
    fleet = FleetUnderTest(processes, mosquitto_port, tmp_path / "server")
    fleet.environment["DIEMCAU_GATE_WEBHOOK"] = "http://door.example.vn/x"
    with pytest.raises(AssertionError, match="has ended"):
        fleet.start()
    assert "https" in (tmp_path / "server.log").read_text()
    fleet.close()
