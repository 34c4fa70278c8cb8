"""Looks round for equipment: every driver that knows how, at the same time, and nobody waits for the slowest."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from device_drivers import registry
from device_drivers.area import Area
from edge_agent.config import DeviceConfig
from edge_agent.worker import DeviceWorker
from wire.messages import FoundDevice

log = logging.getLogger("diemcau.discovery")

_MOST = 64
_LONGER_S = 10.0


def discover(area: Area) -> list[FoundDevice]:
    """What is there, each once, in the order of the drivers' names. A driver that fails finds nothing, and says so."""
    lookers = registry.discoverers()
    found: dict[tuple[str, str], FoundDevice] = {}
    pool = ThreadPoolExecutor(len(lookers) or 1, thread_name_prefix="discover")
    try:
        asked = {name: pool.submit(_seen_by, look, area) for name, look in lookers.items()}
        for name, answer in asked.items():
            try:
                for device in answer.result(timeout=area.wait_s + _LONGER_S):
                    found.setdefault((device.driver, device.address), device)
            except Exception:  # the outermost edge of a driver's own thread
                log.exception("discovery_failed driver=%s", name)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return list(found.values())[:_MOST]


def _seen_by(look: Callable[[Area], Iterable[FoundDevice]], area: Area) -> list[FoundDevice]:
    return list(look(area))


def unknown_of(
    found: Iterable[FoundDevice], configured: Sequence[DeviceConfig], workers: Mapping[str, DeviceWorker]
) -> tuple[FoundDevice, ...]:
    """Those that no device of the room is already: neither by its settings nor by its serial number."""
    devices = {device.id: device for device in configured} | {name: worker.device for name, worker in workers.items()}
    serials = set()
    for worker in workers.values():
        seen = worker.view().observation
        if seen is not None and seen.identity.serial:
            serials.add(seen.identity.serial)
    return tuple(
        device
        for device in found
        if device.serial not in serials
        and not any(known.driver == device.driver and _same(known.settings, device) for known in devices.values())
    )


def _same(settings: Mapping[str, Any], found: FoundDevice) -> bool:
    """Whether a configuration could mean this device: nothing that was found says otherwise."""
    return "host" not in settings.keys() - found.settings.keys() and all(
        settings.get(key, value) == value for key, value in found.settings.items()
    )
