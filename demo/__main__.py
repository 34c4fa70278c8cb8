"""`python -m demo`: start it all, print where to look, play faults and repairs until Ctrl-C or SIGTERM."""

import argparse
import csv
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from demo import this_machine
from demo.alerts import PrintedZalo, environment_of, give_tokens, tell_the_noc
from demo.broker import mosquitto, start_as_configured, start_embedded
from demo.faults import FAULTS
from demo.identities import Ask, admit, codes_for
from demo.processes import Child, Processes, wait_listening
from demo.story import story_of
from demo.surveys import stage_of, survey_of
from device_drivers.loopback import free_port
from fleet_server.durable import write_whole

_DATA = Path(__file__).parent / "data" / "thanh-hoa"
_HOSTS = 5
"""A room holds some twenty sockets and files, and paho waits by select, which ends at 1,024."""
_READY_WITHIN_S = 120.0
_SESSION_ROOMS = 12
_SESSION_IN = timedelta(minutes=10)
_RECORDS_BEFORE = timedelta(minutes=1)


class _Stopped(Exception):
    """SIGTERM or Ctrl-C."""


def main() -> int:
    """Run the demo; the exit status is 0 when it was stopped, 1 when a part of it ended."""
    parser = argparse.ArgumentParser(prog="./dev demo")
    parser.add_argument("--port", type=int, default=8080, help="of the pages (default: 8080)")
    parser.add_argument("--sites", type=int, default=167, help="how many rooms, the hub among them (default: 167)")
    parser.add_argument("--broker", choices=("auto", "embedded"), default="auto")
    parser.add_argument("--no-faults", action="store_true", help="leave every room well")
    given = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    folder = Path(tempfile.mkdtemp(prefix="diemcau-demo-"))
    processes = Processes(folder)
    try:
        return _run(given, folder, processes)
    except _Stopped:
        print("Đang dừng … / Stopping …", flush=True)
        return 0
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        processes.end()
        shutil.rmtree(folder, ignore_errors=True)


def _run(given: argparse.Namespace, folder: Path, processes: Processes) -> int:
    sites = _sites(given.sites, folder)
    server = [sys.executable, "-m", "fleet_server.cli", "--folder", str(folder / "server")]
    broker_port, inner_port = free_port(), free_port()
    environment = {
        "DIEMCAU_PUBLIC_URL": f"http://127.0.0.1:{given.port}", "DIEMCAU_RENEWAL_SPREAD_S": "30",
        "DIEMCAU_SECOND_FACTOR": "0",
    }  # fmt: skip
    zalo = PrintedZalo()
    environment |= environment_of(zalo, folder)
    program = mosquitto() if given.broker == "auto" else None
    if program is None:
        inner_port = broker_port
        start_embedded(processes, folder / "broker", broker_port)
    else:
        environment |= {"DIEMCAU_BROKER_TLS": "1", "DIEMCAU_ROOMS_BROKER": f"127.0.0.1:{broker_port}"}
        told = [*server, "broker", "config", "--listen", "127.0.0.1"]
        settings = environment | {"DIEMCAU_BROKER": f"127.0.0.1:{inner_port}"}
        subprocess.run(told, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **settings})
        start_as_configured(processes, program, folder / "server" / "broker" / "mosquitto.conf")
    for kind, file in (("sites", folder / "sites.csv"), ("map", _DATA / "schematic.geojson")):
        subprocess.run([*server, kind, "import", str(file)], check=True, stdout=subprocess.DEVNULL)
    password, token = _person(server, folder)
    give_tokens(server, environment, zalo)
    serve = [*server, "serve", "--port", str(given.port), "--broker", f"127.0.0.1:{inner_port}"]
    processes.start("server", serve, environment)
    if not (wait_listening(broker_port, 20) and wait_listening(given.port, 30)):
        return _broken(processes, folder)
    address = f"http://127.0.0.1:{given.port}"
    ask = partial(_ask, token)
    api = partial(_ask_api, ask, address)
    codes = codes_for(api, [*sites, this_machine.SITE])
    write_whole(folder / "codes.json", json.dumps(codes).encode())
    hosts = _start_rooms(processes, folder, broker_port, given.port, sites)
    missing = this_machine.prepare(processes, folder, given.port)
    enrolling = this_machine.enrol(folder, given.port, codes[this_machine.SITE])
    if not _admitted(api, processes, len(codes)) or enrolling.wait(_READY_WITHIN_S) != 0:
        return _broken(processes, folder)
    this_machine.start(processes, folder)
    print(f"DiemCau: {address}", flush=True)
    print(f"Đăng nhập / sign in: demo, mật khẩu / password: {password}", flush=True)
    if missing:
        print(f"Không có trên máy này / not on this machine: {', '.join(missing)}", flush=True)
    if not _alive(ask, address, processes, len(sites)):
        return _broken(processes, folder)
    tell_the_noc(api)
    records_at: datetime | None = _plan_session(ask, address, sites) - _RECORDS_BEFORE
    for site in sites:
        ask(f"{address}/api/v1/sites/{site}/survey", survey_of(site), "PUT")
        if (stage := stage_of(site)) is not None:
            ask(f"{address}/api/v1/sites/{site}/stage", {"stage": stage})
    print(f"READY {address}", flush=True)
    started_s = time.monotonic()
    story = story_of([] if given.no_faults else [site for site in sites if site != sites[0]], tuple(FAULTS))
    turn = next(story, None)
    while True:
        if processes.ended():
            return _broken(processes, folder)
        while turn is not None and turn.at_s <= time.monotonic() - started_s:
            _order(hosts, turn.site, fault=turn.fault, on=turn.on)
            turn = next(story, None)
        if records_at is not None and datetime.now(UTC) >= records_at:
            for site in sites[: _SESSION_ROOMS + 1]:  # what the officer in each room does
                _order(hosts, site, record=True)
            records_at = None
        time.sleep(0.5)


def _order(hosts: dict[str, Child], site: str, **what: object) -> None:
    """Have something happen in a room."""
    pipe = hosts[site].stdin
    assert pipe is not None
    pipe.write(json.dumps({"site": site, **what}).encode() + b"\n")
    pipe.flush()


def _stop(*_: Any) -> None:
    raise _Stopped


def _sites(count: int, folder: Path) -> list[str]:
    """The hub, the first communes, and this machine, as a file to import; the ids of those that are simulated."""
    with (_DATA / "sites.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    chosen = [row for row in rows if row["site_id"] == "38-hub"]
    chosen += [row for row in rows if row["kind"] == "commune"][: max(0, count - 1)]
    own = chosen[0] | {"site_id": this_machine.SITE, "name": "Máy này (this machine)", "kind": "commune", "code": ""}
    own |= {"parent": "38-hub", "lat": "19.70", "lon": "106.05"}
    with (folder / "sites.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows([*chosen, own])
    return [row["site_id"] for row in chosen]


def _start_rooms(
    processes: Processes, folder: Path, broker_port: int, web_port: int, sites: Sequence[str]
) -> dict[str, Child]:
    """The rooms spread over a few processes; site -> its process."""
    found: dict[str, Child] = {}
    for number in range(_HOSTS):
        mine = sites[number::_HOSTS]
        if not mine:
            continue
        command = [
            sys.executable,
            "-m",
            "demo.rooms",
            "--broker-port",
            str(broker_port),
            "--web-port",
            str(web_port),
            "--folder",
            str(folder / "rooms"),
            "--codes",
            str(folder / "codes.json"),
            "--recording",
            ",".join(sites[: _SESSION_ROOMS + 1]),
        ]
        child = processes.start(f"rooms-{number}", [*command, *mine], talk=True)
        found |= dict.fromkeys(mine, child)
    return found


def _admitted(api: Ask, processes: Processes, count: int) -> bool:
    """Say yes to the rooms as they come, until all have come."""
    until_s = time.monotonic() + _READY_WITHIN_S
    while count > 0 and time.monotonic() < until_s and not processes.ended():
        count -= admit(api)
        time.sleep(0.1)
    return count == 0


def _person(server: Sequence[str], folder: Path) -> tuple[str, str]:
    """Somebody who may do everything here: a password for a browser, a token for us."""
    password, secret, token = secrets.token_urlsafe(12), folder / "password", folder / "token"
    write_whole(secret, password.encode())
    for act, option, file in (("add", "--password-file", secret), ("token", "--token-file", token)):
        command = [*server, "users", act, "demo", "--role", "administrator", option, str(file)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return password, token.read_text()


def _alive(ask: Ask, address: str, processes: Processes, count: int) -> bool:
    """Wait until nearly all rooms have a verdict of their own."""
    until_s = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < until_s and not processes.ended():
        try:
            items = ask(f"{address}/api/v1/sites?limit=1000")["items"]
        except (OSError, ValueError):
            items = []
        if sum(site["set_up"] and site["verdict"] != "offline" for site in items) >= count * 0.96:
            return True
        time.sleep(0.25)
    return False


def _plan_session(ask: Ask, address: str, sites: Sequence[str]) -> datetime:
    """A session that is near, with most of what people do before one; when it starts."""
    starts_at = datetime.now(UTC) + _SESSION_IN
    wanted = {
        "title": "Tiếp công dân định kỳ của Chủ tịch UBND tỉnh", "kind": "periodic", "chair": "Chủ tịch UBND tỉnh",
        "starts_at": starts_at.isoformat(), "ends_at": (starts_at + timedelta(hours=2)).isoformat(),
        "sites": list(sites[: _SESSION_ROOMS + 1]),
    }  # fmt: skip
    ask(f"{address}/api/v1/sessions", wanted)
    for site in sites[: _SESSION_ROOMS + 1]:  # each alone: for many at once none is measured so near to a session
        ask(f"{address}/api/v1/line-tests", {"sites": [site]})
    for site in sites[: _SESSION_ROOMS - 1]:  # in two rooms nobody has confirmed yet
        survey = survey_of(site)
        ask(f"{address}/api/v1/sites/{site}/duty", {"name": survey["contact"], "phone": survey["phone"]})
    return starts_at


def _ask_api(ask: Ask, server: str, path: str, body: object | None = None) -> Any:
    return ask(f"{server}/api/v1{path}", body)


def _ask(token: str, address: str, body: object | None = None, method: str | None = None) -> Any:
    data = json.dumps(body).encode() if body is not None else None
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(address, data, headers, method=method)  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
        return json.load(answer)


def _broken(processes: Processes, folder: Path) -> int:
    name = processes.ended()
    print(f"Một phần của bản trình diễn đã dừng / a part of the demo ended: {name}", file=sys.stderr)
    if name and (output := folder / f"{name}.log").is_file():
        print(output.read_text(errors="replace")[-2_000:], file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
