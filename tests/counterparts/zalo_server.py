"""A stand-in for Zalo: tokens by OAuth v4, the Official Account's messages, templates by phone, the bot platform.

It behaves as the public material of 2026 says: errors come with HTTP 200, a refresh token is good for one use, the old
access token dies with it. What that material forbids is a violation, which a test must not leave behind.
"""

import json
import secrets
import threading
import time
import unicodedata
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

APP, SECRET, BOT = "4120000000000000001", "an app's secret word", "123456:bot-token"
_WINDOW_S = 7 * 86_400
_MOST_CHARACTERS = 2_000


class ZaloServer:
    """One process, all three hosts. `now` can be turned; `faults` make the next answers go wrong."""

    def __init__(self) -> None:
        self.access, self.refresh = _token("access"), _token("refresh")
        self.used: set[str] = set()
        self.dead_access: set[str] = set()
        self.refreshes = 0
        self.refresh_fault = ""
        """`lost`: the pair is made and the answer is not given; `empty`: HTTP 200 without a body."""
        self.down = False
        self.error = 0
        """Every message is answered with this error."""
        self.per_minute = 100
        self.last_interaction: dict[str, float] = {}
        self.groups = {"f414c8f76fa586fbdfb4"}
        self.templates = {"301234"}
        self.inbox: list[dict[str, Any]] = []
        self.violations: list[str] = []
        self._calls: list[float] = []
        self._refreshing = threading.Lock()
        self._lock = threading.Lock()
        self._stopped = False
        standin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

            def _answer(self, body: bytes) -> None:
                found = standin.answer(self.command, self.path, dict(self.headers), body)
                if found is None:
                    self.close_connection = True
                    return
                status, content = found
                self.send_response(status)
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

    def sent_to(self, address: str) -> list[str]:
        """Texts that arrived at a person, a group or a chat."""
        with self._lock:
            return [said["text"] for said in self.inbox if said["to"] == address]

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes] | None:
        """Status and content; None: the line breaks."""
        where = urlsplit(path)
        if self.down:
            return 502, b"<html>502 Bad Gateway</html>"
        if "authorization" in {name.lower() for name in headers}:
            self.violations.append("a Bearer header")
        if "access_token" in parse_qs(where.query) or "secret_key" in parse_qs(where.query):
            self.violations.append("a token in an address")
        if where.path == "/v4/oa/access_token":
            return self._tokens(headers, body)
        if where.path.startswith("/bot"):
            return self._bot(where.path, body)
        return self._official(where.path, headers, body)

    def _tokens(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes] | None:
        if not self._refreshing.acquire(blocking=False):
            self.violations.append("two refreshes at once")
            return _said(-14014, error_name="Invalid refresh token.")
        try:
            form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            if "secret_key" in form:
                self.violations.append("the secret in a body")
            if headers.get("secret_key", headers.get("Secret_key", "")) != SECRET:
                return _said(-14004, error_name="Invalid secret key")
            given = form.get("refresh_token", "")
            if given in self.used:
                if self.refresh_fault != "lost":
                    self.violations.append("a refresh token used twice")
                return (200, b"") if self.refresh_fault == "empty" else _said(-14020)
            if given != self.refresh or form.get("app_id") != APP or form.get("grant_type") != "refresh_token":
                return _said(-14014, error_name="Invalid refresh token.")
            self.refreshes += 1
            self.used.add(self.refresh)
            self.dead_access.add(self.access)
            self.access, self.refresh = _token("access"), _token("refresh")
            if self.refresh_fault == "lost":
                return None
            if self.refresh_fault == "empty":
                return 200, b""
            pair = {"access_token": self.access, "refresh_token": self.refresh, "expires_in": "90000"}
            return 200, json.dumps(pair).encode()
        finally:
            self._refreshing.release()

    def _official(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if self._stopped:
            self.violations.append("a call after the account was stopped")
        with self._lock:
            self._calls = [at for at in self._calls if time.monotonic() - at < 60]
            self._calls.append(time.monotonic())
            if len(self._calls) > self.per_minute:
                return _said(-32)
        given = headers.get("access_token", headers.get("Access_token", ""))
        if given != self.access:
            return _said(-220 if given in self.dead_access else -216)
        if path == "/v2.0/oa/getoa":
            return _said(0, {"oaid": "1", "oa_type": 4, "is_verified": True})
        if self.error:
            self._stopped = self.error in (-219, -224)
            return _said(self.error)
        try:
            said = json.loads(body)
        except ValueError:
            return _said(-201)
        if path == "/v3.0/oa/group/message":
            return self._group(said)
        if path == "/v3.0/oa/message/cs":
            return self._person(said)
        if path in ("/v3.0/oa/message/template", "/message/template"):
            return self._template(path, said)
        return _said(-201)

    def _group(self, said: dict[str, Any]) -> tuple[int, bytes]:
        group, text = said.get("recipient", {}).get("group_id"), said.get("message", {}).get("text")
        if group not in self.groups:
            return _said(-403)
        if "attachment" in said["message"] or not self._is_text(text):
            return _said(-201)
        if any(part.isdigit() and len(part) >= 9 for part in text.split()):
            self.violations.append("a telephone number in a group")
        return self._taken(group, text, {"group_id": group})

    def _person(self, said: dict[str, Any]) -> tuple[int, bytes]:
        user, text = said.get("recipient", {}).get("user_id"), said.get("message", {}).get("text")
        if user not in self.last_interaction:
            return _said(-213)
        if time.time() - self.last_interaction[user] > _WINDOW_S:
            return _said(-230)
        if not self._is_text(text):
            return _said(-210)
        return self._taken(user, text, {"user_id": user, "quota": {"quota_type": "reply"}})

    def _template(self, path: str, said: dict[str, Any]) -> tuple[int, bytes]:
        if said.get("template_id") not in self.templates:
            return _said(-109)
        if any(len(value) > 90 for value in said["template_data"].values()):
            return _said(-1121)
        to = said.get("user_id") or said.get("phone")
        name = "message_id" if path.startswith("/v3.0") else "msg_id"
        return self._taken(str(to), json.dumps(said["template_data"], ensure_ascii=False), {}, name)

    def _taken(self, to: str, text: str, data: dict[str, Any], name: str = "message_id") -> tuple[int, bytes]:
        if text != unicodedata.normalize("NFC", text):
            self.violations.append("a text that is not NFC")
        with self._lock:
            self.inbox.append({"to": to, "text": text, "at": time.monotonic()})
            number = str(9_007_199_254_740_993 + len(self.inbox))
        return _said(0, {name: number, "sent_time": str(round(time.time() * 1000)), **data})

    def _is_text(self, text: object) -> bool:
        return isinstance(text, str) and 0 < len(text) <= _MOST_CHARACTERS

    def _bot(self, path: str, body: bytes) -> tuple[int, bytes]:
        token, _, name = path.removeprefix("/bot").partition("/")
        if token != BOT:
            return 200, json.dumps({"ok": False, "error_code": 401, "description": "Unauthorized"}).encode()
        if name == "getMe":
            return 200, json.dumps({"ok": True, "result": {"id": "1", "account_name": "Bot DiemCau"}}).encode()
        said = json.loads(body)
        if not self._is_text(said.get("text")):
            return 200, json.dumps({"ok": False, "error_code": 400, "description": "Bad Request"}).encode()
        self.inbox.append({"to": said["chat_id"], "text": said["text"], "at": time.monotonic()})
        return 200, json.dumps({"ok": True, "result": {"message_id": str(len(self.inbox)), "date": 0}}).encode()


def _said(error: int, data: dict[str, Any] | None = None, **more: Any) -> tuple[int, bytes]:
    message = "Success" if error == 0 else "error"
    said = {"error": error, "message": message, **({"data": data} if data is not None else {}), **more}
    return 200, json.dumps(said).encode()


def _token(kind: str) -> str:
    return f"{kind}-{secrets.token_hex(20)}"
