"""One simulated room: its equipment on sockets, its line, and the faults that can befall it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

from demo.line import Line
from device_drivers.camera_onvif.simulator import SimulatedCamera
from device_drivers.pc.simulator import SimulatedPc
from device_drivers.ups_nut.simulator import SimulatedUps
from edge_agent.config import BrokerConfig, DeviceConfig, RoomConfig

_CAMERAS = (
    ("Hikvision", "DS-2CD2143G2-I", "V5.7.13"),
    ("Dahua", "IPC-HFW2431S", "2.840.0"),
    ("KBVISION", "KX-C4K01", "1.0"),
)
_UPSES = (("SANTAK", "C1KS-LCD"), ("APC", "Smart-UPS 1500"), ("EATON", "5E 1100i"))


class SimulatedRoom:
    """PC, camera, UPS and line of one site. All methods run on the equipment's loop."""

    def __init__(self, site: str, broker_port: int, folder: Path, poll_s: float | None = None) -> None:
        self.site, self._folder = site, folder
        chance = Random(site)
        self.pc, self.camera, self.ups, self.line = SimulatedPc(), SimulatedCamera(), SimulatedUps(), Line(broker_port)
        self.camera.make, self.camera.model, self.camera.firmware = chance.choice(_CAMERAS)
        self.camera.serial = f"{chance.randrange(16**8):08X}"
        self.camera.reboot_s = chance.uniform(12, 25)
        make, model = chance.choice(_UPSES)
        self.ups.variables |= {
            "device.mfr": make, "device.model": model, "device.serial": f"{chance.randrange(10**10):010}",
            "ups.load": str(chance.randrange(12, 45)), "battery.runtime": str(chance.randrange(9_000, 16_000)),
            "input.voltage": str(chance.randrange(214, 232)),
        }  # fmt: skip
        self._runtime_s = int(self.ups.variables["battery.runtime"])
        self.ups.test_s = 8.0
        self.pc.change(
            cpu=float(chance.randrange(4, 40)), memory=float(chance.randrange(30, 70)),
            disk_free=float(chance.randrange(120, 800)) * 1e9, temperature=float(chance.randrange(38, 62)),
        )  # fmt: skip
        self._free = self.pc.facts.disk_free
        self._poll_s = poll_s or chance.uniform(9, 13)

    async def plug_in(self) -> None:
        """Everything on."""
        for part in (self.pc, self.camera, self.ups, self.line):
            await part.plug_in()

    def config(self) -> RoomConfig:
        """What the agent of this room is told."""
        return RoomConfig(
            site=self.site,
            folder=str(self._folder / self.site),
            broker=BrokerConfig(**self.line.settings()),
            devices=(
                DeviceConfig("pc-1", "pc", "pc", self._poll_s, 8.0, self.pc.settings()),
                DeviceConfig("camera-1", "camera", "camera_onvif", self._poll_s, 8.0, self.camera.settings()),
                DeviceConfig("ups-1", "ups", "ups_nut", self._poll_s, 8.0, self.ups.settings()),
            ),
        )

    def faults(self) -> dict[str, tuple[Callable[[], Awaitable[None]], Callable[[], Awaitable[None]]]]:
        """Name -> what happens, and how it is put right."""

        def soon(change: Callable[[], None]) -> Callable[[], Awaitable[None]]:
            async def done() -> None:
                change()

            return done

        return {
            "mains_lost": (
                soon(lambda: self.ups.cut_mains(4_500)), soon(lambda: self.ups.restore_mains(self._runtime_s))
            ),
            "camera_frozen": (
                soon(lambda: setattr(self.camera, "frozen", True)), soon(lambda: setattr(self.camera, "frozen", False))
            ),
            "picture_still": (
                soon(lambda: setattr(self.camera, "picture", "still")),
                soon(lambda: setattr(self.camera, "picture", "lit")),
            ),
            "room_dark": (
                soon(lambda: setattr(self.camera, "picture", "dark")),
                soon(lambda: setattr(self.camera, "picture", "lit")),
            ),
            "disk_full": (
                soon(lambda: self.pc.change(disk_free=1.5e9, disk_used=99.7)),
                soon(lambda: self.pc.change(disk_free=self._free, disk_used=18.0)),
            ),
            "software_closed": (
                soon(lambda: self.pc.change(conference_running=False)),
                soon(lambda: self.pc.change(conference_running=True)),
            ),
            "line_down": (self.line.unplug, self.line.plug_in),
            "battery_worn": (
                soon(lambda: self.ups.variables.update({"ups.status": "OL RB"})),
                soon(lambda: self.ups.variables.update({"ups.status": "OL CHRG"})),
            ),
        }  # fmt: skip
