"""Zalo's OAuth v4: consent by an administrator in a browser, codes and refresh tokens turned into pairs of tokens."""

import base64
import hashlib
from collections.abc import Mapping
from urllib.parse import urlencode

import httpx
from msgspec import Struct

from fleet_server.signing.secret_box import SecretBox
from fleet_server.zalo.settings import ZaloSettings

WITHIN_S = 10.0


class Pair(Struct, frozen=True):
    """Both tokens; the refresh token is good for one use."""

    access: str
    refresh: str


class Refused(Struct, frozen=True):
    """No pair: what Zalo said instead. Never the body, which may hold a token."""

    code: str
    name: str


def verifier_of(settings: ZaloSettings, box: SecretBox) -> str:
    """The PKCE verifier (RFC 7636), one for each app: Zalo's console keeps the challenge, so that both are fixed."""
    return _base64url(box.derived(f"zalo consent {settings.app}"))


def challenge_of(verifier: str) -> str:
    """As it is entered in the console: base64url without padding of the raw SHA-256."""
    return _base64url(hashlib.sha256(verifier.encode("ascii")).digest())


def consent_address(settings: ZaloSettings, callback: str, verifier: str, state: str) -> str:
    """Where the account's administrator gives consent; Zalo sends the browser back to `callback`."""
    asked = {
        "app_id": settings.app, "redirect_uri": callback, "code_challenge": challenge_of(verifier), "state": state
    }  # fmt: skip
    return f"{settings.oauth}/v4/oa/permission?{urlencode(asked)}"


async def ask(settings: ZaloSettings, grant: Mapping[str, str]) -> Pair | Refused:
    """One question for a pair. Raises httpx.HTTPError where nobody knows what became of it."""
    url, headers = f"{settings.oauth}/v4/oa/access_token", {"secret_key": settings.secret}
    async with httpx.AsyncClient(timeout=WITHIN_S, follow_redirects=False, trust_env=False) as client:
        answer = await client.post(url, data={"app_id": settings.app, **grant}, headers=headers)
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise httpx.HTTPStatusError("", request=answer.request, response=answer)
    try:
        said = answer.json() if answer.content.strip() else {}
    except ValueError:
        said = {}
    found = said if isinstance(said, dict) else {}
    access, refresh = found.get("access_token"), found.get("refresh_token")
    if isinstance(access, str) and access and isinstance(refresh, str) and refresh:
        return Pair(access, refresh)
    return Refused(str(found.get("error", "empty"))[:20], str(found.get("error_name", ""))[:60])


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
