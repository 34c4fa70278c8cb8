"""A room's line to the centre: a relay on the loopback interface that can be cut and mended."""

import asyncio
from typing import Any

from device_drivers.equipment import StreamEquipment

_BLOCK = 16_384


class Line(StreamEquipment):
    """Connections to its port go to a port of the centre. `unplug` is the cut, `plug_in` the repair."""

    def __init__(self, centre_port: int, mbit_s: float | None = None) -> None:
        super().__init__()
        self._centre_port = centre_port
        self.mbit_s = mbit_s
        """How much each connection carries each way; None: as much as it can."""

    def settings(self) -> dict[str, Any]:
        """For the broker's part of a room.toml."""
        return {"host": "127.0.0.1", "port": self.port}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes both ways until one side leaves."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._centre_port)
        ways = [
            asyncio.ensure_future(_carry(reader, far_writer, self.mbit_s)),
            asyncio.ensure_future(_carry(far_reader, writer, self.mbit_s)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            far_writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mbit_s: float | None) -> None:
    loop = asyncio.get_running_loop()
    free_s = loop.time()
    try:
        while data := await reader.read(_BLOCK):
            writer.write(data)
            await writer.drain()
            if mbit_s is not None:
                free_s = max(free_s, loop.time()) + len(data) * 8 / 1e6 / mbit_s
                await asyncio.sleep(free_s - loop.time())
    except OSError:
        return
