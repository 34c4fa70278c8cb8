"""A process full of rooms: their equipment on one event loop, their agents beside it. Faults come on standard input."""

import argparse
import json
import logging
import signal
import sys
import threading
from pathlib import Path

from demo.faults import play
from demo.room import SimulatedRoom
from device_drivers.equipment import EquipmentLoop
from edge_agent.agent import Agent

log = logging.getLogger("diemcau.demo")


def main() -> int:
    """Run the rooms named on the command line until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--broker-port", type=int, required=True)
    parser.add_argument("--web-port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("sites", nargs="+")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for library in ("apscheduler", "zeep", "onvif", "tzlocal"):
        logging.getLogger(library).setLevel(logging.ERROR)
    threading.stack_size(256 * 1024)
    stop = threading.Event()
    equipment = EquipmentLoop()
    rooms = {
        site: SimulatedRoom(site, given.broker_port, given.folder, web_port=given.web_port, records=True)
        for site in given.sites
    }
    for room in rooms.values():
        equipment.run(room.plug_in())
    agents = []
    started = threading.Event()

    def end(*_: object) -> None:
        stop.set()
        started.set()

    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=_read_orders, args=(rooms, equipment, started), daemon=True).start()
    started.wait()
    for room in rooms.values():
        if stop.is_set():
            break
        room.reach_centre_by_line()
        agent = Agent(room.config())
        agent.start()
        agents.append(agent)
    stop.wait()
    enders = [threading.Thread(target=agent.stop) for agent in agents]
    for ender in enders:
        ender.start()
    for ender in enders:
        ender.join()
    equipment.close()
    return 0


def _read_orders(rooms: dict[str, SimulatedRoom], equipment: EquipmentLoop, started: threading.Event) -> None:
    """JSON lines: `{"start": true}` once the identities are there; `{"site", "fault", "on"}`; `{"site", "record"}`."""
    for line in sys.stdin:
        order = json.loads(line)
        room = rooms[order["site"]]
        if "start" in order:
            started.set()
        elif "record" not in order:
            equipment.later(_play(room, order["fault"], order["on"]))
        elif room.recorder is not None:
            equipment.later(room.recorder.record(order["record"]))


async def _play(room: SimulatedRoom, fault: str, on: bool) -> None:
    try:
        await play(room, fault, on)
    except OSError as error:
        log.error("fault_not_played site=%s fault=%s error=%s", room.site, fault, error)


if __name__ == "__main__":
    sys.exit(main())
