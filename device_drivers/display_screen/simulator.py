"""A PC that tells of its screen on a socket."""

from device_drivers.display_screen.facts import ScreenFacts
from device_drivers.equipment import FactsEquipment


class SimulatedScreen(FactsEquipment):
    """Change what it is: `screen.change(connected=False)`."""

    facts: ScreenFacts

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.facts = ScreenFacts(
            connected=True, make="DEL", model="DELL P2422H", serial="8K3V7P3", connector="HDMI-A-1", power="on",
            width=1920, height=1080,
        )  # fmt: skip


SIMULATOR = SimulatedScreen
