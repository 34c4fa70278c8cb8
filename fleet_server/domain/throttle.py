"""How often a password may be tried. A guesser waits longer and longer; the person whose account it is does not.

Failures count for the pair of account and address, so that nobody locks out somebody else. Guessing from many addresses
is bounded for the account as a whole, but never for a browser that has signed in to it before.
"""

from collections.abc import Mapping

from msgspec import Struct

_FREE = 5
_FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 900.0
_FORGOTTEN_S = 3_600.0
_ACCOUNT_FREE = 50
_ACCOUNT_WAIT_S = 60.0


class Failures(Struct, frozen=True):
    """Wrong passwords in a row."""

    count: int = 0
    last_at: float = 0.0
    """Seconds since the epoch."""


def wait_s(pair: Failures, account: Failures, known_browser: bool, now: float) -> float:
    """Seconds until another try is looked at; 0: now."""
    waits = 0.0
    if pair.count >= _FREE and now - pair.last_at < _FORGOTTEN_S:
        pause_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(pair.count - _FREE, 20))
        waits = max(waits, pair.last_at + pause_s - now)
    if not known_browser and account.count >= _ACCOUNT_FREE and now - account.last_at < _FORGOTTEN_S:
        waits = max(waits, account.last_at + _ACCOUNT_WAIT_S - now)
    return min(waits, _LONGEST_WAIT_S)  # also where the clock was set back


def after_failure(failures: Failures, now: float) -> Failures:
    """One more; after an hour without any it begins anew."""
    count = failures.count if now - failures.last_at < _FORGOTTEN_S else 0
    return Failures(count + 1, now)


def still_counting(failures: Mapping[str, Failures], now: float) -> dict[str, Failures]:
    """Those that are not forgotten."""
    return {key: known for key, known in failures.items() if now - known.last_at < _FORGOTTEN_S}
