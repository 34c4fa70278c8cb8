"""The signing keys as files: the one that signs now and the one that will sign next. Rooms pin both.

Whoever rotates makes the next the present one, which every room knows already, and a new next one.
"""

import base64
from pathlib import Path

from nacl.signing import SigningKey

from fleet_server.durable import write_whole
from fleet_server.errors import WrongSettings
from wire.signing import public_key_of, sign
from wire.topics import Kind

NOW, NEXT, RETIRED = "signing.key", "signing.next.key", "retired.pub"


class KeyFiles:
    """A `Signer` that holds the keys itself."""

    def __init__(self, folder: Path) -> None:
        """The keys in the folder, made where there are none. Raises WrongSettings, OSError."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._now, self._next = (_key_in(folder / name) for name in (NOW, NEXT))
        self.public_keys = (public_key_of(self._now), public_key_of(self._next))

    def sign(self, kind: Kind, body: bytes) -> bytes:
        """The signed message."""
        return sign(self._now, kind, body)


def rotate(folder: Path) -> None:
    """From now on the next key signs. Raises OSError; the running server must be started again."""
    retiring = KeyFiles(folder).public_keys[0]
    with (folder / RETIRED).open("a", encoding="ascii") as known:
        known.write(f"{retiring}\n")
    (folder / NEXT).replace(folder / NOW)
    KeyFiles(folder)


def known_keys(folder: Path) -> tuple[str, ...]:
    """Public keys that sign or have signed: what was signed before a rotation can still be verified. Raises OSError."""
    retired = folder / RETIRED
    before = retired.read_text(encoding="ascii").split() if retired.exists() else []
    return (*KeyFiles(folder).public_keys, *before)


def _key_in(file: Path) -> SigningKey:
    try:
        if file.stat().st_mode & 0o077:
            raise WrongSettings("settings.key_readable", file=str(file))
        return SigningKey(base64.b64decode(file.read_text(encoding="ascii"), validate=True))
    except FileNotFoundError:
        key = SigningKey.generate()
        write_whole(file, base64.b64encode(bytes(key)))
        return key
    except ValueError as error:
        raise WrongSettings("settings.key_damaged", file=str(file)) from error
