"""`python -m demo.light`: a process full of light rooms. Orders come on standard input, one JSON line each."""

import argparse
import asyncio
import json
import logging
import resource
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from demo.light.faults import FAULTS
from demo.light.room import LightRoom
from edge_agent.errors import AgentError

log = logging.getLogger("diemcau.demo")

_HANDSHAKES_AT_ONCE = 4
"""A TLS handshake costs the broker 3.5 ms: more at once only wait in its queue."""
_FILES_BESIDE = 256


def main() -> int:
    """Run the rooms named in the file until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m demo.light")
    parser.add_argument("--folder", type=Path, required=True, help="holds a folder with an identity for each room")
    parser.add_argument("--centre", required=True, help="the server's address, for line tests")
    parser.add_argument("--sites", type=Path, required=True, help="a JSON file with the list of sites")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    sites = json.loads(given.sites.read_text(encoding="utf-8"))
    _allow_files(len(sites) + _FILES_BESIDE)
    threading.stack_size(512 * 1024)
    asyncio.run(_run(sites, given.folder, given.centre))
    return 0


async def _run(sites: list[str], folder: Path, centre: str) -> None:
    loop, stop, started = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    rooms: dict[str, LightRoom] = {}

    def end() -> None:
        stop.set()
        started.set()
        for room in rooms.values():
            room.link.wake()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    threading.Thread(target=_read_orders, args=(rooms, loop, started), daemon=True).start()
    await started.wait()
    with ThreadPoolExecutor(_HANDSHAKES_AT_ONCE, thread_name_prefix="connect") as connecting:
        async with asyncio.TaskGroup() as group:
            for site in sites:
                if stop.is_set():
                    break
                rooms[site] = LightRoom(site, folder / site, centre)
                group.create_task(rooms[site].run(stop, connecting))
                await asyncio.sleep(0)  # those that are there connect meanwhile


def _read_orders(rooms: dict[str, LightRoom], loop: asyncio.AbstractEventLoop, started: asyncio.Event) -> None:
    """JSON lines: `{"start": true}` once the identities are there; `{"site", "fault", "on"}`."""
    for line in sys.stdin:
        order = json.loads(line)
        with suppress(RuntimeError):  # the loop has ended
            if "start" in order:
                loop.call_soon_threadsafe(started.set)
            else:
                loop.call_soon_threadsafe(_carry_out, rooms, order)


def _carry_out(rooms: dict[str, LightRoom], order: dict[str, Any]) -> None:
    room, fault = rooms.get(order["site"]), FAULTS.get(str(order.get("fault")))
    if room is None or fault is None:
        log.error("order_not_carried_out order=%s", order)
        return
    (fault.begin if order["on"] else fault.end)(room)


def _allow_files(wanted: int) -> None:
    """Each connection is a file; the limit of a login is often 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard) if hard > 0 else wanted, hard))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except AgentError as error:
        sys.exit(f"light rooms: {error}")
