"""Who this agent is: its site, the keys of its centre that it has pinned, its certificate and the next one.

The folder holds `documents.json` and, for each certificate, `NAME.key` and `NAME.pem`. A renewed pair waits until it
has connected once; the old one is kept so long.
"""

import os
import threading
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from edge_agent.documents import Documents
from edge_agent.errors import NotEnrolled
from wire.errors import NotSealedForUs
from wire.fields import Moment, Pem, PublicKey, Short
from wire.ids import SiteId
from wire.messages import Certificate
from wire.mqtt import Broker
from wire.sealing import unseal
from wire.tls import Tls

FOLDER = "identity"
_DOCUMENT = "identity"


MOST_KEYS = 2


class Pair(Struct, frozen=True):
    """A certificate and its key, as files of this name."""

    name: Short
    authority: Short
    """The one that issued it."""
    renew_after: Moment


class Identity(Struct, frozen=True):
    """What enrolment gave us."""

    site: SiteId
    broker_host: Annotated[str, Meta(min_length=1, max_length=253)]
    broker_port: Annotated[int, Meta(ge=1, le=65535)]
    signing_keys: Annotated[tuple[PublicKey, ...], Meta(min_length=1, max_length=MOST_KEYS)]
    broker_tls: bool = True
    """False only for a broker on this very machine."""
    authorities: Pem = ""
    """Both authorities whose word about the broker counts."""
    pair: Pair | None = None
    waiting: Pair | None = None
    """Renewed, but not yet seen to connect."""
    config_at: Moment | None = None
    """When the configuration in force was said; an older one is not taken."""


class IdentityKeeper:
    """Thread-safe; what a call has changed is on the disk when it returns."""

    def __init__(self, folder: Path) -> None:
        """Raises NotEnrolled, and StoreBroken where what is kept cannot be read."""
        self.folder = folder
        self._documents = Documents(folder)
        self._lock = threading.RLock()
        self._next_is_waiting = True
        self._tries_waiting = False
        self._expected = ""
        kept = self._documents.get(_DOCUMENT)
        if kept is None:
            self._documents.close()
            raise NotEnrolled(f"{folder}: this room has no identity yet; run `diemcau-agent enrol`")
        keys = kept.get("signing_keys")  # a newer release, from which we came back, may have kept more
        self.identity = msgspec.convert({**kept, "signing_keys": list(keys)[:MOST_KEYS] if keys else keys}, Identity)

    def broker(self) -> Broker:
        """How to connect this time: in turn with the renewed pair and the old one, until the renewed has connected."""
        with self._lock:
            known = self.identity
            self._tries_waiting = known.waiting is not None and self._next_is_waiting
            self._next_is_waiting = not self._tries_waiting
            pair = known.waiting if self._tries_waiting else known.pair
            tls = None
            if known.broker_tls and pair is not None:
                tls = Tls(known.authorities, *(str(self.folder / f"{pair.name}{end}") for end in (".pem", ".key")))
            return Broker(known.broker_host, known.broker_port, known.site, tls)

    def connected(self) -> None:
        """The pair of the last `broker` has connected: a renewed one takes the old one's place."""
        with self._lock:
            if self._tries_waiting and self.identity.waiting is not None:
                self._change(pair=self.identity.waiting, waiting=None)
                self._tries_waiting, self._next_is_waiting = False, True
                self._forget_others()

    def pin(self, signing_keys: tuple[str, ...], said_at: datetime) -> None:
        """The centre's keys from now on, and when the configuration in force was said."""
        self._change(signing_keys=signing_keys or self.identity.signing_keys, config_at=said_at)

    def expects(self, name: str) -> None:
        """A certificate of this name was asked for: its key is kept until it is here."""
        self._expected = name

    def renewed(self, name: str, answer: Certificate) -> None:
        """Keep a new certificate beside the old; its key has been in the folder since it was asked for."""
        write_private(self.folder / f"{name}.pem", answer.certificate)
        self._change(authorities=answer.authorities, waiting=Pair(name, answer.authority, answer.renew_after))

    def unseal(self, name: str, sealed: str) -> str:
        """A secret that the centre has sealed to this machine. Raises NotSealedForUs, also where we have no key."""
        try:
            key = (self.folder / f"{SEALING}.key").read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise NotSealedForUs(f"this machine has no key for secrets ({error})") from error
        return unseal(key, name, sealed)

    def close(self) -> None:
        """Let go of the file."""
        self._documents.close()

    def _change(self, **changes: Any) -> None:
        with self._lock:
            self.identity = msgspec.structs.replace(self.identity, **changes)
            _put(self._documents, self.identity)

    def _forget_others(self) -> None:
        """Remove the files of pairs that were replaced."""
        kept = self.identity.pair.name if self.identity.pair is not None else ""
        for file in self.folder.iterdir():
            if file.suffix in (".key", ".pem") and file.stem not in (kept, self._expected, SEALING):
                with suppress(OSError):
                    file.unlink()


SEALING = "sealing"
"""Name of the key that secrets are sealed to."""


def save_new(folder: Path, identity: Identity) -> None:
    """The first identity of a room, or another in its place. Raises OSError and StoreBroken."""
    documents = Documents(folder)
    try:
        _put(documents, identity)
    finally:
        documents.close()


def write_private(path: Path, text: str) -> None:
    """A file that only we may read, on the disk when this returns."""
    with open(path, "w", encoding="utf-8", opener=_private) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _put(documents: Documents, identity: Identity) -> None:
    documents.put(_DOCUMENT, msgspec.to_builtins(identity))
