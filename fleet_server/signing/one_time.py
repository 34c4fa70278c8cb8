"""Codes that are given out once and kept as a hash alone."""

import hashlib
import secrets


def new_key() -> str:
    """256 bits for a cookie, a token or a link."""
    return secrets.token_urlsafe(32)


def new_code() -> str:
    """192 bits: short enough to be sent in a message."""
    return secrets.token_urlsafe(24)


def hash_of(secret: str) -> str:
    """SHA-256 as it is kept: all such codes are random and long, so that no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()
