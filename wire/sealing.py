"""Secrets on their way to one room: sealed to the key of its machine, so that broker and bystanders cannot read them.

A sealed box of libsodium (X25519, XSalsa20-Poly1305) by PyNaCl. The name is inside, so that no secret can be put in
another's place.
"""

import base64
import binascii

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from wire.errors import NoSealingKey, NotSealedForUs


def seal(public_key: str, name: str, value: str) -> str:
    """The value of a secret of this name, for whoever has the key of this public half (base64). Raises NoSealingKey."""
    try:
        box = SealedBox(PublicKey(base64.b64decode(public_key, validate=True)))
        return base64.b64encode(box.encrypt(f"{name}\n{value}".encode())).decode()
    except (ValueError, TypeError, CryptoError) as error:  # also points of low order (RFC 7748, section 6.1)
        raise NoSealingKey(f"nothing can be sealed to {public_key[:44]!r}") from error


def unseal(private_key: str, name: str, sealed: str) -> str:
    """The value that was sealed. Raises NotSealedForUs."""
    try:
        key = PrivateKey(base64.b64decode(private_key, validate=True))
        found, _, value = SealedBox(key).decrypt(base64.b64decode(sealed, validate=True)).decode().partition("\n")
    except (binascii.Error, ValueError, TypeError, CryptoError) as error:
        raise NotSealedForUs(f"secret {name!r} was not sealed to this machine's key") from error
    if found != name:
        raise NotSealedForUs(f"what is sealed as {name!r} is the secret {found[:64]!r}")
    return value
