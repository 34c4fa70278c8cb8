"""Looks round for equipment: every driver that knows how, at the same time, and nobody waits for the slowest."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import msgspec

from device_drivers import registry
from device_drivers.area import Area
from edge_agent.config import DeviceConfig
from edge_agent.worker import DeviceWorker
from wire.messages import FoundDevice

log = logging.getLogger("diemcau.discovery")

_MOST = 64
_MOST_BYTES = 16_384
"""All of it goes into the room's `about`, which one talkative neighbour must not make too long to be sent."""
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
    return list(_within_bounds(found.values()))


def _within_bounds(found: Iterable[FoundDevice]) -> Iterator[FoundDevice]:
    left = _MOST_BYTES
    for device in islice(found, _MOST):
        left -= len(msgspec.json.encode(device))
        if left >= 0:
            yield device


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
    usual = _usual_port_of(found.driver)
    wanted, said = {"port": usual, **settings}, {"port": usual, **found.settings}
    return "host" not in settings.keys() - found.settings.keys() and all(
        value is None or wanted.get(key) is None or _means(wanted[key], value, found) for key, value in said.items()
    )


def _usual_port_of(driver: str) -> int | None:
    """The port that a driver takes where none is named."""
    fields = msgspec.structs.fields(registry.driver_class(driver).Settings)
    found = next((field.default for field in fields if field.name == "port"), None)
    return found if isinstance(found, int) else None


def _means(wanted: Any, said: Any, found: FoundDevice) -> bool:
    """Whether a setting means what was found: a part of its name, or a folder on it, does as well."""
    if not isinstance(wanted, str) or not isinstance(said, str) or not said:
        return bool(wanted == said)
    who = f"{found.make} {found.model}".lower()
    by_name = said.lower() in who and wanted.lower() in who
    return wanted == said or by_name or (said.startswith("/") and wanted.startswith(f"{said.rstrip('/')}/"))
