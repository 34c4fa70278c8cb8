"""A web page on a TCP port, as an appliance has it for its administrator."""

import asyncio
from typing import Any

from device_drivers.equipment import StreamEquipment


class SimulatedPage(StreamEquipment):
    """`status` is what it answers to every request."""

    any_answer = b"HTTP/1.1 "

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.status = 200

    def settings(self) -> dict[str, Any]:
        """For the driver probe."""
        return {"host": "127.0.0.1", "port": self.port, "path": "/", "make": "Yealink", "model": "PVT980"}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        await reader.readuntil(b"\r\n\r\n")
        await self.while_frozen()
        writer.write(f"HTTP/1.1 {self.status} Said\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".encode())
        await writer.drain()


SIMULATOR = SimulatedPage
