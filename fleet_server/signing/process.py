"""The signing key in a process of its own: whoever takes over the web server can ask for signatures, not take the key.

Over a Unix socket: a line with the kind and the length, then the bytes; the answer is a line with the length and the
signed message, or `0` when it will not sign. It signs only what rooms can read, and no command that lives too long.
"""

import logging
import os
import socket
import socketserver
import threading
from pathlib import Path

from fleet_server.errors import SignerGone
from fleet_server.signing.keys import KeyFiles, known_keys
from wire.codec import MAX_MESSAGE_BYTES, decode
from wire.errors import WireError
from wire.messages import LONGEST_COMMAND_S, Command
from wire.signing import Signer
from wire.topics import Announced, Kind, Told

log = logging.getLogger("diemcau.signing")

_WITHIN_S, _BEGINS_WITHIN_S = 0.5, 10.0
"""It signs 18,000 a second on the same machine; whoever waits here is the server's event loop. Not so when the server
begins, beside a signer that may be beginning too."""
_KEYS, _KNOWN = b"keys\n", b"known\n"
_MAX_HEAD_BYTES = 64


class RemoteSigner:
    """A `Signer` whose keys are in another process. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Raises SignerGone."""
        self._path = path
        self._stream: socket.socket | None = None
        self._lock = threading.Lock()
        self._within_s = _BEGINS_WITHIN_S
        self.public_keys = tuple(self._ask(_KEYS, b"").decode().split())
        self._within_s = _WITHIN_S

    def known_keys(self) -> tuple[str, ...]:
        """Public keys that sign or have signed. Raises SignerGone."""
        return tuple(self._ask(_KNOWN, b"").decode().split())

    def sign(self, kind: Kind, body: bytes) -> bytes:
        """The signed message. Raises SignerGone."""
        return self._ask(f"{kind} {len(body)}\n".encode(), body)

    def _ask(self, head: bytes, body: bytes) -> bytes:
        with self._lock:
            for last in (False, True):
                try:
                    return self._exchange(head, body)
                except OSError as error:
                    self._close()
                    if last or isinstance(error, TimeoutError):
                        raise SignerGone("signing.gone", path=str(self._path), detail=str(error)) from error
            raise AssertionError

    def _exchange(self, head: bytes, body: bytes) -> bytes:
        if self._stream is None:
            self._stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._stream.settimeout(self._within_s)
            self._stream.connect(str(self._path))
        self._stream.settimeout(self._within_s)
        self._stream.sendall(head + body)
        with self._stream.makefile("rb") as answer:
            length = int(answer.readline(16) or b"-1")
            if length < 0:
                raise OSError("it closed the connection")
            if length == 0:
                raise SignerGone("signing.refused", head=head.decode().strip())
            signed = answer.read(length)
        if len(signed) != length:
            raise OSError("it closed the connection")
        return signed

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def signer_of(folder: Path, path: Path | None) -> Signer:
    """The signer of a server: the process that listens there, or the files in our own folder."""
    return RemoteSigner(path) if path is not None else KeyFiles(folder)


def known_keys_of(folder: Path, path: Path | None) -> tuple[str, ...]:
    """Public keys by which what was sealed can be verified, also before a rotation. Raises SignerGone, OSError."""
    return RemoteSigner(path).known_keys() if path is not None else known_keys(folder)


def serve_signatures(folder: Path, path: Path, stop: threading.Event) -> None:
    """Sign for whoever may open the socket, until `stop`. Raises OSError, WrongSettings."""
    keys = KeyFiles(folder)
    path.unlink(missing_ok=True)

    class Connection(socketserver.StreamRequestHandler):
        """One client, as long as it stays."""

        def handle(self) -> None:
            while line := self.rfile.readline(_MAX_HEAD_BYTES):
                if line == _KEYS:
                    answer = " ".join(keys.public_keys).encode()
                elif line == _KNOWN:
                    answer = " ".join(known_keys(folder)).encode()
                else:
                    head = _head(line)
                    if head is None:  # nobody knows where the next request begins: no more of this connection
                        self.wfile.write(b"0\n")
                        return
                    body = self.rfile.read(head[1])
                    answer = _signed(keys, head[0], body) if len(body) == head[1] else b""
                self.wfile.write(f"{len(answer)}\n".encode() + answer)

    class Listener(socketserver.ThreadingUnixStreamServer):
        """Our own user and group alone may come in."""

        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            log.warning("client_left")

    before = os.umask(0o117)
    try:
        listener = Listener(str(path), Connection)
    finally:
        os.umask(before)
    with listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.2,), daemon=True)
        thread.start()
        log.info("signing keys=%s", " ".join(keys.public_keys))
        stop.wait()
        listener.shutdown()
    path.unlink(missing_ok=True)


def _head(line: bytes) -> tuple[Kind, int] | None:
    """Kind and length of what is to be signed; None for a line that is no request."""
    try:
        kind, length = line.decode("ascii").split()
        size = int(length)
        known: Kind = Announced(kind) if kind in tuple(Announced) else Told(kind)
        return (known, size) if line.endswith(b"\n") and 0 < size <= MAX_MESSAGE_BYTES else None
    except ValueError:
        return None


def _signed(keys: KeyFiles, kind: Kind, body: bytes) -> bytes:
    """The signed message; nothing for what no room could read, and for a command that lives too long."""
    try:
        message = decode(kind, body)
    except WireError as error:
        log.warning("not_signed error=%s", error)
        return b""
    if isinstance(message, Command):
        lives_s = (message.expires_at - message.not_before).total_seconds()
        if lives_s > LONGEST_COMMAND_S:
            log.warning("not_signed command=%s lives_s=%d", message.id, lives_s)
            return b""
    return keys.sign(kind, body)
