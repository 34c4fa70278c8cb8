"""A file on its way to a room, from a place on, no faster than it may."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from fleet_server.campaigns.hub_line import HubLine

_LEAST_BLOCK, _MOST_BLOCK, _BLOCK_S = 128, 32_768, 2.0
"""A block takes two seconds at most, so that a rate that changes is noticed and whoever reads does not give up."""


async def paced(
    source: Path, start: int, most_kbit_s: float, line: HubLine, clock: Callable[[], float]
) -> AsyncIterator[bytes]:
    """The file from a place on, no faster than this and than the line has for it; read in a thread.

    `clock`: monotonic seconds.
    """
    file = await asyncio.to_thread(source.open, "rb")
    try:
        await asyncio.to_thread(file.seek, start)
        with line.taken():
            due_s = clock()
            while True:
                bytes_s = line.rate_kbit_s(most_kbit_s) * 1_000 / 8
                size = int(min(_MOST_BLOCK, max(_LEAST_BLOCK, bytes_s * _BLOCK_S)))
                block = await asyncio.to_thread(file.read, size)
                if not block:
                    return
                yield block
                due_s = max(due_s, clock() - _BLOCK_S) + len(block) / bytes_s
                if due_s > clock():
                    await asyncio.sleep(due_s - clock())
    finally:
        file.close()
