"""A room's line to the centre: a relay on the loopback interface that can be cut and mended."""

import asyncio
from typing import Any

from device_drivers.equipment import StreamEquipment


class Line(StreamEquipment):
    """Connections to its port go to the broker. `unplug` is the cut, `plug_in` the repair."""

    def __init__(self, broker_port: int) -> None:
        super().__init__()
        self._broker_port = broker_port

    def settings(self) -> dict[str, Any]:
        """For the broker's part of a room.toml."""
        return {"host": "127.0.0.1", "port": self.port}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes both ways until one side leaves."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._broker_port)
        ways = [asyncio.ensure_future(_carry(reader, far_writer)), asyncio.ensure_future(_carry(far_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            far_writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        return
