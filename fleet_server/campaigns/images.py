"""The firmware images that the centre can offer, each verified when it was put here."""

import re
import shutil
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path

import msgspec
from msgspec import Struct

from fleet_server.campaigns.desk import Parcel
from fleet_server.durable import put_in_place, write_whole
from fleet_server.errors import BadFile, NotFound
from wire.errors import WireError
from wire.firmware import FirmwareList, read

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Image(Struct, frozen=True):
    """One image, and what was signed of it."""

    parcel: Parcel
    described: FirmwareList


class Images:
    """A folder of signed images, each under its own SHA-256, with what it is beside it."""

    def __init__(self, folder: Path, key: Path) -> None:
        self._folder, self._key = folder, key

    def add(self, file: Path) -> Image:
        """Take one in. Raises BadFile for what the owner of the key has not signed, OSError."""
        try:
            described = read(file, self._key)
        except WireError as error:
            raise BadFile("firmware.not_taken", file=str(file), detail=str(error)) from error
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = self._folder / ".new"
        shutil.copyfile(file, new)
        with new.open("rb") as copied:
            sha256 = file_digest(copied, "sha256").hexdigest()
        target = self._folder / f"{sha256}.tar"
        write_whole(target.with_suffix(".json"), msgspec.json.encode(described))
        put_in_place(new, target)
        return self._known(target)

    def all(self) -> list[Image]:
        """What there is, by family and version."""
        found = []
        for file in self._folder.glob("*.tar"):
            with suppress(NotFound):
                found.append(self.find(file.stem))
        return sorted(found, key=lambda image: (image.described.family, image.described.version))

    def find(self, subject: str) -> Image:
        """One by the SHA-256 of its file. Raises NotFound."""
        file = self._folder / f"{subject}.tar"
        if not _SHA256.fullmatch(subject) or not file.is_file():
            raise NotFound("firmware.not_found", image=subject[:64])
        return self._known(file)

    def _known(self, file: Path) -> Image:
        try:
            described = msgspec.json.decode(file.with_suffix(".json").read_bytes(), type=FirmwareList)
        except (OSError, msgspec.MsgspecError) as error:  # whoever adds it again mends it
            raise NotFound("firmware.not_found", image=file.stem) from error
        return Image(Parcel(file.stem, described.version, file, file.stat().st_size, file.stem), described)
