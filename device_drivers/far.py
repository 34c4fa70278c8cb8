"""Facts about the PC beside the agent's own box: it answers each connection with one line of JSON."""

import socket
from typing import Generic, TypeVar

import msgspec

from device_drivers.errors import BadAnswer, NotAnswering

T = TypeVar("T")
_MAX_BYTES = 16_384


def ask(address: tuple[str, int], timeout_s: float, kind: type[T], what: str) -> T:
    """One line of JSON as `kind`. Raises NotAnswering or BadAnswer, which name the thing by `what`."""
    where = f"{what} {address[0]}:{address[1]}"
    try:
        with socket.create_connection(address, timeout_s) as talk:
            line = bytearray()
            while not line.endswith(b"\n") and len(line) <= _MAX_BYTES:
                part = talk.recv(4096)
                if not part:
                    break
                line += part
    except OSError as error:
        raise NotAnswering(f"{where}: nobody answers") from error
    if not line.endswith(b"\n"):
        raise BadAnswer(f"{where}: {len(line)} bytes without an end of line")
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadAnswer(f"{where}: {error}"[:200]) from error


class Far(Generic[T]):
    """One thing of that PC, which it tells of as `kind`; messages call it `what`."""

    def __init__(self, kind: type[T], what: str, host: str, port: int, timeout_s: float) -> None:
        self._kind, self._what, self._address, self._timeout_s = kind, what, (host, port), timeout_s

    def facts(self) -> T:
        """Ask once. Raises NotAnswering or BadAnswer."""
        return ask(self._address, self._timeout_s, self._kind, self._what)
