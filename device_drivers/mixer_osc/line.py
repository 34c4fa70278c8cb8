"""Questions to a mixer over UDP: asked again until answered, because datagrams get lost."""

import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from pythonosc.osc_message import OscMessage, ParseError
from pythonosc.osc_message_builder import BuildError, OscMessageBuilder

from device_drivers.errors import BadAnswer, NotAnswering

_TRIES = 8
_METERS, _METERS_WAIT_S = "/meters", 0.3
_MOST_BYTES = 65_536
_MOST_HEARD = 2_000
"""Datagrams in one talk; a mixer that pushes more than this is no mixer."""


class Line:
    """One talk with one mixer, on a socket of its own, so that no late answer of an earlier one is taken for new."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._where = f"mixer {host}:{port}"
        self._timeout_s = timeout_s
        self._until_s = time.monotonic() + timeout_s
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            with self._errors():
                self._socket.connect((host, port))
        except NotAnswering:
            self._socket.close()
            raise

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()

    def tell(self, address: str, *arguments: float | str) -> None:
        """Say something that gets no reply."""
        with self._errors():
            self._socket.send(encoded(address, *arguments))

    def ask(self, questions: Iterable[str], meters: str | None = None) -> dict[str, list[object]]:
        """Answers by address, until all are there or the time is up; for `meters` nobody waits longer.

        Raises NotAnswering when there is not one answer, BadAnswer when what comes is not OSC.
        """
        packets = {address: encoded(address) for address in questions}
        wanted = set(packets)
        if meters is not None:
            packets[meters] = encoded(_METERS, meters)
            wanted.add(meters)
        answers: dict[str, list[object]] = {}
        heard = 0
        again_s = 0.0
        until_s = self._until_s
        while wanted - answers.keys() and time.monotonic() < until_s:
            if time.monotonic() >= again_s:
                again_s = time.monotonic() + self._timeout_s / _TRIES
                with self._errors():
                    for address in packets.keys() - answers.keys():
                        self._socket.send(packets[address])
            datagram = self.hear(min(again_s, until_s))
            if datagram is None:
                continue
            heard += 1
            if heard > _MOST_HEARD:
                raise BadAnswer(f"{self._where} floods us with answers to what was not asked")
            address, arguments = decoded(datagram, self._where)
            if address in packets:
                answers[address] = arguments
                if wanted - answers.keys() == {meters}:
                    until_s = min(until_s, time.monotonic() + _METERS_WAIT_S)
        if not answers:
            raise NotAnswering(f"{self._where}: no mixer answers there in time")
        return answers

    def hear(self, until_s: float) -> bytes | None:
        """The next datagram, or None when there is none until then."""
        self._socket.settimeout(max(0.001, until_s - time.monotonic()))
        try:
            with self._errors():
                return self._socket.recv(_MOST_BYTES)
        except TimeoutError:
            return None

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            raise
        except OSError as error:
            raise NotAnswering(f"{self._where}: nobody answers there ({error.strerror or error})") from error


def encoded(address: str, *arguments: float | str) -> bytes:
    """One OSC message; whole numbers go as int32, others as float32."""
    builder = OscMessageBuilder(address)
    for argument in arguments:
        builder.add_arg(argument)
    try:
        return builder.build().dgram
    except BuildError as error:
        raise ValueError(f"{address} {arguments} cannot be said in OSC: {error}") from error


def decoded(datagram: bytes, where: str) -> tuple[str, list[object]]:
    """Address and arguments of one OSC message. Raises BadAnswer."""
    try:
        message = OscMessage(datagram)
    except (ParseError, ValueError, IndexError, RecursionError) as error:
        raise BadAnswer(f"{where}: not an OSC message: {str(error)[:80]!r}") from error
    address = str(message.address)
    if not address.startswith("/"):
        raise BadAnswer(f"{where}: not an OSC address: {address[:40]!r}")
    return address, list(message.params)
