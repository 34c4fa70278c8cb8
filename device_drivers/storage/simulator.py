"""A PC that tells of its recording disk on a socket."""

from device_drivers.equipment import FactsEquipment
from device_drivers.storage.facts import DiskFacts


class SimulatedDisk(FactsEquipment):
    """Change what it is: `disk.change(space_free=0)`."""

    facts: DiskFacts

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.facts = DiskFacts(
            make="Western Digital Purple", model="WDC WD40PURZ-85A", serial="WD-WX12A3456789", firmware="80.00A80",
            writable=True, space_free=1.9e12, space_total=4e12, recording_still=2_400.0, recordings=86,
            smart_healthy=True, disk_temperature=38.0, disk_hours=11_260.0,
        )  # fmt: skip


SIMULATOR = SimulatedDisk
