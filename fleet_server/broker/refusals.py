"""What the broker has refused, read from its log: who tried to say something elsewhere, or to come in without a proof.

Mosquitto 2.0 tells of a refused publish at its debug level alone, among a line for every packet; so this reads along,
counts, and keeps the file short.
"""

import asyncio
import logging
import os
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec import Struct

from wire.times import Clock

log = logging.getLogger("diemcau.broker")

STRANGER = "?"
"""Whoever has shown no certificate that counts has no name."""

_DENIED = re.compile(rb"^\d+: Denied PUBLISH from (\S{1,64}) \(", re.MULTILINE)
_NO_PROOF = re.compile(rb"^\d+: (?:OpenSSL Error\[0\]|Client connection from \S{1,64} failed): ", re.MULTILINE)
"""Mosquitto says the second where the whole of the handshake lies there at its first look, as on a busy machine."""
_ROUND_BYTES = 1 << 24
_MOST_BYTES = 1 << 26
_QUIET_S = 60.0
_EVERY_S = 2.0


class Burst(Struct):
    """Refusals of one client, from the first until there has been none for a minute."""

    count: int
    last_s: float


Tell = Callable[[str, int], Awaitable[None]]
"""Who was refused, and how often in the burst that has ended; 0 when it begins."""


class Refusals:
    """Follows the broker's log. `counted` says how often each client was refused since the server was started."""

    def __init__(self, file: Path, tell: Tell) -> None:
        self._file, self._tell = file, tell
        self._read_to = _size_of(file)
        self._bursts: dict[str, Burst] = {}
        self.counted: Counter[str] = Counter()

    async def run(self, clock: Clock) -> None:
        """Look every two seconds, for ever."""
        while True:
            await self.look(clock.monotonic())
            await asyncio.sleep(_EVERY_S)

    async def look(self, now_s: float) -> None:
        """Count what is new; `now_s` in seconds on a clock that only goes forward. Raises nothing of the file's."""
        for who, count in (await asyncio.to_thread(self._new)).items():
            self.counted[who] += count
            burst = self._bursts.get(who)
            if burst is None:
                burst = self._bursts[who] = Burst(0, now_s)
                log.warning("broker_refuses client=%s", who)
                await self._tell(who, 0)
            burst.count, burst.last_s = burst.count + count, now_s
        for who, burst in list(self._bursts.items()):
            if now_s - burst.last_s >= _QUIET_S:
                del self._bursts[who]
                log.warning("broker_has_refused client=%s count=%d", who, burst.count)
                await self._tell(who, burst.count)

    def _new(self) -> Counter[str]:
        """Refusals in the whole lines since the last look. Where the file has been begun anew, from its start."""
        size = _size_of(self._file)
        if size < self._read_to:
            self._read_to = 0
        if size == self._read_to:
            return Counter()
        try:
            with self._file.open("rb") as text:
                text.seek(self._read_to)
                part = text.read(_ROUND_BYTES)
                whole = part[: part.rfind(b"\n") + 1]
                self._read_to += len(whole) if whole or len(part) < _ROUND_BYTES else len(part)
                if self._read_to >= _MOST_BYTES and not text.read(1):
                    os.truncate(self._file, 0)
                    self._read_to = 0
        except OSError as error:
            log.error("broker_log_unreadable file=%s error=%s", self._file, error)
            return Counter()
        return refused_in(whole)


def refused_in(text: bytes) -> Counter[str]:
    """How often each client was refused, by whole lines of Mosquitto's log."""
    found = Counter(who.decode(errors="replace") for who in _DENIED.findall(text))
    if strangers := len(_NO_PROOF.findall(text)):
        found[STRANGER] += strangers
    return found


def _size_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
