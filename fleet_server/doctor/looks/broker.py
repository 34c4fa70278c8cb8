"""Settings of the broker that would lose messages or let somebody in."""

from collections.abc import Iterator
from datetime import datetime

from cryptography import x509

from fleet_server.broker.mosquitto import CONF, CRL
from fleet_server.config import Settings
from fleet_server.doctor.finding import Finding, fail, ok, warn
from fleet_server.store.database import Database

_LEAST = {"max_queued_messages": 10_000, "max_packet_size": 70_000, "max_inflight_messages": 1_000}
_MUST = {
    "persistence": "true", "allow_anonymous": "false", "require_certificate": "true",
    "use_identity_as_username": "true", "tls_version": "tlsv1.3", "retain_available": "true",
}  # fmt: skip


def look(settings: Settings, database: Database, now: datetime) -> Iterator[Finding]:
    """mosquitto.conf as `broker config` has written it, or as somebody has changed it since."""
    if not settings.broker_tls:
        yield warn("broker_without_tls")
        return
    file = settings.broker_folder / CONF
    try:
        said = _said(file.read_text(encoding="utf-8"))
    except OSError:
        yield fail("broker_not_configured", file=str(file))
        return
    wrong = [f"{name} {value}" for name, value in _MUST.items() if set(said.get(name, [])) != {value}]
    wrong += [
        f"{name} {least}" for name, least in _LEAST.items()
        if not all(value.isdigit() and (int(value) == 0 or int(value) >= least) for value in said.get(name, ["x"]))
    ]  # fmt: skip
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


def _said(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.strip().partition(" ")
        if name and not name.startswith("#"):
            found.setdefault(name, []).append(value.strip())
    return found
