"""Identities that tests give away without asking: every server of a test signs with one key, which its rooms pin."""

import base64
from pathlib import Path

from msgspec import Struct
from nacl.signing import SigningKey

from edge_agent.identity import FOLDER, Identity, save_new
from fleet_server.durable import write_whole
from fleet_server.signing.keys import NEXT, NOW
from wire.messages import Ack, Certificate, Command, Config
from wire.signing import public_key_of, sign, signed
from wire.topics import Kind

KEY = SigningKey(b"one key for all servers of tests")
NEXT_KEY = SigningKey(b"and the one which will sign next")
PUBLIC = (public_key_of(KEY), public_key_of(NEXT_KEY))


class SignerOfTests(Struct, frozen=True):
    """A `Signer` with the key of tests."""

    public_keys: tuple[str, ...] = PUBLIC

    def sign(self, kind: Kind, body: bytes) -> bytes:
        """The signed message."""
        return sign(KEY, kind, body)


def told(message: Ack | Certificate | Command | Config) -> bytes:
    """A message as a room takes it."""
    return signed(SignerOfTests(), message)


def give_identity(room_folder: Path, site: str, broker_port: int, host: str = "127.0.0.1") -> None:
    """The room belongs to this site and speaks to this broker, which is on the same machine and without TLS."""
    save_new(room_folder / FOLDER, Identity(site, host, broker_port, PUBLIC, broker_tls=False))


def give_keys(server_folder: Path) -> None:
    """The server signs with the keys of tests."""
    keys = server_folder / "keys"
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, key in ((NOW, KEY), (NEXT, NEXT_KEY)):
        write_whole(keys / name, base64.b64encode(bytes(key)))
