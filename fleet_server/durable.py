"""Files that are whole and on the disk, or not there at all: also when the power is cut the moment after."""

import os
from pathlib import Path


def write_whole(file: Path, content: bytes, mode: int = 0o600) -> None:
    """A file that only we may read, or with another mode. Raises OSError."""
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.fchmod(descriptor, mode)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
    put_in_place(new, file)


def put_in_place(new: Path, file: Path) -> None:
    """A file that is written takes its name. Raises OSError."""
    sync(new)
    new.replace(file)
    sync(file.parent)


def sync(path: Path) -> None:
    """A file's bytes, or the names in a folder, are on the disk when this returns. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
