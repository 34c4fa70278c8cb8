"""Words about identities that room and centre must say alike."""

import ipaddress

_GROUP, _SHOWN = 4, 16


def short(fingerprint: str) -> str:
    """The beginning of a fingerprint, as people compare it at both ends: 64 bits in groups of four."""
    return "-".join(fingerprint[start : start + _GROUP] for start in range(0, _SHOWN, _GROUP))


def is_loopback(host: str) -> bool:
    """Whether a host is this very machine: there alone nobody has to prove who they are."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
