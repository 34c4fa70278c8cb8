"""Simulated equipment behind real bytes, for an agent of another process.

`python -m tests.counterparts.wired_room SITE FOLDER` prints the room's `room.toml` once everything answers, and goes on
until it is ended.
"""

import sys
import threading
from pathlib import Path

from demo.room import SimulatedRoom
from demo.room_toml import room_toml
from device_drivers.equipment import EquipmentLoop


def main(site: str, folder: Path) -> None:
    """Never returns."""
    room = SimulatedRoom(site, 1, folder)
    room.folder.mkdir(parents=True)
    equipment = EquipmentLoop()
    equipment.run(room.plug_in())
    print(room_toml(room.config(on_wires_only=True)), "# ready", sep="\n", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
