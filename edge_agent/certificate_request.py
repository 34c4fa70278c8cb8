"""Makes a key and the request for a certificate of it (PKCS #10, RFC 2986). Run as a program, it prints the request.

A running agent calls it as a program: `cryptography` costs 9 MB of memory, needed for a second every two weeks.
"""

import hashlib
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.identity import write_private


def new_request(key_file: Path) -> str:
    """A new P-256 key, kept in the file, and the request for its certificate as PEM. It names nobody: the centre does.

    Raises OSError.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )  # fmt: skip
    write_private(key_file, pem.decode())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def key_fingerprint(certificate: bytes) -> str:
    """SHA-256 of the key in a certificate (its SubjectPublicKeyInfo), in hexadecimal. Raises ValueError."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()


if __name__ == "__main__":
    print(new_request(Path(sys.argv[1])), end="")
