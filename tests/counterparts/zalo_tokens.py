"""Zalo's OAuth v4, as its public material has it: consent, codes, refresh tokens that are good for one use."""

import base64
import hashlib
import json
import secrets
import threading
from urllib.parse import parse_qs, urlencode

from tests.counterparts.zalo_answers import Answer, said

APP, SECRET, ACCOUNT = "4120000000000000001", "an app's secret word", "579745863508352884"


class ZaloTokens:
    """The pair that is good now, and what became of those before it."""

    def __init__(self) -> None:
        super().__init__()
        self.violations: list[str] = []
        self.access, self.refresh = _token("access"), _token("refresh")
        self.used: set[str] = set()
        self.dead_access: set[str] = set()
        self.refreshes = 0
        self.refresh_fault = ""
        """`lost`: the pair is made and the answer is not given; `empty`: HTTP 200 without a body."""
        self.callback = ""
        """As the console has it; empty: the first one that comes is taken."""
        self._codes: dict[str, str] = {}
        self._refreshing = threading.Lock()

    def consent(self, query: str) -> Answer:
        """The page where the administrator says yes; they always do."""
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        if asked.get("app_id") != APP:
            return said(-14002, error_name="Invalid appId")
        self.callback = self.callback or asked.get("redirect_uri", "")
        if asked.get("redirect_uri") != self.callback:
            return said(-14003, error_name="Invalid redirect uri")
        if "code_verifier" in asked or len(asked.get("code_challenge", "")) != 43:
            self.violations.append("a challenge that is none")
        code = secrets.token_urlsafe(24)
        self._codes[code] = asked.get("code_challenge", "")
        back = urlencode({"code": code, "oa_id": ACCOUNT, "state": asked.get("state", "")})
        return 302, b"", {"Location": f"{self.callback}?{back}"}

    def tokens(self, headers: dict[str, str], body: bytes) -> Answer | None:
        """A code or a refresh token for a new pair."""
        if not self._refreshing.acquire(blocking=False):
            self.violations.append("two refreshes at once")
            return said(-14014, error_name="Invalid refresh token.")
        try:
            form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            if headers.get("content-type", "") != "application/x-www-form-urlencoded":
                self.violations.append("tokens asked for by something else than a form")
            if "secret_key" in form:
                self.violations.append("the secret in a body")
            if headers.get("secret_key") != SECRET:
                return said(-14004, error_name="Invalid secret key")
            if form.get("app_id") != APP:
                return said(-14002, error_name="Invalid appId")
            return self._exchanged(form) if form.get("grant_type") == "authorization_code" else self._refreshed(form)
        finally:
            self._refreshing.release()

    def _exchanged(self, form: dict[str, str]) -> Answer:
        challenge = self._codes.pop(form.get("code", ""), None)
        raw = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if challenge is None or base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != challenge:
            return said(-14014, error_name="Invalid code")
        return self._pair()

    def _refreshed(self, form: dict[str, str]) -> Answer | None:
        given = form.get("refresh_token", "")
        if given in self.used:
            if self.refresh_fault != "lost":
                self.violations.append("a refresh token used twice")
            return (200, b"", {}) if self.refresh_fault == "empty" else said(-14020)
        if given != self.refresh or form.get("grant_type") != "refresh_token":
            return said(-14014, error_name="Invalid refresh token.")
        self.refreshes += 1
        answer = self._pair()
        if self.refresh_fault == "lost":
            return None
        return (200, b"", {}) if self.refresh_fault == "empty" else answer

    def _pair(self) -> Answer:
        self.used.add(self.refresh)
        self.dead_access.add(self.access)
        self.access, self.refresh = _token("access"), _token("refresh")
        pair = {"access_token": self.access, "refresh_token": self.refresh, "expires_in": "90000"}
        return 200, json.dumps(pair).encode(), {}


def _token(kind: str) -> str:
    return f"{kind}-{secrets.token_hex(20)}"
