"""The units for systemd: closed as far as they can be, and at work in a Debian that was booted for it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import jinja2
import pytest

from tests.conftest import need
from tests.counterparts.booted import ROOT, BootedDebian, missing
from tests.counterparts.waiting import wait_for

UNITS = [
    "edge_agent/systemd/diemcau-agent.service", "fleet_server/systemd/diemcau-server.service",
    "fleet_server/systemd/diemcau-signer.service", "fleet_server/systemd/diemcau-backup.service",
]  # fmt: skip
SITES = """\
site_id,code,name,kind,parent,lat,lon,line_down_mbps,line_up_mbps
38-hub,,Trụ sở Tiếp công dân tỉnh,hub,,19.8,105.78,30,30
38-1,14758,Phường Hàm Rồng,commune,38-hub,19.84,105.77,5,5
"""
SERVER_ENV = """\
DIEMCAU_BROKER_TLS=1
DIEMCAU_BROKER=127.0.0.1:8884
DIEMCAU_ROOMS_BROKER=127.0.0.1:8883
DIEMCAU_BROKER_FILES=/var/lib/diemcau-broker
DIEMCAU_PUBLIC_URL=http://127.0.0.1:8080
"""
ROOM = """\
folder = "/var/lib/diemcau-agent"
[[devices]]
id = "pc-1"
role = "pc"
driver = "pc"
poll_s = 2
[devices.settings]
processes = ["mosquitto"]
services = ["idle.service"]
disk = "/var/lib/diemcau-agent"
[[devices]]
id = "storage-1"
role = "storage"
driver = "storage"
poll_s = 2
[devices.settings]
folder = "/srv/recordings"
"""
IDLE = "[Service]\nExecStart=/bin/sleep infinity\n"
ASK = """\
import json, sys, urllib.request
method, path, body = sys.argv[1], sys.argv[2], sys.argv[3]
head = {"Content-Type": "application/json", "Authorization": "Bearer " + open("/root/token").read().strip()}
asked = urllib.request.Request("http://127.0.0.1:8080/api/v1" + path, body.encode() or None, head, method=method)
print(urllib.request.urlopen(asked, timeout=10).read().decode())
"""
PROBE = """\
import errno, json, os
import pyudev
from pathlib import Path
def opened(path):
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
        return "open"
    except OSError as error:
        return errno.errorcode[error.errno]
monitor = pyudev.Monitor.from_netlink(pyudev.Context())
monitor.start()
found = {"udev": monitor.poll(timeout=0) is None, "devices": len(list(pyudev.Context().list_devices()))}
found |= {name: opened(f"/dev/probe/{name}") for name in sorted(os.listdir("/dev/probe"))}
try:
    Path("/etc/probe").write_text("x"); found["etc"] = "written"
except OSError as error:
    found["etc"] = errno.errorcode[error.errno]
print("PROBE " + json.dumps(found), flush=True)
"""


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_is_exposed_by_no_more_than_two_of_ten(unit: str) -> None:
    analyze = shutil.which("systemd-analyze")
    need(analyze, "systemd-analyze")
    ran = subprocess.run(
        [str(analyze), "security", "--offline=yes", "--no-pager", str(ROOT / unit)], capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    found = re.search(r"exposure level for \S+: ([\d.]+)", ran.stdout)
    assert found, ran.stdout[-500:] + ran.stderr[-500:]
    assert float(found[1]) <= 2.0


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BootedDebian]:
    why = missing()
    if why and os.environ.get("CI") and why != "root":
        pytest.fail(f"{why} is not on this machine; ./dev installs it")
    if why:
        pytest.skip(f"a Debian to boot wants {why}")
    made = BootedDebian(tmp_path_factory.mktemp("booted"))
    try:
        made.write("/etc/diemcau/server.env", SERVER_ENV)
        made.write("/etc/diemcau/room.toml", ROOM)
        made.write("/root/ask.py", ASK)
        made.write("/etc/systemd/system/idle.service", IDLE)
        made.write("/etc/polkit-1/rules.d/50-diemcau.rules", what_the_agent_may_restart("idle.service"))
        made.write("/opt/diemcau/probe.py", PROBE)
        drop_in = "[Service]\nExecStart=\nExecStart=/usr/sbin/mosquitto -c /var/lib/diemcau-broker/mosquitto.conf\n"
        made.write("/etc/systemd/system/mosquitto.service.d/diemcau.conf", drop_in)
        made.boot()
        yield made
    finally:
        made.close()


def what_the_agent_may_restart(*units: str) -> str:
    """As the role writes it."""
    folder = jinja2.FileSystemLoader(ROOT / "ansible/roles/edge_agent/templates")
    world = jinja2.Environment(loader=folder, autoescape=False)
    world.filters["to_json"] = json.dumps
    return world.get_template("polkit.rules.j2").render(edge_agent_may_restart=units, edge_agent_may_reboot=False)


def as_server(debian: BootedDebian, command: str, given: str = "") -> str:
    """diemcau-server as its own user, with its settings."""
    line = f"set -a; . /etc/diemcau/server.env; DIEMCAU_FOLDER=/var/lib/diemcau-server; umask 077; {command}"
    return debian.run(f"runuser -u diemcau-server -- /bin/sh -c '{line}'", given=given).stdout


def ask(debian: BootedDebian, method: str, path: str, body: object = None) -> Any:
    told = json.dumps(body) if body is not None else ""
    return json.loads(debian.run(f"python3 /root/ask.py {method} {path} '{told}'").stdout)


def restarts(debian: BootedDebian, unit: str) -> int:
    return int(debian.run(f"systemctl show --value --property=NRestarts {unit}").stdout)


def how_a_restart_ends(debian: BootedDebian, service: str) -> str:
    """The state of the command; nothing where it is not even taken."""
    order = {"action": "restart_service", "params": {"service": service}}
    try:
        id = ask(debian, "POST", "/sites/38-1/devices/pc-1/commands", order)["id"]
    except AssertionError:
        return ""
    over: Callable[[], str] = lambda: str(ask(debian, "GET", f"/commands/{id}")["state"])  # noqa: E731
    return wait_for(lambda: over() in ("succeeded", "failed", "refused") and over(), 60, "the command does not end")


@pytest.mark.timeout(1_500)
def test_server_signer_broker_and_agent_work_behind_their_walls(debian: BootedDebian) -> None:
    debian.run("ip link set lo up; install -d -o diemcau-server -g diemcau-server -m 700 /var/lib/diemcau-server")
    debian.run("install -d -o diemcau-server -g mosquitto -m 2770 /var/lib/diemcau-broker")
    as_server(debian, "cat > /var/lib/diemcau-server/sites.csv", given=SITES)
    as_server(debian, "/opt/diemcau/current/bin/diemcau-server sites import /var/lib/diemcau-server/sites.csv")
    as_server(debian, "/opt/diemcau/current/bin/diemcau-server broker config --listen 127.0.0.1")
    account = "/opt/diemcau/current/bin/diemcau-server users token tests --role administrator"
    as_server(debian, f"{account} --token-file /var/lib/diemcau-server/token")
    debian.run("mv /var/lib/diemcau-server/token /root/token")
    debian.run("install -d -g diemcau-agent -m 2775 /srv/recordings; : >/srv/recordings/first.mp4")
    debian.run("install -d -m 700 /srv/recordings/lost+found")  # as every ext4 has it at its root
    debian.run("systemctl daemon-reload; systemctl restart mosquitto diemcau-broker-reload.path idle")
    for unit in ("diemcau-signer", "diemcau-server", "diemcau-agent"):
        debian.run(f"systemctl start {unit} || (journalctl -u {unit} -o cat | tail -20; exit 1)")

    def is_well() -> bool:
        ran = debian.run("python3 /root/ask.py GET /health ''", check=False)
        return ran.returncode == 0 and json.loads(ran.stdout)["broker"] is True

    wait_for(is_well, 40, "the server is not well")
    code = ask(debian, "POST", "/sites/38-1/enrolments", {})["code"]
    enrol = (
        "/opt/diemcau/current/bin/diemcau-agent enrol --config /etc/diemcau/room.toml --server http://127.0.0.1:8080"
    )
    debian.run(f"({enrol} --code {code} > /root/enrol.log 2>&1 &)")
    waiting = wait_for(
        lambda: [row for row in ask(debian, "GET", "/enrolments") if row["state"] == "claimed"],
        30,
        "nobody has claimed",
    )
    ask(debian, "POST", f"/enrolments/{waiting[0]['id']}/decision", {"accept": True})
    wait_for(lambda: "38-1" in debian.run("cat /root/enrol.log").stdout, 20, "the machine is not enrolled")
    debian.run("systemctl restart diemcau-agent")

    def readings_of(device: str) -> dict[str, Any]:
        found = ask(debian, "GET", "/sites/38-1")["devices"]
        about = next((each for each in found if each["id"] == device and each["state"] == "ok"), {"readings": []})
        return {reading["key"]: reading["value"] for reading in about["readings"]}

    wait_for(lambda: readings_of("pc-1"), 60, "the agent says nothing of its PC")
    assert readings_of("pc-1")["conference_running"] is True, "it sees whether somebody else's process runs"
    wait_for(lambda: readings_of("storage-1"), 30, "the agent cannot look at the recordings")
    assert readings_of("storage-1")["writable"] is True and readings_of("storage-1")["recordings"] == 1.0
    for service, state in (("idle.service", "succeeded"), ("mosquitto.service", "")):
        assert how_a_restart_ends(debian, service) == state, service
    for unit in ("diemcau-agent", "diemcau-server", "diemcau-signer", "mosquitto"):
        assert debian.run(f"systemctl is-active {unit}").stdout.strip() == "active"
        journal = debian.run(f"journalctl -u {unit} -o cat").stdout
        assert "Traceback" not in journal and "thread_failed" not in journal, journal[-1_500:]
    # Who hangs says nothing, and is started again.
    drop_in = "[Service]\nWatchdogSec=20\n"
    debian.write("/etc/systemd/system/diemcau-agent.service.d/watchdog.conf", drop_in)
    debian.run("systemctl daemon-reload; systemctl restart diemcau-agent")
    debian.run("sleep 22; systemctl is-active diemcau-agent")
    assert restarts(debian, "diemcau-agent") == 0, "whoever works is left alone"
    debian.run("systemctl kill --signal=STOP diemcau-agent")
    wait_for(lambda: restarts(debian, "diemcau-agent") > 0, 90, "it hangs and nobody does anything")
    wait_for(lambda: ask(debian, "GET", "/sites/38-1")["verdict"] != "offline", 60, "it is not back")
    stolen = debian.run("runuser -u diemcau-server -- cat /var/lib/diemcau-signer/keys/signing.key", check=False)
    assert stolen.returncode != 0, "the server may not read the signing key"
    write = "cd /var/lib/diemcau-broker && cp revoked.pem again.pem && mv again.pem revoked.pem"
    for _ in range(8):  # more lists in a few seconds than systemd starts a service by default
        debian.run(f"runuser -u diemcau-server -- /bin/sh -c '{write}'; sleep 0.5")
    ask(debian, "POST", "/sites/38-1/identity/revocation", {"reason": "stolen"})
    wait_for(lambda: ask(debian, "GET", "/sites/38-1")["verdict"] == "offline", 60, "it is still in")
    wait_for(lambda: ask(debian, "GET", "/intake")["refused_by_broker"].get("?"), 60, "it can come back")
    assert debian.run("systemctl is-active diemcau-broker-reload.path").stdout.strip() == "active"


@pytest.mark.timeout(1_500)
def test_an_agent_behind_its_walls_reaches_equipment_and_nothing_else(debian: BootedDebian) -> None:
    """Nodes of equipment that is not there: opening one is allowed, and then there is nobody; others are forbidden."""
    equipment = {"alsa": (116, 0), "video": (81, 0), "serial": (4, 64), "usb": (189, 0)}
    for name, (major, minor) in {**equipment, "kmsg": (1, 11)}.items():
        debian.run(f"mkdir -p /dev/probe; mknod -m 666 /dev/probe/{name} c {major} {minor}", check=False)
    unit = (ROOT / UNITS[0]).read_text()
    unit = re.sub(r"^ExecStart=.*$", "ExecStart=/usr/bin/env PYTHONPATH=/opt/diemcau/src:/opt/diemcau/lib "
                  "/usr/bin/python3 /opt/diemcau/probe.py", unit, flags=re.M)  # fmt: skip
    unit = re.sub(r"^ConditionPathExists=.*$", "", unit, flags=re.M)
    unit = unit.replace("Restart=always", "Restart=no").replace("Type=notify", "Type=oneshot")
    debian.write("/etc/systemd/system/probe.service", unit)
    debian.run("systemctl daemon-reload; systemctl start probe")
    said = debian.run("journalctl -u probe -o cat").stdout
    found = json.loads(next(line for line in said.splitlines() if line.startswith("PROBE ")).removeprefix("PROBE "))
    assert found["udev"] is True and found["devices"] > 10
    assert all(found[name] in ("open", "ENXIO", "ENODEV") for name in equipment), found
    assert debian.run("head -c0 /dev/probe/kmsg", check=False).returncode == 0, "anybody else here may"
    assert (found["etc"], found["kmsg"]) == ("EROFS", "EPERM")
