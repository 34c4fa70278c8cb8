"""Names, sizes and SHA-256 of the recordings, never their content: proof a year later that they are unchanged."""

import hashlib
import json
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from device_drivers.errors import ActFailed
from device_drivers.storage.folder import Recording

FOLDER = ".diemcau-manifests"
_BLOCK = 1 << 20


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """One file; its name is relative to the recordings' folder."""

    name: str
    size: int
    sha256: str


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """All files of the folder at one moment."""

    made_at: datetime
    files: tuple[Entry, ...]


def manifest_of(
    folder: Path,
    files: Iterable[Recording],
    now: datetime,
    on_file: Callable[[int, int], None],
    goes_on: Callable[[], bool],
) -> Manifest:
    """Read every file. `on_file` hears how many of how many are done. Raises ActFailed."""
    wanted = sorted(files, key=lambda file: file.path)
    entries = []
    for number, file in enumerate(wanted, start=1):
        entries.append(entry_of(folder, file.path, goes_on))
        on_file(number, len(wanted))
    return Manifest(now, tuple(entries))


def entry_of(folder: Path, path: Path, goes_on: Callable[[], bool]) -> Entry:
    """One file's. Raises ActFailed, also when `goes_on` says that the time is up."""
    digest, size = hashlib.sha256(), 0
    name = str(path.relative_to(folder))
    try:
        with path.open("rb") as source:
            while block := source.read(_BLOCK):
                if not goes_on():
                    raise ActFailed("did_not_end")
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise ActFailed("file_unreadable", file=name[:120], error=error.strerror or "") from error
    return Entry(name, size, digest.hexdigest())


def packed(manifest: Manifest) -> bytes:
    """As it is kept: JSON that a person can read, the same bytes for the same manifest."""
    return json.dumps(msgspec.to_builtins(manifest), ensure_ascii=False, indent=1).encode()


def unpacked(content: bytes) -> Manifest:
    """Raises ActFailed where it is none."""
    try:
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ActFailed("manifest_unreadable", error=str(error)[:120]) from error


def digest_of(content: bytes) -> str:
    """Of the manifest itself, for the centre to keep."""
    return hashlib.sha256(content).hexdigest()


def differences(wanted: Manifest, look: Callable[[Entry], Any]) -> dict[str, list[str]]:
    """Names by what became of them; `look` gives the file's entry of now, or None where it is gone."""
    found: dict[str, list[str]] = {"missing": [], "changed": []}
    for entry in wanted.files:
        now = look(entry)
        if now is None:
            found["missing"].append(entry.name)
        elif now != entry:
            found["changed"].append(entry.name)
    return found
