"""The power tree: after an act everything that hung on the outlet is back, or the command has failed."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from edge_agent.agent import Agent
from edge_agent.config import Feed
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.room import RoomUnderTest

FINAL = {"succeeded", "failed", "refused", "expired", "interrupted"}


def start(room: RoomUnderTest, *power: Feed) -> None:
    room.belong()
    room.agent = Agent(msgspec.structs.replace(room.config(), power=power))
    room.agent.start()


def cycled(fleet: FleetUnderTest, output: str, action: str = "power_cycle") -> dict[str, Any]:
    asked = fleet.command("38-1", "relay-1", action, params={"output": output}, reason="does not answer")
    return fleet.wait_for_command(asked["id"], FINAL)


def test_a_power_cycle_ends_when_what_it_feeds_is_back(fleet: FleetUnderTest, room: RoomUnderTest) -> None:
    fleet.wait_until("38-1", verdict="ready")
    ended = cycled(fleet, "camera")
    assert ended["state"] == "succeeded"
    assert "waiting_for_fed" in [step["detail"] for step in ended["steps"]]
    assert ended["steps"][-1]["params"]["back_after_s"] >= 0
    fleet.wait_until("38-1", verdict="ready")


def test_a_power_cycle_fails_when_what_it_feeds_stays_away(
    fleet: FleetUnderTest, new_room: Callable[..., RoomUnderTest]
) -> None:
    room = new_room("38-1")
    start(room, Feed("relay-1", "lights", ("camera-1",), back_within_s=3))
    fleet.wait_until("38-1", verdict="ready")
    room.camera.frozen = True
    ended = cycled(fleet, "lights")
    assert ended["state"] == "failed"
    last = ended["steps"][-1]
    assert (last["detail"], last["params"]) == ("fed_not_back", {"devices": "camera-1"})


@pytest.mark.parametrize("action", ["power_cycle", "power_off"])
def test_who_would_cut_its_own_power_refuses(
    fleet: FleetUnderTest, new_room: Callable[..., RoomUnderTest], action: str
) -> None:
    room = new_room("38-1")
    own = Feed("relay-1", "lights", carries_agent=True, off_and_on_proved=action == "power_off")
    start(room, own)
    fleet.wait_until("38-1", verdict="ready")
    ended = cycled(fleet, "lights", action)
    assert ended["state"] == "refused"
    assert ended["steps"][-1]["detail"] == "cuts_own_power"
    assert room.relays.board.pin(23).state is True, "the coil was never pulled"
