"""`diemcau-agent discover`: prints what is there with the driver and profile that fit, and adds it to a room.toml."""

import json
import os
from pathlib import Path
from typing import Any

from device_drivers import registry
from edge_agent.config import Discovery, RoomConfig, load
from edge_agent.discovery import discover, unknown_of
from edge_agent.errors import AgentError, WrongConfiguration
from edge_agent.texts import translate
from wire.messages import FoundDevice

_CREDENTIALS = ("username", "password", "community")
"""Settings of a driver that nobody can find out."""


def discover_and_print(config: Path | None, write: bool, lang: str) -> int:
    """The exit status: 0 when something new was found, 1 when not. Raises AgentError."""
    room = load(config) if config is not None else None
    area = room.discovery.area if room is not None else Discovery().area
    found = unknown_of(discover(area), room.devices if room is not None else (), {})
    for device in found:
        who = " ".join(part for part in (device.make, device.model, device.serial) if part)
        line = f"{device.driver:<16} {device.role:<8} {device.address:<28} {who}  [{_family(device, lang)}]"
        print("".join(letter if letter.isprintable() else "?" for letter in line))
    if not found:
        print(translate(lang, "discover.none"))
        return 1
    if write and room is not None and config is not None:
        _add(config.resolve(), toml_of(found, room, lang))
        print(translate(lang, "discover.written", count=len(found), file=config))
    return 0


def _add(config: Path, more: str) -> None:
    """Put a text at the end of the file, whole or not at all; who may read it stays as it was. Raises AgentError."""
    new = config.with_suffix(".new")
    try:
        before = config.stat()
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{config.read_text(encoding='utf-8').rstrip()}\n{more}")
            if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fchmod(file.fileno(), before.st_mode & 0o7777)
            file.flush()
            os.fsync(file.fileno())
        load(new)
        new.replace(config)
    except AgentError as error:
        new.unlink(missing_ok=True)
        raise WrongConfiguration(f"{config}: nothing was changed, for with what was found: {error}") from error
    except OSError as error:
        new.unlink(missing_ok=True)
        raise WrongConfiguration(f"{config}: cannot be written ({error.strerror}); nothing was changed") from error


def toml_of(found: tuple[FoundDevice, ...], room: RoomConfig, lang: str) -> str:
    """The devices as a room.toml has them, with ids that are free there; credentials are left to be filled in."""
    taken = {device.id for device in room.devices}
    lines: list[str] = []
    for device in found:
        number = next(number for number in range(1, 200) if f"{device.role}-{number}" not in taken)
        name = f"{device.role}-{number}"
        taken.add(name)
        lines += [
            "", "[[devices]]", f'id = "{name}"', f'role = "{device.role}"', f'driver = "{device.driver}"',
            "[devices.settings]",
        ]  # fmt: skip
        lines += [f"{key} = {_value(value)}" for key, value in device.settings.items()]
        fields = registry.driver_class(device.driver).Settings.__struct_fields__
        hint = translate(lang, "discover.secret", name=name)
        lines += [f"# {key} = … {hint}" for key in _CREDENTIALS if key in fields and key not in device.settings]
    return "\n".join(lines) + "\n"


def _family(device: FoundDevice, lang: str) -> str:
    """The profile that fits, by the catalogue that comes with us; the centre may know more."""
    try:
        from firmware_profiles.loader import catalogue_of
    except ImportError:  # without the extra `discover` there is nothing to read profiles with
        return translate(lang, "discover.no_profile")
    family = catalogue_of(None).family_of(device.role, device.driver, device.make, device.model)
    return family.family if family is not None else translate(lang, "discover.no_profile")


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # which JSON may have bare, and TOML not
