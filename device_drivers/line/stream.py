"""Bytes to and from the centre for a few seconds, on one TCP connection each way."""

import http.client
import math
import os
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from device_drivers.errors import ActFailed, BadAnswer, DriverError, NotAnswering
from wire.probe import LONGEST_S, SECONDS_HEADER, STREAM_BYTES, stream_path

_SILENT_S = 4.0
_SLOW_START_S = 0.5
"""What the first half second brings says more of TCP than of the line."""
_CUT_BELOW = 0.7
"""A stream that lasted less than this share of what was announced was cut."""
_MOST_ANSWER_BYTES = 4_096
_SEND_BUFFER_BYTES = 65_536


class Rate(Struct, frozen=True):
    """What one way carried."""

    mbit_s: float
    took_s: float


class _Taken(Struct, frozen=True):
    mbit_s: Annotated[float, Meta(ge=0)]
    seconds: Annotated[float, Meta(ge=0)]
    cut: bool


class Centre:
    """The centre's streams for one ticket. Raises ValueError or OSError for an address that cannot be."""

    def __init__(self, url: str, ca_file: str | None, ticket: str) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._prefix = parts.hostname or "", parts.port, parts.path.rstrip("/")
        self._trust = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        self._ticket = ticket
        self._announced_s = 0.0

    def take(self) -> Rate:
        """Mbit/s down. Raises ActFailed when the centre cut it or has no such ticket, DriverError."""
        with _Talk(self) as talk:
            talk.request("GET", self._path("down"), headers={"Connection": "close"})
            answer = self._answered(talk)
            self._announced_s = announced_s = _seconds(answer.headers.get(SECONDS_HEADER))
            began_s = time.monotonic()
            counted, counted_from_s = 0, began_s
            while chunk := answer.read1(STREAM_BYTES):
                now_s = time.monotonic()
                if now_s - began_s > LONGEST_S + 1:
                    break
                if now_s - began_s < min(_SLOW_START_S, announced_s / 4):
                    counted_from_s = now_s
                else:
                    counted += len(chunk)
            ended_s = time.monotonic()
        if ended_s - began_s < announced_s * _CUT_BELOW:
            raise ActFailed("line_test_cut")
        mbit_s = counted * 8 / 1e6 / max(ended_s - counted_from_s, 0.001)
        return Rate(round(mbit_s, 2), round(ended_s - began_s, 1))

    def bring(self) -> Rate:
        """Mbit/s up, as the centre counted it, for as long as `take` was told. Raises like it."""
        with _Talk(self) as talk:
            talk.connect()
            # What waits in our own buffer is no longer on its way when the time is up.
            talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
            talk.request("POST", self._path("up"), body=_noise(self._announced_s), headers={"Connection": "close"})
            answer = self._answered(talk)
            try:
                taken = msgspec.json.decode(answer.read(_MOST_ANSWER_BYTES), type=_Taken)
            except msgspec.MsgspecError as error:
                raise BadAnswer(f"centre {self._host}: it does not say what it took: {error}"[:200]) from error
        if taken.cut:
            raise ActFailed("line_test_cut")
        return Rate(round(taken.mbit_s, 2), round(taken.seconds, 1))

    def _path(self, way: str) -> str:
        return self._prefix + stream_path(self._ticket, way)

    def _answered(self, talk: http.client.HTTPConnection) -> http.client.HTTPResponse:
        answer = talk.getresponse()
        if answer.status in (404, 409, 410):
            raise ActFailed("no_ticket")
        if answer.status != 200:
            raise BadAnswer(f"centre {self._host}: its probe says {answer.status}")
        return answer

    def connection(self) -> http.client.HTTPConnection:
        """A new one, not yet open."""
        if self._trust is not None:
            return http.client.HTTPSConnection(self._host, self._port, timeout=_SILENT_S, context=self._trust)
        return http.client.HTTPConnection(self._host, self._port, timeout=_SILENT_S)

    @property
    def where(self) -> str:
        """For messages."""
        return f"centre {self._host}"


class _Talk:
    """A connection that is closed at the end, with its errors as ours."""

    def __init__(self, centre: Centre) -> None:
        self._centre, self._talk = centre, centre.connection()

    def __enter__(self) -> http.client.HTTPConnection:
        return self._talk

    def __exit__(self, _kind: object, error: BaseException | None, _trace: Any) -> None:
        self._talk.close()
        where = self._centre.where
        if error is None or isinstance(error, DriverError):
            return
        if isinstance(error, ConnectionResetError | BrokenPipeError | http.client.IncompleteRead):
            raise ActFailed("line_test_cut") from error
        if isinstance(error, ssl.SSLCertVerificationError):
            raise BadAnswer(f"{where}: its certificate is not trusted; give ca_file") from error
        if isinstance(error, http.client.HTTPException | ssl.SSLError):
            raise BadAnswer(f"{where}: not HTTP: {str(error)[:80]!r}") from error
        if isinstance(error, OSError):
            raise NotAnswering(f"{where}: the stream broke ({error.strerror or error})") from error


def _noise(for_s: float) -> Iterator[bytes]:
    """Bytes that nothing on the way can pack."""
    block, until_s = os.urandom(STREAM_BYTES), time.monotonic() + for_s
    while time.monotonic() < until_s:
        yield block


def _seconds(text: str | None) -> float:
    try:
        announced_s = float(text or "")
    except ValueError:
        announced_s = math.nan
    if math.isnan(announced_s):
        raise BadAnswer("centre: it does not say how long it sends")
    return min(max(announced_s, 0.1), LONGEST_S)
