"""What an agent does with commands, whoever sends them: once, in time, accounted for, also when it is killed."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from demo.processes import Processes
from demo.room import SimulatedRoom
from demo.room_toml import room_toml
from device_drivers.equipment import EquipmentLoop
from tests.counterparts.identity import KEY, give_identity
from tests.counterparts.spoken_centre import SpokenCentre
from tests.counterparts.waiting import wait_for
from wire.codec import encode
from wire.fields import Params
from wire.ids import uuid7
from wire.messages import Command
from wire.signing import sign
from wire.topics import Told

SITE = "38-1"


class Watched:
    """A room with its agent as a process, and the centre's end of its wire."""

    def __init__(self, processes: Processes, equipment: EquipmentLoop, port: int, folder: Path) -> None:
        self.processes, self.equipment = processes, equipment
        self.room = SimulatedRoom("38-1", port, folder / "rooms", 1.0)
        self.room.ups.test_s = 1.0
        equipment.run(self.room.plug_in())
        self.config = folder / "room.toml"
        self.config.write_text(room_toml(self.room.config(on_wires_only=True)))
        give_identity(self.room.folder, SITE, self.room.line.port)
        self.centre = SpokenCentre(SITE, port)
        self.agent = self.start()

    def start(self) -> "subprocess.Popen[bytes]":
        before = self.centre.report.boot_id if self.centre.report is not None else ""
        command = [sys.executable, "-m", "edge_agent.cli", "run", "--config", str(self.config)]
        child = self.processes.start("agent", command)

        def is_well() -> bool:
            report = self.centre.report
            return (
                report is not None and report.boot_id != before
                and all(device.state == "ok" for device in report.devices) and not self.centre.waits()
            )  # fmt: skip

        wait_for(is_well, 20, "the room is not well")
        return child

    def kill(self) -> None:
        self.agent.kill()
        self.agent.wait()
        self.processes.forget(self.agent)


@pytest.fixture
def watched(processes: Processes, equipment: EquipmentLoop, mosquitto_port: int, tmp_path: Path) -> Iterator[Watched]:
    made = Watched(processes, equipment, mosquitto_port, tmp_path)
    yield made
    made.centre.leave()


def command(
    action: str = "test.battery.start.quick", device: str = "ups-1", params: Params | None = None,
    starts_s: float = 0.0, ends_s: float = 60.0,
) -> Command:  # fmt: skip
    now = datetime.now(UTC)
    begin, end = now + timedelta(seconds=starts_s), now + timedelta(seconds=ends_s)
    return Command(uuid7(), SITE, uuid7(), device, action, params or {}, begin, end, "test")


def test_a_command_that_comes_many_times_is_executed_once(watched: Watched) -> None:
    asked = command()
    senders = [threading.Thread(target=watched.centre.send, args=(asked,)) for _ in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert watched.centre.ends(asked.id).state == "succeeded"
    watched.centre.send(asked)
    later = command("beeper.mute")
    watched.centre.send(later)
    watched.centre.ends(later.id)
    assert watched.room.ups.executed == ["test.battery.start.quick", "beeper.mute"]
    assert [step.state for step in watched.centre.steps[asked.id]].count("accepted") == 1


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (lambda: command(starts_s=-120, ends_s=-1), "expired"),
        (lambda: command(starts_s=3_600, ends_s=3_660), "clock_untrusted"),
        (lambda: command(device="ups-9"), "unknown_device"),
        (lambda: command("load.off"), "not_offered"),
        (lambda: command("go_to_preset", "camera-1", {"preset": "moon"}), "wrong_params"),
        (lambda: command("go_to_preset", "camera-1"), "wrong_params"),
    ],
    ids=["expired", "clock", "device", "action", "value", "missing"],
)
def test_a_command_that_cannot_be_right_is_refused_with_its_reason(watched: Watched, asked, reason: str) -> None:  # type: ignore[no-untyped-def]
    sent = asked()
    watched.centre.send(sent)
    end = watched.centre.ends(sent.id)
    assert (end.state, end.detail) == ("refused", reason)
    assert watched.room.ups.executed == [] and watched.room.camera.moved_to == ""


def test_noise_is_no_command_and_stops_nothing(watched: Watched) -> None:
    for noise in (b"", b"{}", b"\xff" * 1_000, encode(command())[:-5], b"[" * 50_000):
        watched.centre.say(Told.COMMAND, noise)
        watched.centre.say(Told.COMMAND, sign(KEY, Told.COMMAND, noise))
    asked = command("beeper.mute")
    watched.centre.send(asked)
    assert watched.centre.ends(asked.id).state == "succeeded"
    assert watched.room.ups.executed == ["beeper.mute"]


def test_a_killed_agent_ends_its_command_as_interrupted_and_does_not_repeat_it(watched: Watched) -> None:
    watched.room.ups.test_s = 30.0
    asked = command()
    watched.centre.send(asked)
    wait_for(lambda: watched.room.ups.executed, 10, "it was never begun")
    watched.kill()
    watched.agent = watched.start()
    end = watched.centre.ends(asked.id)
    assert (end.state, end.detail) == ("interrupted", "agent_stopped")
    watched.centre.send(asked)
    later = command("beeper.mute")
    watched.centre.send(later)
    watched.centre.ends(later.id)
    assert watched.room.ups.executed == ["test.battery.start.quick", "beeper.mute"]


def test_check_prints_the_room_and_fails_when_a_device_does_not_answer(watched: Watched) -> None:
    def check(config: Path) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "edge_agent.cli", "--lang", "en", "check", "--config", str(config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    well = check(watched.config)
    assert well.returncode == 0, well.stderr
    assert "Power source" in well.stdout and "mains" in well.stdout and "camera-1" in well.stdout
    watched.equipment.run(watched.room.ups.unplug())
    ill = check(watched.config)
    assert ill.returncode == 1 and "not_answering" in ill.stdout
    watched.config.write_text("folder = 7\n")
    wrong = check(watched.config)
    assert wrong.returncode == 2 and f"{watched.config}, line 1, key folder" in wrong.stderr


def test_describe_lists_what_every_driver_reads_and_does() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "edge_agent.cli", "describe"], capture_output=True, text=True, timeout=60, check=True
    )
    for word in ("camera_onvif (camera)", "Khởi động lại camera", "ups_nut (ups)", "power_source", "restart_service"):
        assert word in ran.stdout
