"""diemcau-agent: enrol, run, check, discover, describe."""

import argparse
import logging
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event

import msgspec

from device_drivers import registry
from device_drivers.driver import Observation
from device_drivers.errors import DriverError
from edge_agent.config import DeviceConfig, load
from edge_agent.errors import AgentError
from edge_agent.texts import translate
from edge_agent.worker import driver_of
from wire.description import Text
from wire.fields import Value
from wire.inert import log_to_stderr
from wire.times import SystemClock


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; the exit status is 0 when all is well, 1 when a device is not, 2 when we could not begin."""
    parser = argparse.ArgumentParser(prog="diemcau-agent", description="Watches the equipment of one room.")
    parser.add_argument("--lang", choices=("vi", "en"), default="vi", help="language of labels (default: vi)")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("run", "watch the room until SIGTERM"),
        ("check", "observe every device once, print a table"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--config", type=Path, required=True, help="path of room.toml")
        if name == "check":
            command.add_argument("--as", type=Path, dest="as_if", help="where it is to lie: no device is observed")
    enrol = commands.add_parser("enrol", help="get this machine's identity from the centre")
    enrol.add_argument("--config", type=Path, required=True, help="path of room.toml")
    enrol.add_argument("--server", required=True, help="the centre's address, as the sheet gives it")
    enrol.add_argument("--code", required=True, help="the code on the sheet; it can be used once")
    enrol.add_argument("--fingerprint", help="of the centre's key, as the sheet gives it; asked for where not given")
    describe = commands.add_parser("describe", help="list drivers, readings and actions")
    describe.add_argument("--json", action="store_true", help="as JSON, for programs")
    look = commands.add_parser("discover", help="look for equipment; no credential is sent")
    look.add_argument("--config", type=Path, help="room.toml: what it has already is not shown again")
    look.add_argument("--write", action="store_true", help="add what was found to the room.toml")
    given = parser.parse_args(arguments)
    if given.command == "discover" and given.write and given.config is None:
        parser.error("--write needs --config")
    os.umask(0o077)  # keys and passwords are nobody else's
    log_to_stderr()
    for library in ("apscheduler", "zeep", "onvif", "tzlocal"):
        logging.getLogger(library).setLevel(logging.ERROR)
    try:
        if given.command == "describe":
            return _describe_json() if given.json else _describe(given.lang)
        if given.command == "discover":
            from edge_agent.discover_cli import discover_and_print

            return discover_and_print(given.config, given.write, given.lang)
        if given.command == "enrol":
            from edge_agent.enrol_cli import enrol_and_print

            return enrol_and_print(given.config, given.server, given.code, given.fingerprint, given.lang)
        if given.command == "check" and given.as_if is not None:
            load(given.config, given.as_if)
            return 0
        return _run(given.config) if given.command == "run" else _check(given.config, given.lang)
    except AgentError as error:
        print(f"diemcau-agent: {error}", file=sys.stderr)
        return 2


def _run(path: Path) -> int:
    _leave_out_unused()
    from edge_agent.agent import Agent
    from edge_agent.trust import trust_the_centre

    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    agent = Agent(load(path))
    trust_the_centre(agent.keeper)
    agent.start()
    stop.wait()
    return 1 if agent.stop() else 0


def _leave_out_unused() -> None:
    """requests loads 3 MB to guess how a text is encoded, and goes without where it is not there.

    No driver reads a text that does not say so, and a whole room has 60 MB.
    """
    sys.modules.setdefault("charset_normalizer", None)  # type: ignore[arg-type]
    warnings.filterwarnings("ignore", message="Unable to find acceptable character detection dependency")


def _check(path: Path, lang: str) -> int:
    config = load(path)
    if not config.devices:
        print(translate(lang, "check.none", file=path))
        return 0
    with ThreadPoolExecutor(len(config.devices)) as pool:
        answers = list(pool.map(_observe, config.devices))
    for device, answer in zip(config.devices, answers, strict=True):
        if isinstance(answer, DriverError):
            print(f"{device.id:<20} {device.role:<9} {answer.state:<18} {answer}")
            continue
        who = answer.identity
        print(f"{device.id:<20} {device.role:<9} {'ok':<18} {who.make} {who.model} {who.firmware}".rstrip())
        for spec in registry.description_of(device.driver).readings:
            value = _shown(answer.readings.get(spec.key))
            print(f"    {_label(spec.label, lang, spec.key):<40} {value} {spec.unit if value != '-' else ''}".rstrip())
    return 1 if any(isinstance(answer, DriverError) for answer in answers) else 0


def _observe(device: DeviceConfig) -> Observation | DriverError:
    try:
        driver = driver_of(device, SystemClock())
        try:
            return driver.observe()
        finally:
            driver.close()
    except DriverError as error:
        return error


def _describe(lang: str) -> int:
    for name in sorted(registry.drivers()):
        description = registry.description_of(name)
        print(f"{name} ({', '.join(description.roles)})")
        label = partial(_label, lang=lang)
        for spec in description.readings:
            values = " | ".join(spec.values)
            print(f"    {spec.key:<24} {spec.type:<8} {spec.unit or values:<24} {label(spec.label, fallback=spec.key)}")
        for action in description.actions:
            params = ", ".join(param.name for param in action.params)
            print(f"    -> {action.action}({params})  {label(action.label, fallback=action.action)}")
    return 0


def _describe_json() -> int:
    found = [registry.description_of(name) for name in sorted(registry.drivers())]
    print(msgspec.json.encode(found).decode())
    return 0


def _label(label: Text | None, lang: str, fallback: str) -> str:
    return getattr(label, lang) if label else fallback


def _shown(value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"
    return str(value)


if __name__ == "__main__":
    sys.exit(main())
