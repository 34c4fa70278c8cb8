"""The demo's side of the server's API: a token, JSON, and errors that the caller may wait out."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

Ask = Callable[..., Any]
"""`ask(path, body=None, method=None)` below `/api/v1`; raises OSError and ValueError."""
_WITHIN_S = 60.0


class Centre:
    """A client of one server."""

    def __init__(self, address: str, token: str) -> None:
        self.address, self._token = address, token

    def ask(self, path: str, body: object | None = None, method: str | None = None) -> Any:
        """One request; what it answers. Raises OSError (urllib.error.HTTPError among them) and ValueError."""
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        url = f"{self.address}/api/v1{path}"
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - our own server
        with urllib.request.urlopen(request, timeout=_WITHIN_S) as answer:  # noqa: S310
            return json.load(answer)

    def sites(self) -> list[dict[str, Any]]:
        """Every site; nothing while the server does not answer yet."""
        found: list[dict[str, Any]] = []
        cursor = ""
        try:
            while True:
                page = self.ask(f"/sites?limit=1000{cursor}")
                found += page["items"]
                if not page.get("next"):
                    return found
                cursor = f"&cursor={page['next']}"
        except (OSError, ValueError):
            return []

    def admit(self) -> int:
        """Accept every machine that waits; how many that were. The demo's operator compares no fingerprints."""
        waiting = [enrolment for enrolment in self.ask("/enrolments") if enrolment["state"] == "claimed"]
        for enrolment in waiting:
            self.ask(f"/enrolments/{enrolment['id']}/decision", {"accept": True})
        return len(waiting)
