"""Errors of the server. `key` is a text key, `params` fill it, `status` is the HTTP status it becomes.

FleetError
├── NotFound       no such site, device, command or session
├── Invalid        the request cannot be meant so
├── Conflict       it cannot be done now; the reason says what must change first
├── Outdated       what it was asked for is not as they saw it any more
├── BadFile        an imported file has errors; every one of them is named
├── NotSignedIn    nobody has signed in, or not rightly
├── Forbidden      this person may not do this, here
├── TooOften       tried too often; the parameter says how long to wait
├── SignerGone     the signing process does not answer, or will not sign this
└── WrongSettings  the server cannot start like this
"""

from typing import Any, ClassVar


class FleetError(Exception):
    """Something that a person asked for cannot be done."""

    status: ClassVar[int] = 500

    def __init__(self, key: str, **params: Any) -> None:
        super().__init__(f"{key} {params}" if params else key)
        self.key = key
        self.params = params


class NotFound(FleetError):
    """There is no such thing."""

    status = 404


class Invalid(FleetError):
    """The request cannot be meant so."""

    status = 422


class Conflict(FleetError):
    """Not now."""

    status = 409


class Outdated(FleetError):
    """Somebody else has changed it since (RFC 9110, 15.5.13)."""

    status = 412


class BadFile(FleetError):
    """A file with errors; nothing of it was taken."""

    status = 422


class WrongSettings(FleetError):
    """The server cannot start like this."""


class SignerGone(FleetError):
    """Nobody signs what we would say."""

    status = 503


class NotSignedIn(FleetError):
    """Nobody we know."""

    status = 401


class Forbidden(FleetError):
    """Not this person."""

    status = 403


class TooOften(FleetError):
    """Not so soon again."""

    status = 429
