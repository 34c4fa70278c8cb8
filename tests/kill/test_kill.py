"""Agent, broker and server killed at random while commands and events flow; afterwards both ends must agree.

The checker reads the room's store, the server's database and what the equipment counted.
"""

import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import httpx
import pytest

from demo.broker import mosquitto, start_mosquitto
from demo.processes import Processes
from demo.room import SimulatedRoom
from demo.room_toml import room_toml
from device_drivers.equipment import EquipmentLoop
from device_drivers.loopback import free_port
from tests.conftest import need
from tests.counterparts.databases import rows_in
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.identity import give_identity
from tests.counterparts.waiting import listening, wait_for
from wire.ids import uuid7

FINAL = {"succeeded", "failed", "refused", "expired", "interrupted"}
_KILLS = int(os.environ.get("DIEMCAU_KILLS", "12"))
"""`DIEMCAU_KILLS=200` has some ten thousand commands live through two hundred kills; that takes half an hour."""
_ASKERS = 1 if _KILLS <= 12 else 8
_ACTIONS = ("test.battery.start.quick", "beeper.mute")
_EACH_S = (0.2, 1.0) if _KILLS <= 12 else (0.0, 0.2)


@pytest.mark.timeout(400 + 20 * _KILLS)
def test_nothing_is_lost_or_doubled_when_every_part_is_killed_at_random(
    processes: Processes, equipment: EquipmentLoop, tmp_path: Path
) -> None:
    program = mosquitto()
    need(program, "mosquitto")
    broker_port = free_port()

    def start_broker() -> "subprocess.Popen[bytes]":
        child = start_mosquitto(processes, str(program), tmp_path / "broker", broker_port)
        listening(broker_port)
        return child

    broker = start_broker()
    fleet = FleetUnderTest(processes, broker_port, tmp_path / "server")
    fleet.start()
    room = SimulatedRoom("38-1", broker_port, tmp_path / "rooms", 1.0)
    room.ups.test_s = 0.7
    equipment.run(room.plug_in())
    config = tmp_path / "room.toml"
    config.write_text(room_toml(room.config(on_wires_only=True)))
    give_identity(room.folder, "38-1", room.line.port)

    def start_agent() -> "subprocess.Popen[bytes]":
        return processes.start("agent", [sys.executable, "-m", "edge_agent.cli", "run", "--config", str(config)])

    agent = start_agent()
    fleet.wait_until("38-1", verdict="ready", within_s=30)
    stop = threading.Event()
    asked: list[str] = []

    def keep_asking() -> None:
        """A button pressed again and again, each press with its own key, tried until the server has it."""
        with httpx.Client(base_url=f"{fleet.address}/api/v1", timeout=5, headers=fleet.headers) as client:
            while not stop.is_set():
                key = uuid7()
                while not stop.is_set():
                    try:
                        answer = client.post(
                            "/sites/38-1/devices/ups-1/commands",
                            json={"action": _ACTIONS[len(asked) % 2]},
                            headers={"Idempotency-Key": key},
                        )
                    except httpx.HTTPError:
                        stop.wait(0.2)
                        continue
                    if answer.status_code == 202:
                        asked.append(answer.json()["id"])
                        break
                    stop.wait(0.2)
                stop.wait(chance.uniform(*_EACH_S))

    def keep_happening() -> None:
        """The mains go and come: each is an event of the room."""
        while not stop.is_set():
            room.ups.cut_mains(9_000)
            stop.wait(chance.uniform(1.2, 2.0))
            room.ups.restore_mains()
            stop.wait(chance.uniform(1.2, 2.0))

    chance = random.Random(7)
    workers = [threading.Thread(target=work) for work in (*[keep_asking] * _ASKERS, keep_happening)]
    for worker in workers:
        worker.start()
    pause = threading.Event()
    for number in range(_KILLS):
        pause.wait(chance.uniform(0.5, 3.0))
        victim = ("agent", "broker", "server")[number % 3]
        child = {"agent": agent, "broker": broker}.get(victim)
        if child is not None:
            child.kill()
            child.wait()
            processes.forget(child)
        if victim == "agent":
            agent = start_agent()
        elif victim == "broker":
            broker = start_broker()
        else:
            fleet.kill()
            fleet.start()
    wait_for(lambda: _mains_changes(fleet.folder) > 0, 60, "no event of the mains has arrived")
    stop.set()
    for worker in workers:
        worker.join()
    room.ups.restore_mains()

    print(f"{len(asked)} commands, {_KILLS} kills")
    for command in asked:
        fleet.wait_for_command(command, FINAL, within_s=150)
    wait_for(lambda: _open(fleet.folder) == 0, 150, "a command has no end")
    store = tmp_path / "rooms" / "38-1" / "room.db"
    wait_for(lambda: _waiting(store) == 0, 90, "the room's log was never acknowledged to its end")
    agent.terminate()  # so that nothing more happens between the looks at both ends
    agent.wait(20)
    processes.forget(agent)
    _check_log(store, fleet.folder)
    _check_commands(fleet.folder, asked, room.ups.executed)
    fleet.close()


def _waiting(store: Path) -> int:
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as db:
        return int(db.execute("SELECT count(*) FROM log").fetchone()[0])


def _open(fleet: Path) -> int:
    return sum(row[0] not in FINAL for row in rows_in(fleet, "SELECT state FROM commands"))


def _mains_changes(fleet: Path) -> int:
    rows = rows_in(fleet, "SELECT params FROM log_entries WHERE event = 'reading_changed' AND device = 'ups-1'")
    return sum(json.loads(row[0])["key"] == "power_source" for row in rows)


def _check_log(store: Path, fleet: Path) -> None:
    """Every number that the room gave is at the server exactly once, and the server has no other."""
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as db:
        given = int(db.execute("SELECT value FROM meta WHERE key = 'next_n'").fetchone()[0]) - 1
    kept = [row[0] for row in rows_in(fleet, "SELECT n FROM log_entries WHERE site = '38-1' ORDER BY n")]
    assert kept == list(range(1, given + 1))
    assert given >= 20, "no events flowed"


def _check_commands(fleet: Path, asked: list[str], executed: list[str]) -> None:
    """Each command is final; what succeeded was executed, and nothing was executed more often than it was started."""
    states: dict[str, str] = dict(rows_in(fleet, "SELECT id, state FROM commands"))
    started = Counter(row[0] for row in rows_in(fleet, "SELECT command FROM command_steps WHERE detail = 'started'"))
    assert len(asked) == len(set(asked)) >= 4, "no commands flowed"
    unheard = states.keys() - set(asked)  # taken by the server, whose answer was lost as the test ended
    assert set(asked) <= states.keys() and len(unheard) <= _ASKERS
    assert set(states.values()) <= FINAL
    assert all(count == 1 for count in started.values()), "a command was started twice"
    succeeded = sum(state == "succeeded" for state in states.values())
    assert succeeded <= len(executed) <= len(started)
    assert succeeded >= 1
