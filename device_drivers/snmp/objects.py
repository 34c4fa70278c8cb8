"""The objects that are asked for, and what their values mean. Pure.

SNMPv2-MIB (RFC 3418), IF-MIB (RFC 2863), ENTITY-MIB (RFC 6933), UPS-MIB (RFC 1628), POWER-ETHERNET-MIB (RFC 3621).
"""

from collections.abc import Mapping, Sequence

from device_drivers.driver import Identity
from wire.fields import Value

SYS_DESCR, SYS_UPTIME, SYS_NAME = "1.3.6.1.2.1.1.1.0", "1.3.6.1.2.1.1.3.0", "1.3.6.1.2.1.1.5.0"
_ENTITY = "1.3.6.1.2.1.47.1.1.1.1"
FIRMWARE, SERIAL, MAKE, MODEL = (f"{_ENTITY}.{column}.1" for column in (9, 11, 12, 13))
_UPS = "1.3.6.1.2.1.33.1"
UPS_MAKE, UPS_MODEL, UPS_FIRMWARE = f"{_UPS}.1.1.0", f"{_UPS}.1.2.0", f"{_UPS}.1.3.0"
BATTERY_STATUS, MINUTES_LEFT, CHARGE = f"{_UPS}.2.1.0", f"{_UPS}.2.3.0", f"{_UPS}.2.4.0"
INPUT_VOLTAGE, OUTPUT_SOURCE, LOAD = f"{_UPS}.3.3.1.3.1", f"{_UPS}.4.1.0", f"{_UPS}.4.4.1.5.1"
TEST_RESULT = f"{_UPS}.7.3.0"
SCALARS = (
    SYS_DESCR, SYS_UPTIME, SYS_NAME, FIRMWARE, SERIAL, MAKE, MODEL, UPS_MAKE, UPS_MODEL, UPS_FIRMWARE, BATTERY_STATUS,
    MINUTES_LEFT, CHARGE, INPUT_VOLTAGE, OUTPUT_SOURCE, LOAD, TEST_RESULT,
)  # fmt: skip
IF_TYPE, IF_ADMIN, IF_OPER = (f"1.3.6.1.2.1.2.2.1.{column}" for column in (3, 7, 8))
POE_ADMIN = "1.3.6.1.2.1.105.1.1.1.3"
"""pethPsePortAdminEnable, a TruthValue; below it group and port."""
POE_ON, POE_OFF = 1, 2

_ETHERNET, _UP = 6, 1
_SOURCES = {2: "off", 3: "mains", 4: "mains", 5: "battery", 6: "mains", 7: "mains"}
_BYPASS, _NORMAL = 4, 3
_LOW_BATTERY = {3, 4}
_TEST_FAILED = 3

Told = Mapping[str, object]
"""Object -> value; None or absent where the equipment has no such object."""


def readings_of(told: Told, ports: Sequence[str], poe_object: str) -> dict[str, Value]:
    """Every reading of the description; `ports` are those that the configuration names."""
    ticks, minutes = _number(told, SYS_UPTIME), _number(told, MINUTES_LEFT)
    source, battery, test = (_number(told, name) for name in (OUTPUT_SOURCE, BATTERY_STATUS, TEST_RESULT))
    links = _links(told)
    powered = [_number(told, f"{poe_object}.{port}") for port in ports]
    return {
        "uptime": ticks / 100 if ticks is not None else None,
        "system_name": _text(told, SYS_NAME) or None,
        "links_up": float(sum(links)) if links else None,
        "links_down": float(len(links) - sum(links)) if links else None,
        "poe_ports_off": float(powered.count(POE_OFF)) if powered and None not in powered else None,
        "power_source": _SOURCES.get(int(source)) if source is not None else None,
        "battery_charge": _within(_number(told, CHARGE), 0, 100),
        "battery_runtime": minutes * 60 if minutes is not None and minutes >= 0 else None,
        "battery_low": battery in _LOW_BATTERY if battery is not None else None,
        # A UPS without the test's result has told all that it tells: nothing says that its battery is ill.
        "replace_battery": test == _TEST_FAILED if test is not None or source is not None else None,
        "load": _within(_number(told, LOAD), 0, 1000),
        "input_voltage": _within(_number(told, INPUT_VOLTAGE), 0, 1000),
        "on_bypass": source == _BYPASS if source is not None else None,
    }


def identity_of(told: Told) -> Identity:
    """By ENTITY-MIB, or by UPS-MIB, or from the first line of sysDescr where there is neither."""
    described = _text(told, SYS_DESCR).partition("\n")[0]
    return Identity(
        make=_text(told, MAKE) or _text(told, UPS_MAKE) or described.partition(" ")[0],
        model=_text(told, MODEL) or _text(told, UPS_MODEL) or described,
        serial=_text(told, SERIAL),
        firmware=_text(told, FIRMWARE) or _text(told, UPS_FIRMWARE),
    )


def _links(told: Told) -> list[bool]:
    """Of each Ethernet port that is meant to be up: whether it is."""
    found: list[object] = []
    for name, kind in told.items():
        index = name.removeprefix(f"{IF_TYPE}.")
        if index != name and kind == _ETHERNET and told.get(f"{IF_ADMIN}.{index}") == _UP:
            found.append(told.get(f"{IF_OPER}.{index}"))
    return [state == _UP for state in found if state is not None]


def _number(told: Told, name: str) -> float | None:
    value = told.get(name)
    return float(value) if isinstance(value, int) and abs(value) < 2**63 else None


def _within(value: float | None, low: float, high: float) -> float | None:
    return value if value is not None and low <= value <= high else None


def _text(told: Told, name: str) -> str:
    value = told.get(name)
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
    return "".join(letter for letter in text if letter.isprintable() or letter == "\n").strip()[:120]
