"""Apprise writes to a service: its JSON form, to a real listener."""

import asyncio
import http.server
import importlib.util
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet_server.channels.apprise.channel import Apprise
from fleet_server.channels.channel import Message, Resources, Undelivered
from fleet_server.signing.process import signer_of
from fleet_server.signing.secret_box import SecretBox
from tests.conftest import need
from tests.counterparts.databases import database_in
from wire.times import SystemClock

MESSAGE = Message("Xã Mường Lát: mất điện", "Xã Mường Lát: mất điện, 3 phút", "", "incident.7", True, True, "vi")


class Service:
    """Takes what is posted to it, with the status that it is told to give."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.status = 200
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.heard.append(json.loads(body))
                self.send_response(service.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return None

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"json://127.0.0.1:{self._server.server_address[1]}/alerts"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.close()


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Apprise]:
    need(importlib.util.find_spec("apprise"), "the extra apprise")
    database = database_in(tmp_path)
    clock, box, signer = SystemClock(), SecretBox(tmp_path), signer_of(tmp_path, None)
    yield Apprise(Resources({}, clock, database, box, signer, "https://diemcau.vn"))
    database.close()


def test_a_service_gets_subject_and_text(service: Service, channel: Apprise) -> None:
    assert channel.is_configured and Apprise.takes(service.address) and Apprise.shown(service.address) == "json"
    asyncio.run(channel.send(MESSAGE, service.address))
    (heard,) = service.heard
    assert heard["title"] == MESSAGE.subject and heard["message"] == MESSAGE.text


def test_what_the_service_refuses_did_not_go_out(service: Service, channel: Apprise) -> None:
    service.status = 500
    with pytest.raises(Undelivered) as error:
        asyncio.run(channel.send(MESSAGE, service.address))
    assert not error.value.permanent and service.address not in str(error.value), "the address holds a secret"


@pytest.mark.parametrize("address", ["file:///etc/passwd", "syslog://", "nonsense", "json://a b", "dbus://"])
def test_what_acts_on_this_machine_or_is_no_address_is_refused(address: str) -> None:
    assert not Apprise.takes(address)
