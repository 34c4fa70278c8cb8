"""A mixer of either family on a UDP port: answers questions, takes settings in silence, tells remotes of changes."""

import struct
import time
from collections.abc import Callable
from typing import Any

from pythonosc.osc_message_builder import OscMessageBuilder

from device_drivers.equipment import DatagramEquipment
from device_drivers.mixer_osc.line import decoded, encoded
from device_drivers.mixer_osc.protocol import FAMILIES, METERS, Family

_REMOTE_S = 10.0


class SimulatedMixer(DatagramEquipment):
    """Holds strips and a scene. `loses` decides of each answer whether the network loses it."""

    def __init__(self, port: int = 0, family: Family = "x32") -> None:
        super().__init__(port)
        self.family: Family = family
        self.info = ["V2.07", "diemcau", "X32", "4.06"] if family == "x32" else ["V0.04", "diemcau", "XR18", "1.22"]
        self.loses: Callable[[], bool] = lambda: False
        self.is_locked = False
        """It takes no setting, as a desk with its lock on."""
        self.levels = [0.05] * 96
        """Linear, 1.0 is full scale."""
        self.scenes = 10
        self.received: list[tuple[str, list[object]]] = []
        """Every setting that came, the lost ones too."""
        at = FAMILIES[family]
        strips = [at.main, *(at.strip(str(channel)) for channel in range(1, at.channels + 1))]
        self.values: dict[str, float] = {f"{strip}/on": 1 for strip in strips}
        self.values |= {f"{strip}/fader": 0.75 for strip in strips}
        self.values[at.scene] = 3
        self._remotes: dict[tuple[str, int], float] = {}

    def settings(self) -> dict[str, Any]:
        """For the driver mixer_osc."""
        return {"host": "127.0.0.1", "port": self.port, "family": self.family, "channels": [1, 2]}

    def turn(self, address: str, value: float, by: tuple[str, int] | None = None) -> None:
        """Somebody changes a value; every other remote is told."""
        self.values[address] = value
        for remote, until_s in list(self._remotes.items()):
            if until_s > time.monotonic() and remote != by:
                self.say(encoded(address, value), remote)

    def mute(self, channel: int) -> None:
        """Somebody presses the channel's mute."""
        self.turn(f"{FAMILIES[self.family].strip(str(channel))}/on", 0)

    def unmute(self, channel: int) -> None:
        """And again."""
        self.turn(f"{FAMILIES[self.family].strip(str(channel))}/on", 1)

    def hear(self, datagram: bytes, sender: tuple[str, int]) -> None:
        """Question, setting, /xremote or /meters."""
        address, arguments = decoded(datagram, "a client")
        at = FAMILIES[self.family]
        if address == "/xremote":
            self._remotes[sender] = time.monotonic() + _REMOTE_S
        elif address == "/meters" and arguments == [METERS]:
            self._answer(_blob(METERS, self._meters()), sender)
        elif arguments:
            self.received.append((address, arguments))
            self._set(address, arguments[0], at.recall, at.scene, sender)
        elif address in ("/info", "/xinfo"):
            said = self.info if address == "/info" else ["127.0.0.1", *self.info[1:]]
            self._answer(encoded(address, *said), sender)
        elif address in self.values:
            self._answer(encoded(address, self.values[address]), sender)

    def _set(self, address: str, value: object, recall: str, scene: str, sender: tuple[str, int]) -> None:
        if self.is_locked or not isinstance(value, int | float):
            return
        if address == recall and 0 <= value < self.scenes:
            self.turn(scene, int(value), sender)
        elif address in self.values:
            self.turn(address, value, sender)

    def _meters(self) -> bytes:
        if self.family == "x32":
            return struct.pack(f"<i{len(self.levels)}f", len(self.levels), *self.levels)
        return struct.pack("<i40h", 40, *[-26 * 256] * 40)

    def _answer(self, datagram: bytes, to: tuple[str, int]) -> None:
        if not self.loses():
            self.say(datagram, to)


def _blob(address: str, blob: bytes) -> bytes:
    builder = OscMessageBuilder(address)
    builder.add_arg(blob, "b")
    return builder.build().dgram


SIMULATOR = SimulatedMixer
