"""A PC that tells its facts on a socket, for rooms that have no PC of their own."""

from device_drivers.equipment import FactsEquipment
from device_drivers.pc.facts import Facts


class SimulatedPc(FactsEquipment):
    """Change what it is: `pc.change(disk_free=0)`."""

    facts: Facts

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.facts = Facts(
            make="Dell Inc.", model="OptiPlex 3090", system="Windows 10 Pro 19045", cpu=12.0, memory=41.0,
            disk_free=412e9, disk_used=18.0, temperature=47.0, uptime=86_400.0, clock_offset=0.0, link_up=True,
            link_speed=1000.0, conference_running=True, usb_camera=True, usb_audio=True, external_disk=True,
        )  # fmt: skip


SIMULATOR = SimulatedPc
