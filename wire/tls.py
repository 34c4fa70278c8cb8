"""TLS 1.3 as both ends of the wire use it."""

import ssl

from msgspec import Struct


class Tls(Struct, frozen=True):
    """TLS 1.3 in which both sides prove themselves."""

    authorities: str
    """PEM of those whose word about the broker counts."""
    certificate_file: str
    key_file: str


def tls_context(tls: Tls) -> ssl.SSLContext:
    """TLS as both ends use it. Raises OSError, ssl.SSLError among them."""
    context = ssl.create_default_context(cadata=tls.authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(tls.certificate_file, tls.key_file)
    return context
