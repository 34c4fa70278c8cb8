"""X.509 as DiemCau uses it (RFC 5280): P-256 keys, one name per certificate, and lists of what was revoked."""

import hashlib
import ipaddress
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from fleet_server.domain.identities import BACKDATED
from fleet_server.errors import Invalid

_PEM = serialization.Encoding.PEM
_AUTHORITY_LIVES = timedelta(days=3650)


class Authority(Struct, frozen=True):
    """A key that signs certificates, and its own."""

    name: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        """Its certificate as text."""
        return self.certificate.public_bytes(_PEM).decode()


class Issued(Struct, frozen=True):
    """A new certificate."""

    pem: str
    serial: str
    """In hexadecimal."""
    not_after: datetime


def new_key() -> ec.EllipticCurvePrivateKey:
    """A P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A key as PKCS #8 without a password."""
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def new_authority(name: str, now: datetime) -> Authority:
    """An authority that signs end certificates and nothing else."""
    key = new_key()
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    certificate = (
        _begin(name, name, key.public_key(), now, now + _AUTHORITY_LIVES)
        .add_extension(x509.BasicConstraints(True, 0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(name, key, certificate)


def requested_key(request: str) -> ec.EllipticCurvePublicKey:
    """The key of a certificate request, which must have signed it. Whatever it says of names is not looked at.

    Raises Invalid.
    """
    try:
        read = x509.load_pem_x509_csr(request.encode())
        key = read.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise Invalid("identities.wrong_key")
        if not read.is_signature_valid:
            raise InvalidSignature
    except (ValueError, TypeError, InvalidSignature) as error:
        raise Invalid("identities.wrong_request") from error
    return key


def fingerprint_of(key: ec.EllipticCurvePublicKey) -> str:
    """SHA-256 of a public key (its SubjectPublicKeyInfo), in hexadecimal: what people compare."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()


def issue(
    authority: Authority, name: str, key: ec.EllipticCurvePublicKey, now: datetime, lives: timedelta,
    hosts: Sequence[str] = (),
) -> Issued:  # fmt: skip
    """A certificate for a client, or with `hosts` for a server that answers by these names."""
    usage = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
    allowed = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    not_after = (now + lives).replace(microsecond=0)
    builder = (
        _begin(name, authority.name, key, now, not_after)
        .add_extension(x509.BasicConstraints(False, None), critical=True)
        .add_extension(allowed, critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
    made = builder.sign(authority.key, hashes.SHA256())
    return Issued(made.public_bytes(_PEM).decode(), f"{made.serial_number:x}", not_after)


def revocation_list(authority: Authority, serials: Iterable[tuple[str, datetime]], now: datetime) -> str:
    """What this authority has revoked, as PEM.

    A broker refuses everybody once the list has run out, so it is good for as long as its authority; each change
    makes a new one.
    """
    until = authority.certificate.not_valid_after_utc
    builder = x509.CertificateRevocationListBuilder(
        authority.certificate.subject, last_update=now - BACKDATED, next_update=until
    )  # fmt: skip
    for serial, revoked_at in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(int(serial, 16)).revocation_date(revoked_at).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(_PEM).decode()


def _begin(
    name: str, issuer: str, key: ec.EllipticCurvePublicKey, now: datetime, not_after: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder().subject_name(_name(name)).issuer_name(_name(issuer)).public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED).not_valid_after(not_after)
    )  # fmt: skip


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
