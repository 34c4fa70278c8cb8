"""One server to a folder: a second one, or a restore under a running one, would spoil what is kept."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleet_server.errors import WrongSettings


@contextmanager
def the_only_one(folder: Path) -> Iterator[None]:
    """Holds the folder until the block ends. Raises WrongSettings when somebody else does."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "server.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise WrongSettings("settings.folder_in_use", folder=str(folder)) from error
        yield
