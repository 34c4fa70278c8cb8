"""UPSes that the upsd of this computer lists."""

import asyncio
from collections.abc import Iterator

import aionut

from device_drivers.area import Area
from wire.fields import Plain
from wire.messages import FoundDevice

_HOST, _PORT = "127.0.0.1", 3493


def discover(area: Area) -> Iterator[FoundDevice]:
    """Each name of ups.conf with what it says of its UPS; nothing where no upsd runs."""
    port = area.port(_PORT)
    for name, variables in asyncio.run(_listed(port, area.wait_s)).items():
        settings: dict[str, Plain] = {"ups": name} if port == _PORT else {"ups": name, "port": port}
        make, model, serial = (
            (variables.get(f"ups.{part}") or variables.get(f"device.{part}", "")).strip()[:120]
            for part in ("mfr", "model", "serial")
        )
        yield FoundDevice("ups_nut", "ups", f"{name}@{_HOST}:{port}", make, model, serial, settings)


async def _listed(port: int, within_s: float) -> dict[str, dict[str, str]]:
    upsd = aionut.AIONUTClient(_HOST, port, timeout=within_s)
    try:
        async with asyncio.timeout(within_s):
            return {name: await upsd.list_vars(name) for name in await upsd.list_ups()}
    except (aionut.NUTError, OSError, TimeoutError, ValueError, IndexError):
        return {}
    finally:
        upsd.shutdown()
