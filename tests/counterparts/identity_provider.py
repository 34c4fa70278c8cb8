"""An OpenID provider with real protocol behind it (authlib, Flask), which can be told to lie in one point at a time."""

import io
import json
import logging
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from werkzeug.serving import make_server

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from authlib.oauth2.rfc7636 import create_s256_code_challenge
    from oidc_provider_mock import User, app

from device_drivers.loopback import free_port

Claims = dict[str, Any]
Answer = tuple[str, list[tuple[str, str]], bytes]


class IdentityProvider:
    """Its people are `users`. What it says can be changed: `claims` of the token, its key, whole answers by path.

    The package beneath does not check PKCE: this does, for each code (RFC 7636, S256). It signs with a key of its own.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.issuer = f"http://127.0.0.1:{port}"
        self.key = RSAKey.generate_key(2048, {"kid": "first"})
        self.published: list[RSAKey] = [self.key]
        self.secret = "the client's own secret, of 40 characters"
        self.claims: Callable[[Claims], Claims] = lambda claims: claims
        self.algorithm = "RS256"
        self.answers: dict[str, Answer] = {}
        """Path -> what is said there instead."""
        self.asked: list[str] = []
        self.pkce_failures = 0
        self._challenges: dict[str, str] = {}
        self._app = app(require_nonce=True)
        self._app.debug = False
        logging.getLogger("werkzeug").setLevel(logging.ERROR)

    def user(self, subject: str, **claims: Any) -> None:
        """Somebody who has an account there."""
        answer = httpx.put(f"{self.issuer}/users/{subject}", json=User(sub=subject, claims=claims).claims)
        assert answer.status_code == 204, answer.text

    def approve(self, address: str, subject: str) -> str:
        """The person signs in at the address that a browser was sent to; where it is sent back to."""
        answer = httpx.post(address, data={"sub": subject}, timeout=30)
        assert answer.status_code == 302, answer.text
        return str(answer.headers["location"])

    def honest(self) -> None:
        """Lie no more."""
        self.claims, self.algorithm, self.answers = lambda claims: claims, "RS256", {}
        self.key = self.published[-1]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.asked.append(path)
        if path in self.answers:
            status, headers, body = self.answers[path]
            start_response(status, headers)
            return [body]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        sent = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if path == "/oauth2/token" and not self._is_verified(sent, environ):
            start_response("400 Bad Request", [("Content-Type", "application/json")])
            return [b'{"error": "invalid_grant"}']
        told: list[Any] = []
        answer = b"".join(self._app.wsgi_app(environ, lambda status, headers, *_: told.extend((status, headers))))
        status, headers = told
        if path == "/oauth2/authorize" and status.startswith("302"):
            back = parse_qs(urlsplit(dict(headers)["Location"]).query)
            challenge = parse_qs(environ["QUERY_STRING"])
            if challenge.get("code_challenge_method") == ["S256"] and "code" in back:
                self._challenges[back["code"][0]] = challenge["code_challenge"][0]
        elif path == "/oauth2/token" and status.startswith("200"):
            answer = self._signed_anew(answer)
        elif path == "/jwks":
            answer = json.dumps(KeySet(list(self.published)).as_dict(private=False)).encode()
        headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start_response(status, [*headers, ("Content-Length", str(len(answer)))])
        return [answer]

    def _is_verified(self, sent: dict[str, str], environ: dict[str, Any]) -> bool:
        """The verifier fits the challenge of this code, and the client has shown its secret."""
        verifier, challenge = sent.get("code_verifier", ""), self._challenges.get(sent.get("code", ""), "-")
        fits = 43 <= len(verifier) <= 128 and create_s256_code_challenge(verifier) == challenge
        self.pkce_failures += not fits
        account = httpx.BasicAuth("diemcau", self.secret)._auth_header
        return fits and environ.get("HTTP_AUTHORIZATION") == account

    def _signed_anew(self, answer: bytes) -> bytes:
        told = json.loads(answer)
        found = jwt.decode(told["id_token"], self._own_key(), algorithms=["RS256"])
        header = {"alg": self.algorithm, "kid": self.key.kid}
        told["id_token"] = jwt.encode(header, self.claims(dict(found.claims)), self.key, algorithms=[self.algorithm])
        return json.dumps(told).encode()

    def _own_key(self) -> Any:
        with self._app.test_client() as client:
            return KeySet.import_key_set(client.get("/jwks", base_url=self.issuer).get_json())


@contextmanager
def identity_provider(port: int | None = None) -> Iterator[IdentityProvider]:
    """One that listens until the block ends."""
    provider = IdentityProvider(port or free_port())
    server = make_server("127.0.0.1", provider.port, provider, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
