"""A line to the centre with latency, jitter and loss, and the centre's echo at its end."""

import asyncio
from random import Random
from typing import Any, ClassVar

from device_drivers.equipment import DatagramEquipment
from wire.probe import echo_of


class SimulatedLine(DatagramEquipment):
    """Every probe comes back after `latency_s`, give or take `jitter_s`, unless it is among the `loss` share."""

    after_an_act: ClassVar = frozenset(("bandwidth_down", "bandwidth_up", "bandwidth_method"))

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.latency_s, self.jitter_s, self.loss = 0.012, 0.002, 0.0
        self.loss_next = 0
        """So many of the next probes are lost, whatever the share."""
        self.provider, self.contract = "VNPT", "FiberXtra 5M"
        self.url: str | None = None
        self._chance = Random(1)  # noqa: S311 - which probes get lost is no secret

    def settings(self) -> dict[str, Any]:
        """For the driver line."""
        return {
            "host": "127.0.0.1", "port": self.port, "provider": self.provider, "contract": self.contract,
            "gap_s": 0.002,
            **({"url": self.url} if self.url else {}),
        }  # fmt: skip

    def hear(self, datagram: bytes, sender: tuple[str, int]) -> None:
        """Send a probe back, late."""
        echo = echo_of(datagram)
        if self.loss_next > 0:
            self.loss_next -= 1
            return
        if echo is None or self._chance.random() < self.loss:
            return
        delay_s = max(0.0, self.latency_s + self._chance.uniform(-self.jitter_s, self.jitter_s))
        asyncio.get_running_loop().call_later(delay_s, self.say, echo, sender)


SIMULATOR = SimulatedLine
