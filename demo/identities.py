"""Identities for many rooms at once, as a workshop prepares machines before they are carried to their rooms.

The server's own authority issues the certificates and its database keeps them, exactly as after an enrolment by code;
only the code and the waiting for a person's yes are left out. This machine's own room enrols by code.
"""

import base64
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct
from nacl.public import PrivateKey

from edge_agent.identity import FOLDER, SEALING, Identity, Pair, save_new
from fleet_server.authority.certificates import fingerprint_of, issue
from fleet_server.authority.files import AuthorityFiles
from fleet_server.domain.identities import CERTIFICATE_LIVES, RENEW_AFTER
from fleet_server.signing.keys import KeyFiles
from fleet_server.store import identities
from fleet_server.store.database import Database
from fleet_server.store.identities import CertificateRow, EnrolmentRow, EnrolmentState
from wire.ids import uuid7
from wire.times import Clock

_BY = "demo"


class BrokerAddress(Struct, frozen=True):
    """Where rooms reach the broker, and whether by TLS."""

    host: str
    port: int
    is_tls: bool


class _Machine(Struct, frozen=True):
    site: str
    pair: str
    key: ec.EllipticCurvePrivateKey
    sealing: PrivateKey


def issue_identities(
    sites: Sequence[str], folder: Path, database: Database, authority_folder: Path, keys_folder: Path,
    broker: BrokerAddress, clock: Clock,
) -> None:  # fmt: skip
    """Issue a certificate for each site, commit all of them at once, and write each room's identity folder."""
    files = AuthorityFiles(authority_folder, clock)
    signing_keys, trusted = KeyFiles(keys_folder).public_keys, files.trusted_by_rooms
    machines = [
        _Machine(site, uuid7(), ec.generate_private_key(ec.SECP256R1()), PrivateKey.generate()) for site in sites
    ]
    rows = list(_issued(machines, files, clock))

    def commit(db: object) -> None:
        for enrolment, certificate in rows:
            identities.add_enrolment(db, enrolment)  # type: ignore[arg-type]
            identities.add_certificate(db, certificate)  # type: ignore[arg-type]

    database.write_now(commit)
    for machine, (_, certificate) in zip(machines, rows, strict=True):
        pair = Pair(machine.pair, certificate.authority, certificate.issued_at + RENEW_AFTER)
        identity = Identity(
            machine.site, broker.host, broker.port, signing_keys, broker.is_tls, trusted, pair
        )  # fmt: skip
        _write(folder / machine.site / FOLDER, machine, certificate.pem, identity)


def _issued(
    machines: Iterable[_Machine], files: AuthorityFiles, clock: Clock
) -> Iterable[tuple[EnrolmentRow, CertificateRow]]:
    now, authority = clock.now(), files.issuing
    for machine in machines:
        public = machine.key.public_key()
        made = issue(authority, machine.site, public, now, CERTIFICATE_LIVES)
        enrolment = EnrolmentRow(
            uuid7(), machine.site, machine.pair, _BY, now, now, EnrolmentState.ACCEPTED, machine=machine.site,
            claimed_at=now, fingerprint=fingerprint_of(public), sealing_key=_base64(bytes(machine.sealing.public_key)),
            decided_by=_BY, decided_at=now,
        )  # fmt: skip
        yield (
            enrolment,
            CertificateRow(made.serial, machine.site, authority.name, now, made.not_after, enrolment.id, made.pem),
        )


def _write(folder: Path, machine: _Machine, certificate: str, identity: Identity) -> None:
    """Without waiting for the disk: a demo that is cut short begins anew."""
    folder.mkdir(parents=True, mode=0o700)
    pem = machine.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    files = {
        f"{machine.pair}.key": pem.decode(), f"{machine.pair}.pem": certificate,
        f"{SEALING}.key": _base64(bytes(machine.sealing)),
    }  # fmt: skip
    for name, text in files.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text, encoding="ascii")
    save_new(folder, identity)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
