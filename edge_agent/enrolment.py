"""How a machine becomes the agent of a site: a code, a key of its own, a person's yes; then its identity is kept.

The server proves itself by its key, whose fingerprint stands on the sheet with the code; nothing is sent before. No
redirect is followed, and every answer is bounded in size and time.
"""

import base64
import http.client
import platform
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from msgspec import Struct
from nacl.public import PrivateKey

from edge_agent.certificate_request import key_fingerprint, new_request
from edge_agent.errors import CentreAway, EnrolmentFailed, StoreBroken
from edge_agent.identity import SEALING, Identity, save_new, write_private
from wire.fields import Moment, Pem, PublicKey, Short
from wire.identity import is_loopback
from wire.ids import Uuid, uuid7

_WITHIN_S = 15.0
_MAX_BYTES = 65_536
_ASK_EVERY_S = 2.0
_CLAIM_TRIES = 3
_PATH = "/api/v1/enrolments"
T = TypeVar("T")


class Claimed(Struct, frozen=True):
    """The server has taken the code; a person must say yes."""

    id: Uuid
    token: Short
    fingerprint: Short


class Given(Struct, frozen=True):
    """What a room is given; all but `state` only once it is accepted."""

    state: str
    site: str = ""
    broker_host: str = ""
    broker_port: int = 0
    broker_tls: bool = True
    signing_keys: tuple[PublicKey, ...] = ()
    authorities: Pem = ""
    certificate: Pem = ""
    authority: Short = ""
    renew_after: Moment | None = None


class Centre:
    """The server's address and, by HTTPS, the key that it must have."""

    def __init__(self, url: str, fingerprint: str | None) -> None:
        """Raises EnrolmentFailed for an address that would not be safe."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https") or not host:
            raise EnrolmentFailed(f"{url}: is no address of a server; it looks like https://diemcau.example.vn:8443")
        if parts.scheme == "http" and not is_loopback(host):
            raise EnrolmentFailed(f"{url}: a server on another machine is reached by https only")
        self._host, self._is_tls = host, parts.scheme == "https"
        self._port = parts.port or (443 if self._is_tls else 80)
        self._pin = "".join(fingerprint.split()).replace("-", "").replace(":", "").lower() if fingerprint else None
        if fingerprint and not self._pin:
            raise EnrolmentFailed(f"{fingerprint!r} is no fingerprint; give the one on the sheet, or none")

    @property
    def must_show(self) -> bool:
        """Whether a person has yet to compare the fingerprint of the server's key."""
        return self._is_tls and self._pin is None

    def fingerprint(self) -> str:
        """Of the key that the server has now; from here on it must have this one. Raises EnrolmentFailed."""
        connection = self._connect()
        connection.close()
        assert self._pin is not None
        return self._pin

    def ask(self, method: str, path: str, kind: type[T], body: object = None, token: str = "") -> T:
        """One question. Raises EnrolmentFailed with what the server said."""
        headers = {"Accept-Language": "en", "Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        connection = self._connect()
        # A time-out counts for each byte; an answer that drips must end all the same.
        ends = threading.Timer(_WITHIN_S, lambda: _hang_up(connection))
        ends.daemon = True
        try:
            ends.start()
            connection.request(method, path, msgspec.json.encode(body) if body is not None else None, headers)
            answer = connection.getresponse()
            said = answer.read(_MAX_BYTES + 1)
            if answer.length and len(said) <= _MAX_BYTES:
                raise http.client.IncompleteRead(said)
        except (OSError, http.client.HTTPException) as error:
            raise CentreAway(f"{self._host}: does not answer ({type(error).__name__}: {error})") from error
        finally:
            ends.cancel()
            connection.close()
        if answer.status >= HTTPStatus.BAD_REQUEST or len(said) > _MAX_BYTES:
            raise EnrolmentFailed(f"{self._host}: refuses ({answer.status}): {_detail(said)}")
        try:
            return msgspec.json.decode(said, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise EnrolmentFailed(f"{self._host}: gives an answer that is none of DiemCau ({error})") from error

    def _connect(self) -> http.client.HTTPConnection:
        if not self._is_tls:
            return http.client.HTTPConnection(self._host, self._port, timeout=_WITHIN_S)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # its key is what counts, and is compared
        connection = http.client.HTTPSConnection(self._host, self._port, timeout=_WITHIN_S, context=context)
        try:
            connection.connect()
            found = key_fingerprint(connection.sock.getpeercert(binary_form=True) or b"")
        except (OSError, ValueError, TypeError) as error:
            connection.close()
            raise CentreAway(f"{self._host}:{self._port}: cannot be reached by https ({error})") from error
        self._pin = self._pin or found
        if found != self._pin:
            connection.close()
            raise EnrolmentFailed(
                f"{self._host}: has the key {found}, not {self._pin}. Compare with the sheet: another machine may be "
                "answering in the server's place"
            )
        return connection


def enrol(
    folder: Path, centre: Centre, code: str, say: Callable[[str, str], None], within_s: float = 86_400.0
) -> Identity:
    """Ask with the code, wait for a person's yes, keep the identity. `say` is told `(what, text)`: `fingerprint`.

    Raises EnrolmentFailed, StoreBroken.
    """
    pair, sealing = uuid7(), PrivateKey.generate()
    key_file = folder / f"{pair}.key"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        request = new_request(key_file)
    except OSError as error:
        raise StoreBroken(f"{folder}: cannot be written ({error}); see disk and rights") from error
    try:
        public = base64.b64encode(bytes(sealing.public_key)).decode()
        wish = {"code": code, "request": request, "sealing_key": public, "machine": platform.node()[:120]}
        claimed = _claimed(centre, wish)
        say("fingerprint", claimed.fingerprint)
        given = _answer(centre, claimed, within_s)
        identity = _identity_of(given, pair, key_file)
    except EnrolmentFailed:
        key_file.unlink(missing_ok=True)  # whatever identity there was before is as it was
        raise
    try:
        write_private(folder / f"{pair}.pem", given.certificate)
        write_private(folder / f"{SEALING}.key", base64.b64encode(bytes(sealing)).decode())
        save_new(folder, identity)
    except OSError as error:
        raise StoreBroken(f"{folder}: cannot be written ({error}); see disk and rights") from error
    return identity


def _claimed(centre: Centre, wish: dict[str, str]) -> Claimed:
    """What the centre says to the code. An answer that is lost is asked for again, with the same keys."""
    for _ in range(_CLAIM_TRIES - 1):
        try:
            return centre.ask("POST", f"{_PATH}/claim", Claimed, wish)
        except CentreAway:
            time.sleep(_ASK_EVERY_S)
    return centre.ask("POST", f"{_PATH}/claim", Claimed, wish)


def _answer(centre: Centre, claimed: Claimed, within_s: float) -> Given:
    """What the centre gives once a person has said yes; it may be away meanwhile. Raises EnrolmentFailed."""
    until_s = time.monotonic() + within_s
    while True:
        try:
            given = centre.ask("GET", f"{_PATH}/{claimed.id}/identity", Given, token=claimed.token)
        except CentreAway:
            given = Given("claimed")
        if given.state == "accepted":
            return given
        if given.state != "claimed":
            raise EnrolmentFailed("the centre has not accepted this machine; ask it for a new code")
        if time.monotonic() > until_s:
            raise EnrolmentFailed("nobody at the centre has answered in time; ask it for a new code")
        time.sleep(_ASK_EVERY_S)


def _identity_of(given: Given, pair: str, key_file: Path) -> Identity:
    """What was given, once it is seen to fit our key."""
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        ours = key.public_key() == x509.load_pem_x509_certificate(given.certificate.encode()).public_key()
        fields = {name: getattr(given, name) for name in Identity.__struct_fields__ if hasattr(given, name)}
        kept = {"name": pair, "authority": given.authority, "renew_after": given.renew_after}
        identity = msgspec.convert(fields | {"pair": kept}, Identity)
    except (ValueError, msgspec.MsgspecError) as error:
        raise EnrolmentFailed(f"the centre gave an identity that cannot be used ({error})") from error
    if not ours or (not given.broker_tls and not is_loopback(given.broker_host)):
        raise EnrolmentFailed("the centre gave an identity that is not for this machine's key, or is not safe")
    return identity


def _hang_up(connection: http.client.HTTPConnection) -> None:
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def _detail(said: bytes) -> str:
    try:
        return str(msgspec.json.decode(said)["detail"])[:300]
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError):
        return repr(said[:100])
