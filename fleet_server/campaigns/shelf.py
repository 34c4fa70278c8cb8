"""The bundles that the centre can offer, each verified when it was put here: only what the makers' key has signed."""

import json
import re
import shutil
import tarfile
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from fleet_server.campaigns.desk import Parcel
from fleet_server.durable import put_in_place, write_whole
from fleet_server.errors import BadFile, NotFound

_LIST, _SIGNATURE, _FORM = "manifest.json", "manifest.json.sig", "diemcau-release-1"
_VERSION = re.compile(r"\d{1,4}(\.\d{1,4}){1,3}[a-z0-9.+-]{0,24}")
_MOST_LIST = 1_000_000


class Shelf:
    """A folder of bundles, each with its size and SHA-256 beside it."""

    def __init__(self, folder: Path, key: Path) -> None:
        self._folder, self._key = folder, key

    def add(self, file: Path) -> Parcel:
        """Take a bundle in. Raises BadFile for what the makers' key has not signed, OSError."""
        version = self._verified(file)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        target, new = self._folder / f"{version}.tar", self._folder / f".{version}.new"
        shutil.copyfile(file, new)
        with new.open("rb") as copied:
            sha256 = file_digest(copied, "sha256").hexdigest()
        write_whole(target.with_suffix(".json"), json.dumps({"sha256": sha256}).encode())
        put_in_place(new, target)
        return Parcel(version, version, target, target.stat().st_size, sha256)

    def all(self) -> list[Parcel]:
        """What there is."""
        versions = sorted(file.stem for file in self._folder.glob("*.tar") if _VERSION.fullmatch(file.stem))
        found = []
        for version in versions:
            with suppress(NotFound):
                found.append(self.find(version))
        return found

    def find(self, version: str) -> Parcel:
        """One by its version. Raises NotFound."""
        file = self._folder / f"{version}.tar"
        if not _VERSION.fullmatch(version) or not file.is_file():
            raise NotFound("releases.not_found", version=version[:40])
        return self._known(file)

    def _known(self, file: Path) -> Parcel:
        try:
            sha256: str = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))["sha256"]
        except (OSError, ValueError, KeyError) as error:  # whoever adds it again mends it
            raise NotFound("releases.not_found", version=file.stem) from error
        return Parcel(file.stem, file.stem, file, file.stat().st_size, sha256)

    def _verified(self, file: Path) -> str:
        try:
            with tarfile.open(file, "r:") as tar:
                raw, signature = (self._member(tar, name) for name in (_LIST, _SIGNATURE))
            key = load_pem_public_key(self._key.read_bytes())
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError(f"{self._key} is no Ed25519 key")
            key.verify(signature, raw)
            found = json.loads(raw)
            version = str(found["version"])
            if found["form"] != _FORM or not _VERSION.fullmatch(version):
                raise ValueError("its list does not fit")
        except InvalidSignature as error:
            raise BadFile("releases.not_signed", file=str(file), owner=str(self._key)) from error
        except (PermissionError, FileNotFoundError):
            raise
        except (OSError, tarfile.TarError, KeyError, ValueError, TypeError) as error:
            raise BadFile(
                "releases.damaged", file=str(file), detail=f"{type(error).__name__}: {error}"[:200]
            ) from error
        return version

    def _member(self, tar: tarfile.TarFile, name: str) -> bytes:
        source = tar.extractfile(name)
        if source is None:
            raise KeyError(name)
        return source.read(_MOST_LIST)
