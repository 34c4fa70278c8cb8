"""Sign-in through the province's own identity provider: OpenID Connect, Authorization Code with PKCE.

OpenID Connect Core 1.0 (3.1), RFC 7636 (PKCE, S256), RFC 9700 (security). The provider is the one in our settings; no
redirect is followed, every answer is bounded, and roles and sites come from claims each time somebody signs in.
"""

import base64
import hashlib
import logging
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from msgspec import Struct

from fleet_server.config import IdentityProvider
from fleet_server.domain.access import Role
from fleet_server.errors import Forbidden, Invalid, NotSignedIn
from wire.times import Clock

log = logging.getLogger("diemcau.people")

_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
_LEEWAY_S = 60
_WITHIN_S = 10.0
_MOST_BYTES = 262_144
_WAITS = timedelta(minutes=10)
_MOST_WAITING = 1_000
_EVERYWHERE = "*"
_KNOWN_FOR_S = 3_600.0
_ASK_KEYS_AGAIN_S = 1.0


class Waiting(Struct, frozen=True):
    """A browser that is away at the provider."""

    nonce: str
    verifier: str
    wanted: str
    until_s: float


class Endpoints(Struct, frozen=True):
    """Of the provider's own description (OpenID Connect Discovery 1.0)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class Vouched(Struct, frozen=True):
    """Whom the provider vouches for, and what that makes of them here."""

    subject: str
    login: str
    name: str
    role: Role
    sites: frozenset[str]
    wanted: str


class Provider:
    """One identity provider."""

    def __init__(self, settings: IdentityProvider, our_url: str, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._answer_url = f"{our_url}/sign-in/provider/answer"
        self._waiting: dict[str, Waiting] = {}
        self._known: tuple[Endpoints, KeySet, float] | None = None

    async def begin(self, wanted: str) -> tuple[str, str]:
        """Where to send a browser, and the state that its cookie must bring back. Raises NotSignedIn."""
        endpoints, _ = await self._endpoints()
        now_s = self._clock.monotonic()
        self._waiting = {state: known for state, known in self._waiting.items() if known.until_s > now_s}
        while len(self._waiting) >= _MOST_WAITING:
            self._waiting.pop(next(iter(self._waiting)))  # whoever asks a thousand times keeps nobody out
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        self._waiting[state] = Waiting(nonce, verifier, wanted, now_s + _WAITS.total_seconds())
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code", "client_id": self._settings.client, "redirect_uri": self._answer_url,
            "scope": "openid profile email", "state": state, "nonce": nonce, "code_challenge": challenge,
            "code_challenge_method": "S256",
        }  # fmt: skip
        join = "&" if urlsplit(endpoints.authorization_endpoint).query else "?"
        return f"{endpoints.authorization_endpoint}{join}{urlencode(asked)}", state

    async def end(self, state: str, cookie: str, code: str) -> Vouched:
        """The browser is back. Raises NotSignedIn, and Forbidden for somebody who has no role here."""
        waiting = self._waiting.pop(state, None)
        if waiting is None or waiting.until_s <= self._clock.monotonic():
            raise NotSignedIn("people.begin_again")
        if not secrets.compare_digest(state.encode(), cookie.encode()):
            raise NotSignedIn("people.begin_again")  # somebody else's answer, slipped to this browser
        endpoints, keys = await self._endpoints()
        body = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self._answer_url,
            "code_verifier": waiting.verifier, "client_id": self._settings.client,
        }  # fmt: skip
        told = await self._fetch(endpoints.token_endpoint, body)
        id_token = str(told.get("id_token", ""))
        try:
            claims = self._claims(id_token, keys, waiting.nonce)
        except NotSignedIn:
            # A key that we do not know may be a new one (OpenID Connect Core 1.0, 10.1.1).
            if self._clock.monotonic() - self._known_at_s < _ASK_KEYS_AGAIN_S:
                raise
            self._known = None
            claims = self._claims(id_token, (await self._endpoints())[1], waiting.nonce)
        return self._vouched(claims, waiting.wanted)

    @property
    def _known_at_s(self) -> float:
        return self._known[2] if self._known is not None else float("-inf")

    def _claims(self, id_token: str, keys: KeySet, nonce: str) -> Mapping[str, Any]:
        rules = jwt.JWTClaimsRegistry(
            now=round(self._clock.now().timestamp()), leeway=_LEEWAY_S,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.client},
            sub={"essential": True}, exp={"essential": True}, iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )  # fmt: skip
        try:
            token = jwt.decode(id_token, keys, algorithms=_ALGORITHMS)
            rules.validate(token.claims)
        except (JoseError, ValueError, TypeError) as error:
            log.warning("id_token_refused error=%s", type(error).__name__)
            raise NotSignedIn("people.provider_wrong") from error
        return token.claims

    def _vouched(self, claims: Mapping[str, Any], wanted: str) -> Vouched:
        given = claims.get(self._settings.role_claim, ())
        said = (
            {given} if isinstance(given, str) else {str(each) for each in given} if isinstance(given, list) else set()
        )
        roles = [Role(role) for value, role in self._settings.roles.items() if value in said]
        if not roles:
            raise Forbidden("people.provider_no_role")
        named = _sites_of(claims.get(self._settings.sites_claim)) if self._settings.sites_claim else frozenset()
        subject = str(claims["sub"])[:200]
        login = str(claims.get("preferred_username") or claims.get("email") or subject).casefold()[:64]
        role = max(roles, key=list(Role).index)
        return Vouched(
            f"{self._settings.issuer} {subject}"[:255],
            login,
            str(claims.get("name") or login)[:120],
            role,
            named,
            wanted,
        )

    async def _endpoints(self) -> tuple[Endpoints, KeySet]:
        now_s = self._clock.monotonic()
        if self._known is None or now_s - self._known[2] > _KNOWN_FOR_S:
            issuer = self._settings.issuer
            try:
                told = await self._fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
                endpoints = msgspec.convert(told, Endpoints)
                for address in (endpoints.authorization_endpoint, endpoints.token_endpoint, endpoints.jwks_uri):
                    must_be_safe(address)
                if endpoints.issuer != issuer:
                    raise ValueError(f"it calls itself {endpoints.issuer}")
                keys = KeySet.import_key_set(await self._fetch(endpoints.jwks_uri))  # type: ignore[arg-type]
            except (msgspec.ValidationError, JoseError, ValueError, Invalid) as error:
                log.error("provider_wrong issuer=%s error=%s", issuer, error)
                raise NotSignedIn("people.provider_wrong") from error
            self._known = endpoints, keys, now_s
        return self._known[0], self._known[1]

    async def _fetch(self, address: str, body: Mapping[str, str] | None = None) -> dict[str, Any]:
        """JSON of the provider's, bounded in size and time. Raises NotSignedIn."""
        account = (self._settings.client, self._settings.secret) if body is not None and self._settings.secret else None
        try:
            async with httpx.AsyncClient(timeout=_WITHIN_S, follow_redirects=False, trust_env=False) as client:
                asked = client.build_request("POST" if body is not None else "GET", address, data=body)
                answer = await client.send(asked, auth=account, stream=True)
                try:
                    found = bytearray()
                    async for part in answer.aiter_bytes():
                        found += part
                        if len(found) > _MOST_BYTES:
                            raise ValueError("an answer that is too large")
                finally:
                    await answer.aclose()
            if answer.status_code != httpx.codes.OK:
                raise ValueError(f"status {answer.status_code}")
            return msgspec.json.decode(bytes(found), type=dict[str, Any])
        except (httpx.HTTPError, ValueError, msgspec.MsgspecError) as error:
            log.warning("provider_failed address=%s error=%s", address, error)
            raise NotSignedIn("people.provider_gone") from error


def _sites_of(claim: object) -> frozenset[str]:
    """The sites that a claim names; none stands for all of them. Raises Forbidden where it does not say."""
    named = claim.split() if isinstance(claim, str) else claim
    if not isinstance(named, list) or not named or not all(isinstance(each, str) for each in named):
        raise Forbidden("people.provider_no_sites")
    return frozenset() if _EVERYWHERE in named else frozenset(named)


def must_be_safe(address: str) -> None:
    """Raises Invalid for an address that is not HTTPS, but on this machine."""
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")):
        raise Invalid("people.provider_wrong")
