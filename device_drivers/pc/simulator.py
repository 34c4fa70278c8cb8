"""A PC that tells its facts on a socket, for rooms that have no PC of their own."""

import asyncio
from typing import Any

import msgspec

from device_drivers.equipment import StreamEquipment
from device_drivers.pc.facts import Facts


class SimulatedPc(StreamEquipment):
    """Change what it is by replacing `facts`: `pc.facts = replace(pc.facts, disk_free=0)`."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.facts = Facts(
            make="Dell Inc.", model="OptiPlex 3090", system="Windows 10 Pro 19045", cpu=12.0, memory=41.0,
            disk_free=412e9, disk_used=18.0, temperature=47.0, uptime=86_400.0, clock_offset=0.0, link_up=True,
            link_speed=1000.0, conference_running=True, usb_camera=True, usb_audio=True, external_disk=True,
        )  # fmt: skip

    def settings(self) -> dict[str, Any]:
        """For the driver pc."""
        return {"host": "127.0.0.1", "port": self.port}

    def change(self, **facts: object) -> None:
        """Replace some of the facts."""
        self.facts = msgspec.structs.replace(self.facts, **facts)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One line of facts a connection."""
        await self.while_frozen()
        writer.write(msgspec.json.encode(self.facts) + b"\n")
        await writer.drain()


SIMULATOR = SimulatedPc
