"""What upsd says, as readings. Pure.

Variable and command names: Network UPS Tools, "NUT command and variable naming scheme" (docs/nut-names.txt);
status words: `ups.status` in the same document.
"""

import re
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from device_drivers.driver import Identity
from device_drivers.errors import BadAnswer
from wire.description import ActionSpec
from wire.fields import Value

_RETURNS = (
    # What comes back by itself. Commands that leave the load off for good (load.off, shutdown.stayoff) are not offered.
    (re.compile(r"test\.battery\.start(\.quick)?$"), ActionSpec("test.battery.start", takes_s=120)),
    (
        re.compile(r"test\.battery\.start\.deep$"),
        ActionSpec("test.battery.start.deep", takes_s=3600, dangerous=True),
    ),
    (re.compile(r"test\.battery\.stop$"), ActionSpec("test.battery.stop", takes_s=30)),
    (re.compile(r"beeper\.(enable|disable|mute)$"), ActionSpec("beeper.enable", takes_s=20)),
    (
        re.compile(r"outlet\.\d{1,2}\.load\.cycle$"),
        ActionSpec("outlet.n.load.cycle", takes_s=180, blind_s=60, dangerous=True, needs_proof=True),
    ),
)
BEEPER_AFTER = {"beeper.enable": "enabled", "beeper.disable": "disabled", "beeper.mute": "muted"}


def readings_of(variables: Mapping[str, str]) -> dict[str, Value]:
    """The readings in upsd's variables; None for what this UPS does not tell. Raises BadAnswer."""
    status = set(variables.get("ups.status", "").split())
    return {
        "power_source": _power_source(status),
        "battery_charge": _number(variables, "battery.charge"),
        "battery_runtime": _number(variables, "battery.runtime"),
        "battery_low": "LB" in status if status else None,
        "replace_battery": "RB" in status if status else None,
        "load": _number(variables, "ups.load"),
        "input_voltage": _number(variables, "input.voltage"),
        "alarm": variables.get("ups.alarm", "")[:200] if status else None,
        "beeper": variables.get("ups.beeper.status"),
        "battery_test": variables.get("ups.test.result", "")[:120] or None,
    }


def identity_of(variables: Mapping[str, str]) -> Identity:
    """Make, model, serial and firmware as the UPS gives them."""
    return Identity(
        make=(variables.get("ups.mfr") or variables.get("device.mfr", "")).strip()[:120],
        model=(variables.get("ups.model") or variables.get("device.model", "")).strip()[:120],
        serial=(variables.get("ups.serial") or variables.get("device.serial", "")).strip()[:120],
        firmware=variables.get("ups.firmware", "").strip()[:120],
    )


def actions_of(commands: Iterable[str]) -> tuple[ActionSpec, ...]:
    """What upsd lists, less what would leave the room without power."""
    offered = []
    for command in sorted(commands):
        for pattern, like in _RETURNS:
            if pattern.match(command):
                offered.append(replace(like, action=command))
    return tuple(offered[:64])


def test_is_running(variables: Mapping[str, str]) -> bool:
    """Whether a battery test is under way, by any of the signs that drivers give."""
    status = set(variables.get("ups.status", "").split())
    return bool(status & {"TEST", "CAL"}) or "in progress" in variables.get("ups.test.result", "").lower()


def is_in_normal_mode(variables: Mapping[str, str]) -> bool:
    """On mains, and neither in bypass nor off: some makes come back from an outlet command in bypass."""
    status = set(variables.get("ups.status", "").split())
    return "OL" in status and not status & {"BYPASS", "OFF", "OB", "FSD"}


def test_failed(variables: Mapping[str, str]) -> bool:
    """Whether the last battery test ended with anything but a pass."""
    result = variables.get("ups.test.result", "").lower()
    return any(word in result for word in ("fail", "error", "warning", "abort", "bad"))


def _power_source(status: set[str]) -> str | None:
    if not status or "WAIT" in status:
        return None  # an upsd that has just started: no evidence yet
    if "OFF" in status:
        return "off"  # the load is not supplied, whatever comes in (NUT developer guide, status data)
    if "OB" in status:
        return "battery"
    return "mains" if "OL" in status else None


def _number(variables: Mapping[str, str], name: str) -> float | None:
    text = variables.get(name)
    if text is None or text == "":
        return None
    try:
        number = float(text)
    except ValueError:
        raise BadAnswer(f"upsd says {name} = {text[:40]!r}, which is no number") from None
    if not -1e9 < number < 1e9:
        raise BadAnswer(f"upsd says {name} = {text[:40]!r}, which cannot be")
    return number
