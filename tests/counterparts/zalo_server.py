"""A stand-in for Zalo: tokens by OAuth v4, messages of an Official Account, templates, the bot platform, webhooks.

It behaves as the public material of 2026 says: errors come with HTTP 200, a refresh token is good for one use, the old
access token dies with it. What that material forbids is a violation, which a test must not leave behind.
"""

import hashlib
import json
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.counterparts.zalo_answers import Answer
from tests.counterparts.zalo_bots import BOT, ZaloBots
from tests.counterparts.zalo_messages import GROUP, Template
from tests.counterparts.zalo_tokens import ACCOUNT, APP, SECRET

__all__ = ["ACCOUNT", "APP", "BOT", "GROUP", "SECRET", "WEBHOOK_SECRET", "Template", "ZaloServer"]

WEBHOOK_SECRET = "what the webhook is signed with"


class ZaloServer(ZaloBots):
    """One process, all three hosts. `down` takes them all away."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.answers = threading.Event()
        """Nothing is answered while it is not set."""
        self.answers.set()
        self.webhook = ""
        """Where events go to; as the console has it."""
        standin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

            def _answer(self, body: bytes) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                found = standin.answer(self.command, self.path, headers, body)
                if found is None:
                    self.close_connection = True
                    return
                status, content, more = found
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Gone."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer | None:
        """Status, content and headers; None: the line breaks."""
        where = urlsplit(path)
        self.answers.wait(60)
        if self.down:
            return 502, b"<html>502 Bad Gateway</html>", {}
        if "authorization" in headers:
            self.violations.append("a Bearer header")
        if {"access_token", "secret_key"} & parse_qs(where.query).keys():
            self.violations.append("a token in an address")
        if where.path == "/v4/oa/permission":
            return self.consent(where.query)
        if where.path == "/v4/oa/access_token":
            return self.tokens(headers, body)
        if where.path.startswith("/bot"):
            return self.bot(where.path, body)
        return self.official(method, where.path, where.query, headers, body)

    def reply(self, user: str, text: str, secret: str = WEBHOOK_SECRET, sent_s: float | None = None) -> int:
        """A person writes to the account; what our webhook said to it, as HTTP status."""
        self.last_interaction[user] = self.now()
        said = {"event_name": "user_send_text", "sender": {"id": user}, "recipient": {"id": ACCOUNT},
                "message": {"msg_id": f"m{len(self.inbox)}", "text": text}}  # fmt: skip
        return self.tell(said, secret, sent_s)

    def reached(self, message: str, user: str) -> int:
        """A message came to a person's telephone."""
        said = {"event_name": "user_received_message", "sender": {"id": ACCOUNT}, "recipient": {"id": user},
                "message": {"msg_id": message}}  # fmt: skip
        return self.tell(said)

    def tell(self, event: dict[str, Any], secret: str = WEBHOOK_SECRET, sent_s: float | None = None) -> int:
        """One event to the webhook, signed as Zalo signs; the status of its answer."""
        stamp = str(round((self.now() if sent_s is None else sent_s) * 1_000))
        body = json.dumps({"app_id": APP, **event, "timestamp": stamp}, ensure_ascii=False).encode()
        mac = hashlib.sha256(APP.encode() + body + stamp.encode() + secret.encode()).hexdigest()
        headers = {
            "Content-Type": "application/json", "X-ZEvent-Signature": f"mac={mac}", "X-ZEvent-Timestamp": stamp
        }  # fmt: skip
        asked = urllib.request.Request(self.webhook, body, headers, method="POST")
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
