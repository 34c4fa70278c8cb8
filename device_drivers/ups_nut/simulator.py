"""upsd with one UPS, on a socket: enough of RFC 9271 for any client that lists, reads and commands."""

import asyncio
from typing import Any

from device_drivers.equipment import StreamEquipment


class SimulatedUps(StreamEquipment):
    """Answers as upsd would for a UPS named `room`. `executed` counts what it was told to do."""

    name = "room"

    def __init__(self, port: int = 0, username: str = "noc", password: str = "noc") -> None:  # noqa: S107 - simulated
        super().__init__(port)
        self.username, self.password = username, password
        self.executed: list[str] = []
        self.test_s = 2.0
        self.test_result = "Done and passed"
        self.stale = False
        self.variables = {
            "battery.charge": "100",
            "battery.runtime": "5400",
            "device.mfr": "SANTAK",
            "device.model": "C1KS-LCD",
            "device.serial": "SIM000000",
            "input.voltage": "228.0",
            "ups.beeper.status": "enabled",
            "ups.firmware": "01.04",
            "ups.load": "24",
            "ups.status": "OL CHRG",
            "ups.test.result": "No test initiated",
            "outlet.1.status": "on",
        }
        self.hangs_up = False
        """Whether it leaves once it was told a command, without an answer."""
        self.commands = (
            "beeper.disable", "beeper.enable", "beeper.mute", "load.off", "outlet.1.load.cycle",
            "test.battery.start.quick", "test.battery.stop",
        )  # fmt: skip

    def settings(self) -> dict[str, Any]:
        """For the driver ups_nut."""
        return {
            "ups": self.name, "host": "127.0.0.1", "port": self.port,
            "username": self.username, "password": self.password,
        }  # fmt: skip

    def cut_mains(self, runtime_s: int) -> None:
        """The mains fail; the battery lasts for so long."""
        self.variables |= {
            "ups.status": "OB DISCHRG",
            "battery.runtime": str(runtime_s),
            "input.voltage": "0.0",
        }

    def restore_mains(self, runtime_s: int = 5400) -> None:
        """The mains are back."""
        self.variables |= {
            "ups.status": "OL CHRG",
            "battery.runtime": str(runtime_s),
            "input.voltage": "228.0",
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Line in, line or list out, until the client leaves."""
        given = {"USERNAME": "", "PASSWORD": ""}
        while line := await reader.readline():
            await self.while_frozen()
            words = line.decode("ascii", "replace").split()
            if not words:
                continue
            if words[0] in given and len(words) == 2:
                given[words[0]] = words[1]
                answer = "OK"
            elif words[0] == "LOGOUT":
                return
            elif len(words) < 3 or words[2 if words[0] == "LIST" else 1] != self.name:
                answer = "ERR UNKNOWN-UPS" if len(words) > 1 else "ERR UNKNOWN-COMMAND"
            elif self.stale:
                answer = "ERR DATA-STALE"
            elif words[:2] == ["LIST", "VAR"]:
                answer = self._list("VAR", [f'{key} "{value}"' for key, value in sorted(self.variables.items())])
            elif words[:2] == ["LIST", "CMD"]:
                answer = self._list("CMD", list(self.commands))
            elif words[0] == "INSTCMD":
                answer = self._command(words[2], given)
                if self.hangs_up:
                    return
            else:
                answer = "ERR UNKNOWN-COMMAND"
            writer.write(f"{answer}\n".encode())
            await writer.drain()

    def _list(self, kind: str, rows: list[str]) -> str:
        lines = [f"{kind} {self.name} {row}" for row in rows]
        return "\n".join([f"BEGIN LIST {kind} {self.name}", *lines, f"END LIST {kind} {self.name}"])

    def _command(self, command: str, given: dict[str, str]) -> str:
        if (given["USERNAME"], given["PASSWORD"]) != (self.username, self.password):
            return "ERR ACCESS-DENIED"
        if command not in self.commands:
            return "ERR CMD-NOT-SUPPORTED"
        self.executed.append(command)
        if command.startswith("beeper."):
            self.variables["ups.beeper.status"] = {
                "enable": "enabled",
                "disable": "disabled",
                "mute": "muted",
            }[command.removeprefix("beeper.")]
        elif command.startswith("test.battery.start"):
            asyncio.get_running_loop().create_task(self._test())
        elif command == "outlet.1.load.cycle":
            asyncio.get_running_loop().create_task(self._cycle())
        return "OK"

    async def _test(self) -> None:
        status = self.variables["ups.status"]
        self.variables |= {"ups.status": f"{status} TEST", "ups.test.result": "In progress"}
        await asyncio.sleep(self.test_s)
        self.variables |= {"ups.status": status, "ups.test.result": self.test_result}

    async def _cycle(self) -> None:
        self.variables["outlet.1.status"] = "off"
        await asyncio.sleep(self.test_s)
        self.variables["outlet.1.status"] = "on"


SIMULATOR = SimulatedUps
