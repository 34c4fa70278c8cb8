"""Ed25519 over the exact bytes of everything that a room is told. Nothing is ever serialised again to be verified.

A signed message is `ed25519.<key id>.<signature>.<JSON>`: still readable with `mosquitto_sub`. What is signed is the
kind of the message before its bytes, so that no signature holds for a message of another kind.
RFC 8032; the library is PyNaCl (libsodium), which costs an agent 1 MB where others cost nine.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from typing import Protocol

from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from wire.announcements import AlertNews, GateNews, MinuteSeal
from wire.codec import MAX_MESSAGE_BYTES, encode
from wire.errors import TooLarge, UnknownKey, Unsigned, WrongSignature
from wire.messages import Ack, Certificate, Command, Config
from wire.topics import Kind

_FORM = b"ed25519"
_OVERHEAD_BYTES = 120
_KEY_BYTES = 32


class Signer(Protocol):
    """Whoever holds a signing key."""

    @property
    def public_keys(self) -> tuple[str, ...]:
        """Base64 of the key that signs now and of the one that will sign next; rooms pin both."""
        ...

    def sign(self, kind: Kind, body: bytes) -> bytes:
        """The signed message."""
        ...


def key_id(public: bytes) -> str:
    """The short name of a public key of 32 bytes."""
    return hashlib.sha256(public).hexdigest()[:16]


def public_key_of(key: SigningKey) -> str:
    """Base64 of a key's public half, as rooms pin it."""
    return base64.b64encode(bytes(key.verify_key)).decode()


def sign(key: SigningKey, kind: Kind, body: bytes) -> bytes:
    """The body as a signed message."""
    signature = key.sign(_signed(kind, body)).signature
    name = key_id(bytes(key.verify_key)).encode()
    return b".".join((_FORM, name, _encoded(signature), body))


def signed(
    signer: Signer, message: Ack | Command | Config | Certificate | GateNews | MinuteSeal | AlertNews
) -> bytes:  # fmt: skip
    """A message as it goes on the wire. Raises TooLarge."""
    return signer.sign(message.kind, encode(message))


class PinnedKeys:
    """The public keys that a room trusts: one that signs now, one that may sign next."""

    def __init__(self, public_keys: Iterable[str]) -> None:
        """Raises Unsigned when one of them is no Ed25519 public key in base64."""
        self._keys: dict[bytes, VerifyKey] = {}
        for public in public_keys:
            try:
                raw = base64.b64decode(public, validate=True)
                self._keys[key_id(raw).encode()] = VerifyKey(raw)
            except (binascii.Error, ValueError, CryptoError) as error:
                raise Unsigned(f"{public[:50]!r} is no Ed25519 public key in base64") from error

    def open(self, kind: Kind, payload: bytes) -> bytes:
        """The exact bytes that were signed. Raises TooLarge, Unsigned, UnknownKey or WrongSignature."""
        if len(payload) > MAX_MESSAGE_BYTES + _OVERHEAD_BYTES:
            raise TooLarge(f"{kind} of {len(payload)} bytes, {MAX_MESSAGE_BYTES} allowed")
        parts = payload.split(b".", 3)
        if len(parts) != 4 or parts[0] != _FORM:
            raise Unsigned(f"{kind} without a signature")
        _, name, encoded, body = parts
        key = self._keys.get(name)
        if key is None:
            raise UnknownKey(f"{kind} signed by a key that this room has not pinned: {name[:16]!r}")
        try:
            signature = base64.b64decode(encoded + b"==", altchars=b"-_", validate=True)
            if _encoded(signature) != encoded:
                raise ValueError("a signature has one form only")
            key.verify(_signed(kind, body), signature)
        except (binascii.Error, ValueError, CryptoError) as error:
            raise WrongSignature(f"{kind} was changed after it was signed, or not signed by {name.decode()}") from error
        return body


def _encoded(signature: bytes) -> bytes:
    return base64.urlsafe_b64encode(signature).rstrip(b"=")


def _signed(kind: Kind, body: bytes) -> bytes:
    return b"diemcau/v1/" + kind.encode() + b"\n" + body
