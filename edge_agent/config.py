"""room.toml: which devices there are, what feeds them. Every error names file, line and key."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from device_drivers import registry
from device_drivers.area import Area
from device_drivers.driver import ALL_OUTLETS
from device_drivers.errors import Misconfigured
from edge_agent.environment_file import environment_beside
from edge_agent.errors import WrongConfiguration
from wire.codec import revision_of
from wire.description import Name, Role
from wire.ids import DeviceId

_MAX_BYTES = 262_144


class DeviceConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One device of the room."""

    id: DeviceId
    role: Role
    driver: Name
    poll_s: Annotated[float, Meta(ge=1, le=3600)] = 15.0
    deadline_s: Annotated[float, Meta(gt=0, le=60)] = 10.0
    settings: dict[str, Any] = field(default_factory=dict)


class Feed(Struct, frozen=True, forbid_unknown_fields=True):
    """What hangs on one outlet of a UPS, a relay board or a switch."""

    device: DeviceId
    outlet: Annotated[str, Meta(min_length=1, max_length=64)] = ALL_OUTLETS
    """As the driver calls it: an output's name, `outlet.1`; `*`: all of them."""
    feeds: Annotated[tuple[DeviceId, ...], Meta(max_length=32)] = ()
    carries_agent: bool = False
    """The agent's own PC hangs on it, or the router or switch between it and the centre."""
    off_and_on_proved: bool = False
    """This very device has been seen to switch off and on again by itself, with the agent's PC on it."""
    back_within_s: Annotated[float, Meta(gt=0, le=1800)] = 180.0


class Discovery(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether and where the agent looks for devices that nobody has configured; it sends no credential."""

    every_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    """0: never by itself."""
    area: Area = Area()


class RoomConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole room.toml."""

    folder: Annotated[str, Meta(min_length=1)]
    """Of the agent's own files: its identity, its journal and its log."""
    devices: Annotated[tuple[DeviceConfig, ...], Meta(max_length=64)] = ()
    power: Annotated[tuple[Feed, ...], Meta(max_length=64)] = ()
    discovery: Discovery = Discovery()

    @property
    def revision(self) -> str:
        """Changes when anything in the file does; passwords count, but cannot be read from it."""
        return revision_of(msgspec.to_builtins(self))


def load(path: Path, as_if: Path | None = None) -> RoomConfig:
    """Read and check a room.toml, secrets included. Raises WrongConfiguration.

    `as_if`: where it is to lie; its secrets are looked for from there.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise WrongConfiguration(f"{path}: larger than {_MAX_BYTES} bytes, so it is no room.toml")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise WrongConfiguration(f"{path}: cannot be read ({error.strerror}); give the path of a room.toml") from error
    except UnicodeDecodeError as error:
        raise WrongConfiguration(f"{path}: is not UTF-8 text ({error.reason} at byte {error.start})") from error
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WrongConfiguration(f"{path}: {error}; see https://toml.io for the form of the file") from error
    found = _with_secrets(found, path, text, "", as_if or path)
    config: RoomConfig = _convert(found, RoomConfig, path, text, "")
    seen: set[str] = set()
    for index, device in enumerate(config.devices):
        where = f"devices[{index}]"
        if device.id in seen:
            raise _wrong(path, text, f"{where}.id", f"two devices are called {device.id!r}; give each its own id")
        seen.add(device.id)
        try:
            roles = registry.description_of(device.driver).roles
            kind = registry.driver_class(device.driver)
        except Misconfigured as error:
            raise _wrong(path, text, f"{where}.driver", str(error)) from error
        if device.role not in roles:
            raise _wrong(path, text, f"{where}.role", f"driver {device.driver} is for: {', '.join(roles)}")
        _convert(device.settings, kind.Settings, path, text, f"{where}.settings")
    for index, feed in enumerate(config.power):
        for key, named in (("device", (feed.device,)), ("feeds", feed.feeds)):
            if unknown := set(named) - seen:
                problem = f"no device is called {min(unknown)!r}; there are: {', '.join(sorted(seen))}"
                raise _wrong(path, text, f"power[{index}].{key}", problem)
    return config


def settings_of(device: DeviceConfig) -> Struct:
    """The device's settings as its driver wants them; `load` has checked them."""
    return msgspec.convert(device.settings, registry.driver_class(device.driver).Settings)


def _convert(found: Any, kind: Any, path: Path, text: str, under: str) -> Any:
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        key = f"{under}{where.rstrip('`')}".lstrip(".")
        if missing := re.search(r"(?:required|unknown) field `([^`]+)`", message):
            key = f"{key}.{missing[1]}".lstrip(".")
            known = ", ".join(_fields_at(kind, where.rstrip("`")))
            message += f"; the keys here are: {known}" if known else ""
        raise _wrong(path, text, key, message) from error


def _fields_at(kind: Any, where: str) -> tuple[str, ...]:
    for name in re.findall(r"[a-z_]+", where):
        kind = msgspec.inspect.type_info(kind)
        found = next((entry.type for entry in getattr(kind, "fields", ()) if entry.name == name), None)
        while found is not None and hasattr(found, "item_type"):
            found = found.item_type
        kind = getattr(found, "cls", None)
        if kind is None:
            return ()
    return getattr(kind, "__struct_fields__", ())


def _with_secrets(found: Any, path: Path, text: str, under: str, lies: Path) -> Any:
    """`{ file = "…" }` and `{ env = "…" }` anywhere stand for what the file or the variable holds."""
    if isinstance(found, list):
        return [_with_secrets(item, path, text, f"{under}[{index}]", lies) for index, item in enumerate(found)]
    if not isinstance(found, dict):
        return found
    if found.keys() == {"file"}:
        secret = lies.parent / str(found["file"])
        try:
            return secret.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise _wrong(path, text, under, f"the secret cannot be read from {secret}: {error}") from error
    if found.keys() == {"env"}:
        known, why_not = environment_beside(lies)
        try:
            return known[str(found["env"])]
        except KeyError:
            raise _wrong(path, text, under, f"the environment variable {found['env']} is not set{why_not}") from None
    return {key: _with_secrets(item, path, text, f"{under}.{key}".lstrip("."), lies) for key, item in found.items()}


def _wrong(path: Path, text: str, key: str, message: str) -> WrongConfiguration:
    return WrongConfiguration(f"{path}, line {_line_of(text, key)}, key {key}: {message}")


def _line_of(text: str, key: str) -> int:
    """The line of a key such as `devices[1].settings.host`, or of the nearest table above it."""
    best, table, seen = (0, 1), "", {}  # type: ignore[var-annotated]
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if head := re.match(r"^(\[\[?)\s*([\w.\-]+)\s*\]", stripped):
            name = head[2]
            if head[1] == "[[":
                seen[name] = seen.get(name, -1) + 1
            for array, index in seen.items():
                if name == array or name.startswith(f"{array}."):
                    name = name.replace(array, f"{array}[{index}]", 1)
            table = name
        elif entry := re.match(r"^([\w\-]+)\s*=", stripped):
            name = f"{table}.{entry[1]}".lstrip(".")
        else:
            continue
        if (key == name or key.startswith((f"{name}.", f"{name}["))) and len(name) > best[0]:
            best = (len(name), number)
    return best[1]
