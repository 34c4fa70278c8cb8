"""A recorder that writes into a folder of this machine, where the agent's own disk driver finds what it wrote."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from device_drivers.equipment import SimulatedEquipment

_EVERY_S = 0.5
_PART_BYTES = 2_048


class Recorder(SimulatedEquipment):
    """`record(True)` begins a file that grows until `record(False)`; with `stalls` it stands still."""

    transport = "memory"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.stalls = False
        self._task: asyncio.Task[None] | None = None

    async def plug_in(self) -> None:
        """The folder is there."""
        self.folder.mkdir(parents=True, exist_ok=True)

    async def unplug(self) -> None:
        """The folder is gone, with what was recorded in it."""
        await self.record(False)
        self.folder.rename(self.folder.with_name(f"{self.folder.name}.away"))

    def settings(self) -> dict[str, Any]:
        """Where it is. The rate is that of its own small files."""
        return {"folder": str(self.folder), "bitrate_mbit_s": 0.05}

    async def record(self, on: bool) -> None:
        """Begin a new file, or end the one that grows."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._task = asyncio.create_task(self._write()) if on else None

    async def _write(self) -> None:
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}.mkv"
        with (self.folder / name).open("wb") as file:
            while True:
                if not self.stalls:
                    file.write(os.urandom(_PART_BYTES))
                    file.flush()
                await asyncio.sleep(_EVERY_S)
