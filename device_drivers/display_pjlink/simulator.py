"""A class 2 projector on a TCP port: greeting, password, power that takes its time, inputs, faults."""

import asyncio
import hashlib
import secrets
import time
from typing import Any

from device_drivers.equipment import StreamEquipment


class SimulatedDisplay(StreamEquipment):
    """`power` goes through warming and cooling by itself when it is told over the wire."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.password: str | None = None
        self.make, self.model, self.serial, self.firmware = "EPSON", "EB-L210W", "X4SW0100523", "1.05"
        self.pj_class = 2
        self.takes_s = 0.3
        self.refuses_while_on_its_way = False
        """ERR3 to every question for its power while it warms up or cools down, as some projectors say."""
        self.ignores_power = False
        """Says OK to on and off, and does nothing."""
        self.inputs = {"11": "Computer", "31": "HDMI1", "32": "HDMI2", "51": "LAN"}
        self.input = "31"
        self.muted = "30"
        self.lamp_hours = 1_840
        self.faults = "000000"
        self._on, self._since_s = True, 0.0

    def settings(self) -> dict[str, Any]:
        """For the driver display_pjlink."""
        secret = {"password": self.password} if self.password else {}
        return {"host": "127.0.0.1", "port": self.port, "input": "31", **secret}

    def switch(self, on: bool) -> None:
        """Somebody presses the power button; it warms up or cools down first."""
        if on != self._on:
            self._on, self._since_s = on, time.monotonic()

    @property
    def power(self) -> str:
        """As POWR codes it."""
        if time.monotonic() - self._since_s < self.takes_s:
            return "3" if self._on else "2"
        return "1" if self._on else "0"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Greeting, then commands that end with a carriage return."""
        await self.while_frozen()
        salt = secrets.token_hex(4)
        writer.write(f"PJLINK 1 {salt}\r".encode() if self.password else b"PJLINK 0\r")
        is_in = self.password is None
        while True:
            line = (await reader.readuntil(b"\r")).decode().rstrip("\r")
            await self.while_frozen()
            if not is_in:
                # The protocol's own digest (section 5.1), which keeps nobody out for long.
                wanted = hashlib.md5(f"{salt}{self.password}".encode(), usedforsecurity=False).hexdigest()
                if not line.startswith(wanted):
                    writer.write(b"PJLINK ERRA\r")
                    await writer.drain()
                    return
                is_in, line = True, line[len(wanted) :]
            writer.write(f"{line[:6]}={self._answer(line[1:2], line[2:6], line[7:])}\r".encode())
            await writer.drain()

    def _answer(self, pj_class: str, command: str, param: str) -> str:
        if pj_class == "2" and self.pj_class < 2:
            return "ERR1"
        if command == "POWR" and param == "?" and self.refuses_while_on_its_way and self.power in "23":
            return "ERR3"
        if command == "POWR" and param in "01":
            if not self.ignores_power:
                self.switch(param == "1")
            return "OK"
        if command == "INPT" and param != "?":
            if param not in self.inputs:
                return "ERR2"
            if self.power != "1":
                return "ERR3"
            self.input = param
            return "OK"
        if command == "INNM":
            return self.inputs.get(param[1:], "ERR2")
        if command in ("INPT", "AVMT") and self.power != "1":
            return "ERR3"
        told = {
            "POWR": self.power, "INPT": self.input, "AVMT": self.muted, "ERST": self.faults,
            "LAMP": f"{self.lamp_hours} {int(self._on)}", "INST": " ".join(self.inputs), "NAME": "Reception",
            "INF1": self.make, "INF2": self.model, "INFO": "", "CLSS": str(self.pj_class),
        }  # fmt: skip
        if pj_class == "2":
            told |= {"SNUM": self.serial, "SVER": self.firmware}
        return told.get(command, "ERR1") if param == "?" else "ERR2"


SIMULATOR = SimulatedDisplay
