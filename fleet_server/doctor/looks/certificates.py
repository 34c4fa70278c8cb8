"""Certificates that end soon: of the authorities, of our own services, of rooms that do not renew theirs."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from cryptography import x509

from fleet_server.config import Settings
from fleet_server.doctor.finding import Finding, fail, ok, warn
from fleet_server.domain.identities import CERTIFICATE_LIVES, RENEW_AFTER
from fleet_server.store.database import Database
from fleet_server.store.identities import valid_until

_SOON = timedelta(days=45)
_ROOM_LATE = CERTIFICATE_LIVES - RENEW_AFTER - timedelta(days=5)
"""A room that has not renewed five days after it should."""


def look(settings: Settings, database: Database, now: datetime) -> Iterator[Finding]:
    """Every certificate in the authority's folder, and the newest of each room."""
    files = sorted({*settings.authority_folder.glob("*.pem"), *settings.broker_folder.glob("broker.pem")})
    if not files:
        yield warn("no_authority", folder=str(settings.authority_folder))
    for file in files:
        try:
            ends_at = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
        except (OSError, ValueError) as error:
            yield fail("certificate_unreadable", file=str(file), error=type(error).__name__)
            continue
        if ends_at <= now:
            yield fail("certificate_ended", file=str(file), at=f"{ends_at:%Y-%m-%d}")
        elif ends_at - now < _SOON:
            yield warn("certificate_ends", file=str(file), at=f"{ends_at:%Y-%m-%d}")
    rooms = database.read_now(lambda db: valid_until(db, now))
    late = sorted(site for site, until in rooms.items() if until - now < _ROOM_LATE)
    if late:
        yield warn("rooms_do_not_renew", count=len(late), sites=", ".join(late[:10]))
    elif files:
        yield ok("certificates_well", count=len(files), rooms=len(rooms))
