"""A firmware image as it goes from whoever signs it to a room: a tar of a list, its signature, and the image.

Both ends read it: the centre before it offers it, the room before it believes it. The signature is Ed25519 (RFC 8032)
over the exact bytes of the list; keys are PEM as openssl writes them (RFC 8410, 7).
"""

import base64
import binascii
import hashlib
import io
import os
import tarfile
from pathlib import Path
from typing import IO, Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from wire.description import Name
from wire.errors import Unreadable, WrongSignature

MOST_BYTES = 500_000_000
_LIST, _SIGNATURE, _IMAGE = "manifest.json", "manifest.json.sig", "image"
_MOST_LIST, _BLOCK = 10_000, 1 << 20
_PUBLIC = bytes.fromhex("302a300506032b6570032100")
_PRIVATE = bytes.fromhex("302e020100300506032b657004220420")
"""What stands before the 32 bytes of a key: SubjectPublicKeyInfo and PKCS #8 of Ed25519."""


class FirmwareList(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an image is, and for which devices."""

    family: Name
    """The profile's: devices of no other are offered it."""
    version: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._ +-]{0,59}$(?!\n)")]
    """As the device tells it once it runs, in the part that the profile reads."""
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
    size: Annotated[int, Meta(ge=1, le=MOST_BYTES)]
    """Of the image, in bytes."""
    models: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=120)], ...], Meta(max_length=64)] = ()
    """Only devices that call themselves so; all of the family where none is named."""
    form: Literal["diemcau-firmware-1"] = "diemcau-firmware-1"


def write(
    out: Path, image: Path, key: Path, *, family: str, version: str, models: tuple[str, ...] = ()
) -> FirmwareList:
    """Sign an image. Raises Unreadable for a key or a name that is none, OSError."""
    with image.open("rb") as source:
        sha256 = hashlib.file_digest(source, "sha256").hexdigest()
    described = FirmwareList(family=family, version=version, sha256=sha256, size=image.stat().st_size, models=models)
    raw = msgspec.json.encode(described)
    _list_in(raw)
    signature = SigningKey(_key_in(key, _PRIVATE)).sign(raw).signature
    with tarfile.open(out, "w") as tar:
        for name, content in ((_LIST, raw), (_SIGNATURE, signature)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        tar.add(image, _IMAGE, recursive=False)
    return described


def read(file: Path, key: Path) -> FirmwareList:
    """What a signed image is, once its signature was found good and its bytes those that were signed.

    Raises WrongSignature, Unreadable, OSError.
    """
    return _checked(file, key, None)


def unpack(file: Path, key: Path, image: Path) -> FirmwareList:
    """The same, with the image written to a file of its own, which is on the disk when this returns.

    Raises WrongSignature, Unreadable, OSError.
    """
    with image.open("wb") as out:
        described = _checked(file, key, out)
        out.flush()
        os.fsync(out.fileno())
    return described


def _checked(file: Path, key: Path, out: IO[bytes] | None) -> FirmwareList:
    try:
        with tarfile.open(file, "r:") as tar:
            raw, signature = (_member(tar, name).read(_MOST_LIST) for name in (_LIST, _SIGNATURE))
            VerifyKey(_key_in(key, _PUBLIC)).verify(raw, signature)
            described, source = _list_in(raw), _member(tar, _IMAGE)
            found, size = hashlib.sha256(), 0
            while block := source.read(min(_BLOCK, described.size + 1 - size)):
                found.update(block)
                size += len(block)
                if out is not None:
                    out.write(block)
    except (CryptoError, ValueError) as error:
        raise WrongSignature(f"{file.name}: the owner of {key} has not signed it") from error
    except (tarfile.TarError, KeyError, EOFError) as error:
        raise Unreadable(f"{file.name}: no firmware in DiemCau's form ({type(error).__name__})") from error
    if (size, found.hexdigest()) != (described.size, described.sha256):
        raise WrongSignature(f"{file.name}: the image is not the one that was signed")
    return described


def _list_in(raw: bytes) -> FirmwareList:
    try:
        return msgspec.json.decode(raw, type=FirmwareList)
    except msgspec.MsgspecError as error:
        raise Unreadable(f"a list of firmware that does not fit: {error}"[:200]) from error


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    found = tar.extractfile(name)
    if found is None:
        raise KeyError(name)
    return found


def _key_in(file: Path, head: bytes) -> bytes:
    lines = file.read_text(encoding="ascii", errors="replace").split("-----")
    try:
        raw = base64.b64decode("".join(lines[2].split()), validate=True)
    except (IndexError, binascii.Error) as error:
        raise Unreadable(f"{file}: no key in PEM") from error
    if not raw.startswith(head) or len(raw) != len(head) + 32:
        raise Unreadable(f"{file}: no Ed25519 key of the kind that is wanted here")
    return raw[len(head) :]
