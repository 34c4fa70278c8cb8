"""Settings of the broker that would lose messages or let somebody in."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cryptography import x509

from fleet_server.broker.mosquitto import CENTRE, CONF, CRL
from fleet_server.config import Settings
from fleet_server.doctor.finding import Finding, fail, ok, warn
from fleet_server.store.database import Database

_LEAST = {"max_queued_messages": 10_000, "max_packet_size": 70_000, "max_inflight_messages": 1_000}
_MUST = {"persistence": "true", "allow_anonymous": "false", "acl_file": ""}
"""For the broker as a whole; an empty value: whatever it says, it must say something."""
_DOORS = {"tls_version": "tlsv1.3", "cafile": "", "require_certificate": "true", "use_identity_as_username": "true"}
_OUTER = {"crlfile": "", "use_username_as_clientid": "true"}
"""For every door but the server's own."""


def look(settings: Settings, database: Database, now: datetime) -> Iterator[Finding]:
    """mosquitto.conf as `broker config` has written it, or as somebody has changed it since."""
    if not settings.broker_tls:
        yield warn("broker_without_tls")
        return
    file = settings.broker_folder / CONF
    try:
        whole, *doors = _blocks(file.read_text(encoding="utf-8"))
    except OSError:
        yield fail("broker_not_configured", file=str(file))
        return
    wrong = _missing(whole, _MUST) + [
        f"{name} {least}" for name, least in _LEAST.items()
        if not (number := whole.get(name, "x")).isdigit() or 0 < int(number) < least
    ]  # fmt: skip
    for door in doors:
        wrong += _missing(door, _DOORS) + (
            _missing(door, _OUTER) if Path(door.get("cafile", "")).name != CENTRE else []
        )
    if wrong:
        yield fail("broker_settings", file=str(file), settings="; ".join(wrong))
    try:
        lists = (settings.broker_folder / CRL).read_bytes().split(b"-----BEGIN")
        ends_at = [
            x509.load_pem_x509_crl(b"-----BEGIN" + part).next_update_utc for part in lists if part.strip()
        ]  # fmt: skip
    except (OSError, ValueError):
        yield fail("revocations_unreadable", file=str(settings.broker_folder / CRL))
        return
    if any(at is not None and at <= now for at in ends_at):
        yield fail("revocations_ended", file=str(settings.broker_folder / CRL))
    elif not wrong:
        yield ok("broker_well")


def _blocks(text: str) -> list[dict[str, str]]:
    """What is said for the broker as a whole, then for each of its listeners."""
    found: list[dict[str, str]] = [{}]
    for line in text.splitlines():
        name, _, value = line.strip().partition(" ")
        if not name or name.startswith("#"):
            continue
        if name == "listener":
            found.append({})
        found[-1][name] = value.strip()
    return found


def _missing(said: dict[str, str], wanted: dict[str, str]) -> list[str]:
    return [
        f"{name} {value or '…'}" for name, value in wanted.items()
        if not said.get(name) or (value and said[name] != value)
    ]  # fmt: skip
