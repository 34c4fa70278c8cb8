"""What a simulated camera does with firmware: takes it piece by piece, writes it, restarts; what a power cut leaves.

An image for it is `SIMULATED FIRMWARE <version>` on a line of its own, and any bytes after it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal

_HEAD = b"SIMULATED FIRMWARE "
_BLOCK = 16_384

Fault = Literal["", "restarts_at_the_last_byte", "keeps_the_old", "never_restarts", "fails"]


def image_of(version: str, size: int) -> bytes:
    """An image that a simulated camera takes."""
    head = _HEAD + version.encode() + b"\n"
    return head + b"\x5a" * (size - len(head))


class Flash:
    """The camera's memory. Of two `slots` a power cut leaves the old one; with one, a cut while it is written kills."""

    def __init__(self, plug_in: Callable[[], Awaitable[None]], unplug: Callable[[], Awaitable[None]]) -> None:
        self._plug_in, self._unplug = plug_in, unplug
        self.slots = 2
        self.fault: Fault = ""
        self.block_s = 0.0
        """How long it takes over each block of an image."""
        self.writes_s = 1.0
        self.answers_on_s = 0.3
        """How long it answers on before it restarts; its word that it has the image goes out first."""
        self.taken = 0
        """Bytes of the image that is on its way."""
        self.is_writing = self.is_dead = False
        self._cuts = 0

    async def take(self, reader: asyncio.StreamReader, length: int, become: Callable[[str], None]) -> str | None:
        """Read an image; the HTTP status, None for a camera that says nothing more. `become`: it runs this version."""
        image, self.taken = b"", 0
        while self.taken < length:
            block = await reader.readexactly(min(_BLOCK, length - self.taken))
            image, self.taken = image or block, self.taken + len(block)
            await asyncio.sleep(self.block_s)
        if not image.startswith(_HEAD):
            return "415 Unsupported Media Type"
        if self.fault == "fails":
            return "500 Internal Server Error"
        version = image.partition(b"\n")[0].removeprefix(_HEAD).decode()
        if self.fault != "never_restarts":
            asyncio.get_running_loop().create_task(self._write(version, become))
        return None if self.fault == "restarts_at_the_last_byte" else "200 OK"

    async def lose_power(self, for_s: float) -> None:
        """A power cut, now."""
        self._cuts += 1
        self.is_dead = self.is_dead or (self.is_writing and self.slots == 1)
        self.is_writing = False
        await self._unplug()
        await asyncio.sleep(for_s)
        if not self.is_dead:
            await self._plug_in()

    async def _write(self, version: str, become: Callable[[str], None]) -> None:
        cuts, self.is_writing = self._cuts, True
        await asyncio.sleep(0.0 if self.fault == "restarts_at_the_last_byte" else self.answers_on_s)
        with suppress(OSError):
            await self._unplug()
        await asyncio.sleep(self.writes_s)
        if cuts != self._cuts:
            return  # the power cut has ended it
        self.is_writing = False
        if self.fault != "keeps_the_old":
            become(version)
        await self._plug_in()
