"""Secrets that the database keeps are sealed with a key that it does not hold (XSalsa20-Poly1305, libsodium).

The key is a systemd credential where the service is given one (systemd.exec(5), LoadCredential=), else a file of ours.
"""

import base64
import os
from pathlib import Path

from nacl.encoding import RawEncoder
from nacl.exceptions import CryptoError
from nacl.hash import blake2b
from nacl.secret import SecretBox as Box
from nacl.utils import random

from fleet_server.durable import write_whole
from fleet_server.errors import WrongSettings

FILE = "secrets.key"
_CREDENTIAL = "diemcau-secrets-key"


class SecretBox:
    """Seals texts and opens them; each is bound to what it is for, so that none can be put in another's place."""

    def __init__(self, folder: Path) -> None:
        """Raises WrongSettings, OSError."""
        given = os.environ.get("CREDENTIALS_DIRECTORY")
        file = Path(given) / _CREDENTIAL if given else folder / FILE
        if not given or not file.exists():
            file = folder / FILE
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(file, base64.b64encode(random(Box.KEY_SIZE)))
        try:
            self._box = Box(base64.b64decode(file.read_bytes(), validate=True))
        except (ValueError, CryptoError, TypeError) as error:
            raise WrongSettings("settings.key_damaged", file=str(file)) from error

    def derived(self, purpose: str) -> bytes:
        """32 bytes for this purpose, always the same, which nobody without the key can know (keyed BLAKE2b)."""
        found: bytes = blake2b(purpose.encode(), key=bytes(self._box), encoder=RawEncoder)
        return found

    def seal(self, purpose: str, text: str) -> str:
        """The text, for nobody without the key."""
        return base64.b64encode(self._box.encrypt(f"{purpose}\n{text}".encode())).decode()

    def open(self, purpose: str, sealed: str) -> str:
        """What was sealed for this purpose. Raises WrongSettings when it was not, or not with our key."""
        try:
            found, _, text = self._box.decrypt(base64.b64decode(sealed, validate=True)).decode().partition("\n")
        except (ValueError, CryptoError) as error:
            raise WrongSettings("settings.secret_not_ours", purpose=purpose) from error
        if found != purpose:
            raise WrongSettings("settings.secret_not_ours", purpose=purpose)
        return text
