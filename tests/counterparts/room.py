"""A room whose agent is real and whose equipment is simulated behind its own protocols."""

from pathlib import Path

from demo.room import SimulatedRoom
from device_drivers.equipment import EquipmentLoop
from edge_agent.agent import Agent
from edge_agent.firmware import KEY
from edge_agent.identity import FOLDER
from tests.counterparts.identity import give_identity


class RoomUnderTest(SimulatedRoom):
    """Start, stop and start again its agent; cut its line; change its equipment."""

    def __init__(
        self, site: str, equipment: EquipmentLoop, broker_port: int, folder: Path, poll_s: float, records: bool = False
    ) -> None:
        super().__init__(site, broker_port, folder, poll_s, records=records)
        self.equipment = equipment
        self.ups.test_s = 1.0
        self.camera.reboot_s = 3.0  # longer than a stall of the machine, or nobody sees that it is away
        self.display.takes_s = 0.5
        equipment.run(self.plug_in())
        self.release_key = KEY
        self.agent: Agent | None = None

    def start(self) -> None:
        """Start the agent."""
        self.belong()
        self.agent = Agent(self.config(), release_key=self.release_key)
        self.agent.start()

    def belong(self) -> None:
        """Give it its identity; it reaches the broker by its own line."""
        if not (self.folder / FOLDER).exists():
            give_identity(self.folder, self.site, self.line.port)

    def stop(self) -> None:
        """Stop the agent in order."""
        if self.agent is not None:
            self.agent.stop()
            self.agent = None

    def cut_line(self) -> None:
        """The line to the centre is gone."""
        self.equipment.run(self.line.unplug())

    def mend_line(self) -> None:
        """The line is back."""
        self.equipment.run(self.line.plug_in())
