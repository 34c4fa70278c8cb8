"""Says outward that the server lives and could send: whoever listens elsewhere cries when it stops."""

import asyncio
import logging
from collections.abc import Callable

import httpx

from fleet_server.failing import Failing

log = logging.getLogger("diemcau.alerts")

_EVERY_S = 60.0
_WITHIN_S = 10.0
_LOOK_S = 2.0


class Heartbeat:
    """A GET of one address, once a minute, while `is_well`."""

    def __init__(self, address: str | None, is_well: Callable[[], bool], every_s: float = _EVERY_S) -> None:
        self._address, self._is_well, self._every_s = address, is_well, every_s

    async def run(self) -> None:
        """Beat for ever; without an address nobody listens."""
        failing = Failing(log, "heartbeat_failing", httpx.HTTPError)
        while self._address is not None:
            if is_well := self._is_well():
                with failing:
                    async with httpx.AsyncClient(timeout=_WITHIN_S, follow_redirects=False, trust_env=False) as client:
                        (await client.get(self._address)).raise_for_status()
            await asyncio.sleep(self._every_s if is_well else _LOOK_S)
        await asyncio.Event().wait()
