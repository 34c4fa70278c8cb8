"""One simulated room: its equipment on sockets, and its line."""

import asyncio
from functools import partial
from pathlib import Path
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from demo.line import Line
from demo.models import CAMERAS, DECODERS, DISPLAYS, LAMPS, LINES, SOUNDS, UPSES
from demo.recorder import Recorder
from device_drivers.audio_alsa.simulator import SimulatedSound
from device_drivers.camera_onvif.simulator import SimulatedCamera
from device_drivers.display_pjlink.simulator import SimulatedDisplay
from device_drivers.equipment import SimulatedEquipment
from device_drivers.light.simulator import SimulatedLight
from device_drivers.line.simulator import SimulatedLine
from device_drivers.mixer_osc.simulator import SimulatedMixer
from device_drivers.pc.simulator import SimulatedPc
from device_drivers.relay_gpio.simulator import SimulatedRelays
from device_drivers.snmp import objects
from device_drivers.snmp.simulator import SimulatedAgent
from device_drivers.storage.simulator import SimulatedDisk
from device_drivers.ups_nut.simulator import SimulatedUps
from edge_agent.config import DeviceConfig, Feed, RoomConfig
from edge_agent.identity import FOLDER, IdentityKeeper, save_new
from wire.description import Role

_POWER = tuple(Feed("relay-1", name, (f"{name}-1",), back_within_s=60.0) for name in ("camera", "mixer", "display"))


class Device(Struct, frozen=True):
    """A piece of simulated equipment, and what the room calls it."""

    id: str
    role: Role
    driver: str
    equipment: SimulatedEquipment


class SimulatedRoom:
    """The equipment and the line of one site. All methods run on the equipment's loop."""

    def __init__(
        self, site: str, broker_port: int, folder: Path, poll_s: float | None = None, web_port: int | None = None,
        records: bool = False,
    ) -> None:  # fmt: skip
        """`web_port`: of the server, where the room's line may be measured. `records`: its disk is a real folder."""
        self.site, self.folder = site, folder / site
        chance = Random(site)
        self.pc, self.camera, self.ups, self.line = SimulatedPc(), SimulatedCamera(), SimulatedUps(), Line(broker_port)
        self.camera.make, self.camera.model, self.camera.firmware = chance.choice(CAMERAS)
        self.camera.serial = f"{chance.randrange(16**8):08X}"
        self.camera.reboot_s = chance.uniform(12, 25)
        make, model = chance.choice(UPSES)
        self.ups.variables |= {
            "device.mfr": make, "device.model": model, "device.serial": f"{chance.randrange(10**10):010}",
            "ups.load": str(chance.randrange(12, 45)), "battery.runtime": str(chance.randrange(9_000, 16_000)),
            "input.voltage": str(chance.randrange(214, 232)),
        }  # fmt: skip
        self.mixer = SimulatedMixer(family=chance.choice(("x32", "xair")))
        self.sound = SimulatedSound()
        self.sound.microphone(volume=float(chance.randrange(55, 95)), name=f"{chance.choice(SOUNDS)} Mono")
        self.sound.speaker(volume=float(chance.randrange(45, 90)))
        self.display = SimulatedDisplay()
        self.display.make, self.display.model = chance.choice(DISPLAYS)
        self.display.serial = f"{chance.choice('XVK')}{chance.randrange(10**9):09}"
        self.display.lamp_hours = chance.randrange(40, 4_000)
        self.display.takes_s = chance.uniform(6, 14)
        self.disk = SimulatedDisk()
        self.disk.change(
            serial=f"WD-WX{chance.randrange(10**9):09}", space_free=float(chance.randrange(400, 3_600)) * 1e9,
            disk_hours=float(chance.randrange(300, 20_000)), disk_temperature=float(chance.randrange(31, 46)),
        )  # fmt: skip
        self.empty_disk = self.disk.facts.space_free
        self.recorder = Recorder(self.folder / "recordings") if records else None
        self.decoder = SimulatedAgent()
        make, model, firmware = chance.choice(DECODERS)
        self.decoder.objects |= {
            objects.SYS_DESCR: f"{make} {model} {firmware}", objects.MAKE: make, objects.MODEL: model,
            objects.FIRMWARE: firmware, objects.SERIAL: f"{chance.randrange(16**10):010X}",
        }  # fmt: skip
        self.light = SimulatedLight()
        self.light.make, self.light.model = chance.choice(LAMPS)
        self.probe = SimulatedLine()
        self.probe.provider, self.probe.contract = chance.choice(LINES)
        self.probe.latency_s, self.probe.jitter_s = chance.uniform(0.006, 0.045), chance.uniform(0.0005, 0.004)
        self.uplink = Line(web_port, chance.uniform(4.4, 5.8)) if web_port is not None else None
        self.relays = SimulatedRelays()
        for output, load in (("camera", self.camera), ("mixer", self.mixer), ("display", self.display)):
            self.relays.feeds(output, partial(self._power, load))
        self.full_runtime_s = int(self.ups.variables["battery.runtime"])
        self.ups.test_s = 8.0
        self.pc.change(
            cpu=float(chance.randrange(4, 40)), memory=float(chance.randrange(30, 70)),
            disk_free=float(chance.randrange(120, 800)) * 1e9, temperature=float(chance.randrange(38, 62)),
        )  # fmt: skip
        self.devices = (
            Device("pc-1", "pc", "pc", self.pc),
            Device("camera-1", "camera", "camera_onvif", self.camera),
            Device("mixer-1", "mixer", "mixer_osc", self.mixer),
            Device("audio-1", "audio", "audio_alsa", self.sound),
            Device("display-1", "display", "display_pjlink", self.display),
            Device("light-1", "light", "light", self.light),
            Device("line-1", "line", "line", self.probe),
            Device("storage-1", "storage", "storage", self.recorder or self.disk),
            Device("decoder-1", "decoder", "snmp", self.decoder),
            Device("relay-1", "relay", "relay_gpio", self.relays),
            Device("ups-1", "ups", "ups_nut", self.ups),
        )
        self._poll_s = poll_s or chance.uniform(9, 13)

    async def plug_in(self) -> None:
        """Everything on."""
        self._loop = asyncio.get_running_loop()
        for part in (*(device.equipment for device in self.devices), self.line):
            await part.plug_in()
        if self.uplink is not None:
            await self.uplink.plug_in()
            self.probe.url = f"http://127.0.0.1:{self.uplink.port}"

    def reach_centre_by_line(self) -> None:
        """The identity was given for the broker; this room's way there is its line, which can be cut."""
        keeper = IdentityKeeper(self.folder / FOLDER)
        keeper.close()
        at = self.line.settings()
        save_new(
            self.folder / FOLDER, replace(keeper.identity, broker_host=at["host"], broker_port=at["port"])
        )  # fmt: skip

    def lights(self, on: bool) -> None:
        """The lamps burn out, or new ones are put in: sensor and camera see it."""
        self.light.burn_out(not on)
        self.camera.picture = "lit" if on else "dark"

    def _power(self, load: SimulatedEquipment, is_high: bool) -> None:
        """A relay on the normally closed contact: a low level takes the power away. Called by a driver's thread."""
        change = load.plug_in() if is_high else load.unplug()
        asyncio.run_coroutine_threadsafe(change, self._loop)

    def config(self, on_wires_only: bool = False) -> RoomConfig:
        """What the agent of this room is told; one in another process reaches only what is on a wire."""
        told = [
            (d, d.equipment.settings_elsewhere() if on_wires_only else d.equipment.settings()) for d in self.devices
        ]
        names = {device.id for device, settings in told if settings is not None}
        return RoomConfig(
            folder=str(self.folder),
            devices=tuple(
                DeviceConfig(device.id, device.role, device.driver, self._poll_s, 8.0, settings)
                for device, settings in told
                if settings is not None
            ),
            power=tuple(feed for feed in _POWER if feed.device in names),
        )
