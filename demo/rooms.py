"""A process full of rooms: their equipment on one event loop, their agents beside it. Faults come on standard input."""

import argparse
import json
import logging
import signal
import sys
import threading
from pathlib import Path

from demo.faults import play
from demo.identities import enrol_all
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
    parser.add_argument("--codes", type=Path, help="a file of codes by site, for rooms that have no identity yet")
    parser.add_argument("--recording", default="", help="of them, those that have a recorder, with commas between")
    parser.add_argument("sites", nargs="+")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for library in ("apscheduler", "zeep", "onvif", "tzlocal"):
        logging.getLogger(library).setLevel(logging.ERROR)
    threading.stack_size(256 * 1024)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    equipment = EquipmentLoop()
    recording = given.recording.split(",")
    rooms = {
        site: SimulatedRoom(
            site, given.broker_port, given.folder, web_port=given.web_port, records=site in recording
        )
        for site in given.sites
    }  # fmt: skip
    for room in rooms.values():
        equipment.run(room.plug_in())
    agents = []
    threading.Thread(target=_listen, args=(rooms, equipment), daemon=True).start()
    if given.codes is not None:
        enrol_all(list(rooms.values()), f"http://127.0.0.1:{given.web_port}", json.loads(given.codes.read_text()))
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


def _listen(rooms: dict[str, SimulatedRoom], equipment: EquipmentLoop) -> None:
    """Lines of `{"site": …, "fault": …, "on": true}`, and of `{"site": …, "record": true}`."""
    for line in sys.stdin:
        order = json.loads(line)
        room = rooms[order["site"]]
        if "record" not in order:
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
