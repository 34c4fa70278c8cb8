"""What whoever runs a session keeps an eye on in each room: line, power, recording."""

from collections.abc import Mapping

from msgspec import Struct

from fleet_server.domain.readiness import Room
from wire.fields import Value
from wire.messages import Report

STALE_S = 60.0
"""What is older is not shown as if it were so."""
_KEYS: Mapping[str, tuple[str, ...]] = {
    "line": ("latency", "loss"),
    "ups": ("power_source", "battery_charge", "battery_runtime"),
    "storage": ("recording_grows", "recording_hours"),
}


class Vitals(Struct, frozen=True):
    """None: there is no such device, or nobody has said it within the last minute."""

    latency_ms: Value = None
    loss_percent: Value = None
    power_source: Value = None
    charge_percent: Value = None
    runtime_s: Value = None
    records: Value = None
    hours_left: Value = None


def vitals_of(room: Room, roles: Mapping[str, str], now: float) -> Vitals:
    """`roles`: device -> its role. A room that is away has none."""
    if not room.present or room.report is None or room.received_at is None:
        return Vitals()
    said = _said(room.report, roles, now - room.received_at)
    return Vitals(*(said.get(key) for keys in _KEYS.values() for key in keys))


def _said(report: Report, roles: Mapping[str, str], since_s: float) -> dict[str, Value]:
    """Reading -> what the first device of its role says that answers."""
    found: dict[str, Value] = {}
    for device in report.devices:
        keys = _KEYS.get(roles.get(device.id, ""), ()) if device.state == "ok" else ()
        for reading in device.readings:
            if reading.key in keys and reading.value is not None and reading.age_s + since_s < STALE_S:
                found.setdefault(reading.key, reading.value)
    return found
