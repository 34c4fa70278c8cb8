"""How people prove who they are: passwords by argon2id (RFC 9106), one-time codes by TOTP (RFC 6238)."""

import secrets
from base64 import b64encode

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import ARGON2_VERSION

from fleet_server.errors import Invalid

_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""OWASP's least for argon2id: 19 MiB, two passes. Four at once must not exhaust a small server."""
_LEAST, _MOST = 12, 256
_STEP_S = 30
_ISSUER = "DiemCau"


def password_hash(password: str, login: str) -> str:
    """The hash of a new password. Takes some 50 ms. Raises Invalid for a weak one."""
    if not _LEAST <= len(password) <= _MOST:
        raise Invalid("people.password_length", least=_LEAST, most=_MOST)
    if login and login.casefold() in password.casefold():
        raise Invalid("people.password_has_login")
    if len(set(password)) < 5:
        raise Invalid("people.password_simple")
    return _HASHER.hash(password)


def _nobodys_hash() -> str:
    """Such as no password has, at no cost: random in argon2's form (PHC string format), to be compared in vain."""
    salt, tag = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, 32))
    costs = f"m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${costs}${salt}${tag}"


_NOBODYS = _nobodys_hash()


def is_password(kept: str, password: str) -> bool:
    """Whether it is the password. Takes as long where there is none, so that nobody learns who has an account."""
    try:
        return _HASHER.verify(kept or _NOBODYS, password[:_MOST]) and bool(kept)
    except (Argon2Error, InvalidHashError):
        return False


def new_totp_secret() -> str:
    """160 bits in base32."""
    return pyotp.random_base32()


def totp_address(secret: str, login: str) -> str:
    """What an authenticator app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=_ISSUER)


def totp_step(secret: str, code: str, now: float) -> int | None:
    """The time step of a right code, one before or after included; None for a wrong one."""
    given = "".join(code.split())
    totp = pyotp.TOTP(secret)
    for step in range(int(now) // _STEP_S - 1, int(now) // _STEP_S + 2):
        if secrets.compare_digest(totp.at(step * _STEP_S).encode(), given.encode()):
            return step
    return None
