"""A file on its way to a room, from a place on, no faster than it may."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

_BLOCK = 32_768


async def paced(source: Path, start: int, rate_kbit_s: int, clock: Callable[[], float]) -> AsyncIterator[bytes]:
    """The file from a place on, no faster than this; it is read in a thread. `clock`: monotonic seconds."""
    file = await asyncio.to_thread(source.open, "rb")
    try:
        await asyncio.to_thread(file.seek, start)
        began_s, sent = clock(), 0
        while block := await asyncio.to_thread(file.read, _BLOCK):
            yield block
            sent += len(block)
            ahead_s = sent * 8 / (rate_kbit_s * 1_000) - (clock() - began_s)
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
    finally:
        file.close()
