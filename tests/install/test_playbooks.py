"""From empty machines to a centre and rooms by the playbooks alone, over SSH, with no network but their own; a new
release in waves, with a room whose new agent never reports; a room that is given up; power cuts in an upgrade."""

import json
import os
import random
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from fleet_server.store.schema import revisions
from release.build import new_key, package
from tests.counterparts.booted import ROOT, missing
from tests.counterparts.guides import sections_of
from tests.counterparts.machines import Machine, Network
from tests.counterparts.waiting import wait_for

CUTS = int(os.environ.get("DIEMCAU_POWER_CUTS", "2"))
"""`DIEMCAU_POWER_CUTS=20` is what the installer was released with."""
ROOMS = ("38-1", "38-2", "38-3")
SITES = """\
site_id,code,name,kind,parent,lat,lon,line_down_mbps,line_up_mbps
38-hub,,Trụ sở Tiếp công dân tỉnh,hub,,19.8,105.78,1000,1000
38-1,14758,Phường Hàm Rồng,commune,38-hub,19.84,105.77,5,5
38-2,14797,Phường Hạc Thành,commune,38-hub,19.80,105.79,5,5
38-3,14845,Xã Mường Lát,commune,38-hub,20.52,104.53,5,5
"""
OLD, NEW = "0.1.0", "0.1.1"
SECRET = "a $word 'of' a vault, \"quoted\""
OFFICE = "UBND TỈNH 'THANH HÓA' & $HOME"
"""A setting that both a shell and systemd have to read as it is."""
ROTATE = (
    "runuser -u diemcau-signer -- /opt/diemcau/current/bin/diemcau-server --folder /var/lib/diemcau-signer keys rotate"
)
LATER_TABLES = "runuser -u postgres -- psql -d diemcau -c \"SELECT 1 FROM pg_tables WHERE tablename = 'later'\""
LATER = """\
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "9999", "{before}", None, None


def upgrade() -> None:
    op.create_table("later", sa.Column("site", sa.String(64), sa.ForeignKey("sites.id"), primary_key=True))
"""
"""A revision of the tables that only the new release has."""
CAMERA = """\
folder = "/var/lib/diemcau-agent"

[[devices]]
id = "camera-1"
role = "camera"
driver = "camera_onvif"
[devices.settings]
host = "127.0.0.1"
username = "admin"
password = { env = "CAMERA_PASSWORD" }
"""
"""The file of a room whose camera's password is in its environment; nothing answers there."""
NEVER = f'[Service]\nExecStartPre=/bin/sh -c "! readlink /opt/diemcau/current | grep -q {re.escape(NEW)}"\n'
"""In a unit: there the new release never comes up."""


UNITS = ("edge_agent/systemd/diemcau-agent.service", "fleet_server/systemd/diemcau-server.service")
"""Here every release has its own."""


class Province:
    """The machines, the releases, and whoever runs the plays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        new_key(folder / "province.key")
        self.bundles = {version: self._release(version) for version in (OLD, NEW)}
        self.network = Network(folder / "machines")
        self.centre = self.network.machine("centre")
        self.rooms = {site: self.network.machine(f"room-{site}") for site in ROOMS}
        (folder / "sites.csv").write_text(SITES)
        (folder / "hosts.csv").write_text("".join(f"{site},{room.address}\n" for site, room in self.rooms.items()))
        self._write_inventory()

    def play(self, book: str, *more: str, version: str = OLD, check: bool = True) -> str:
        """Run a playbook; what it said."""
        bundle = self.bundles[version]
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self.folder / "hosts.json"), book,
            "-e", f"diemcau_release_bundle={bundle}", "-e", f"release_bundle={bundle}", *more,
            "-e", f"@{self.folder / 'vault.yml'}", *self._vault_password,
        ]  # fmt: skip
        ran = subprocess.run(
            command, cwd=ROOT / "ansible", capture_output=True, text=True, timeout=600, check=False,
            env={**os.environ, **self.where,
                 "ANSIBLE_HOST_KEY_CHECKING": "0", "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8",
                 "ANSIBLE_SSH_ARGS": "-o UserKnownHostsFile=/dev/null -o ControlMaster=auto -o ControlPersist=60s"},
        )  # fmt: skip
        assert SECRET not in ran.stdout + ran.stderr, f"{book} prints a secret"
        assert not check or ran.returncode == 0, ran.stdout[-6_000:] + ran.stderr[-1_500:]
        return ran.stdout

    @property
    def where(self) -> dict[str, str]:
        """What the dynamic inventory has to know."""
        return {
            "DIEMCAU_URL": f"https://{self.centre.address}:8443",
            "DIEMCAU_TOKEN_FILE": str(self.folder / "operator.token"),
            "DIEMCAU_AUTHORITY": str(self.folder / "authority.pem"),
            "DIEMCAU_ROOM_HOSTS": str(self.folder / "hosts.csv"),
        }

    def plan(self, site: str, in_h: float) -> str:
        """A session of an hour in so many hours."""
        begins, ends = (datetime.now(UTC) + timedelta(hours=hours) for hours in (in_h, in_h + 1))
        times = {"starts_at": begins.isoformat(), "ends_at": ends.isoformat()}
        return str(self.ask("/sessions", {"title": "Phiên", "sites": [site], **times})["id"])

    def ask(self, path: str, body: object = None) -> Any:
        """The API, as the plays ask it; with a body it is a POST."""
        token = (self.folder / "operator.token").read_text().strip()
        secure = ssl.create_default_context(cafile=str(self.folder / "authority.pem"))
        answer = httpx.request(
            "GET" if body is None else "POST",
            f"https://{self.centre.address}:8443/api/v1{path}",
            json=body, headers={"Authorization": f"Bearer {token}"},
            verify=secure, timeout=30, trust_env=False,
        )  # fmt: skip
        return answer.raise_for_status().json()

    def verdicts(self) -> dict[str, str]:
        return {site: self.ask(f"/sites/{site}")["verdict"] for site in ROOMS}

    def current(self, machine: Machine) -> str:
        return machine.run("readlink /opt/diemcau/current").stdout.strip()

    def unit_of(self, machine: Machine) -> str:
        """Of which release the unit is that the machine has."""
        name = "diemcau-server" if machine is self.centre else "diemcau-agent"
        return machine.run(f"tail -n 1 /etc/systemd/system/{name}.service").stdout.removeprefix("# ").strip()

    def close(self) -> None:
        self.network.close()

    def _release(self, version: str) -> Path:
        source = self.folder / f"source-{version}"
        parts = ("wire", "device_drivers", "edge_agent", "fleet_server", "firmware_profiles")
        for part in parts:
            shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
        if version == NEW:
            later = LATER.format(before=revisions()[-1])
            (source / "fleet_server/store/migrations/versions/9999_later.py").write_text(later)
        for unit in UNITS:
            with (source / unit).open("a") as file:
                file.write(f"# {version}\n")
        for file in ("README.md", "LICENSE", "NOTICE"):
            shutil.copy(ROOT / file, source / file)
        text = (ROOT / "pyproject.toml").read_text()
        (source / "pyproject.toml").write_text(re.sub(r'(?m)^version = ".*"$', f'version = "{version}"', text, count=1))
        return package(source, self.folder / f"dist-{version}", self.folder / "province.key")[-1]

    def _write_inventory(self) -> None:
        common = {
            "ansible_user": "root", "ansible_ssh_private_key_file": str(self.network.key),
            "release_tool": str(self.bundles[NEW].with_name("diemcau-release.pyz")),
            "release_key": str(self.folder / "province.key.pub"),
            "diemcau_centre_host": self.centre.address, "centre_host": self.centre.address,
            "centre_settings": {
                "DIEMCAU_OFFICE_ABOVE": OFFICE, "DIEMCAU_SMTP_PASSWORD_FILE": "/etc/diemcau/secrets/smtp",
            },
            "centre_secrets": {"smtp": "{{ kept_in_the_vault }}"},
            "edge_agent_secrets": {"camera": "{{ kept_in_the_vault }}"},
            "edge_agent_environment": {"CAMERA_PASSWORD": "{{ kept_in_the_vault }}"},
            "diemcau_token_file": str(self.folder / "operator.token"),
            "diemcau_authority_file": str(self.folder / "authority.pem"),
            "fleet_server_sites": str(self.folder / "sites.csv"),
        }  # fmt: skip
        rooms = {
            f"room-{site}": {"ansible_host": room.address, "diemcau_site": site} for site, room in self.rooms.items()
        }
        rooms["room-38-2"]["edge_agent_room_file"] = str(self.folder / "camera.toml")
        (self.folder / "camera.toml").write_text(CAMERA)
        centre = {"hosts": {"centre-1": {"ansible_host": self.centre.address}}}
        told = {
            "all": {"vars": common, "children": {"centre": centre, "postgresql": centre, "rooms": {"hosts": rooms}}}
        }
        (self.folder / "hosts.json").write_text(json.dumps(told))
        (self.folder / "vault.password").write_text("of whoever runs the plays")
        (self.folder / "vault.yml").write_text(f"kept_in_the_vault: {json.dumps(SECRET)}\n")
        vault = [str(Path(sys.executable).with_name("ansible-vault")), "encrypt", str(self.folder / "vault.yml")]
        subprocess.run([*vault, *self._vault_password], check=True, capture_output=True, timeout=60)

    @property
    def _vault_password(self) -> list[str]:
        return ["--vault-password-file", str(self.folder / "vault.password")]


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Province]:
    if not os.environ.get("DIEMCAU_MACHINES"):
        pytest.skip("most of an hour of two cores: ./dev machines runs it")
    tools = [name for name in ("ssh", "ssh-keygen", "ip") if shutil.which(name) is None]
    if why := missing() or " ".join(tools):
        pytest.skip(f"machines to boot want {why}")
    made = Province(tmp_path_factory.mktemp("province"))
    yield made
    made.close()


def changed(said: str) -> dict[str, int]:
    """Host -> tasks that changed something, from the recap."""
    return {name: int(count) for name, count in re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", said, re.M)}


def flat(said: str) -> str:
    """Without the lines that messages are broken into."""
    return " ".join(said.split())


def failed(said: str) -> set[str]:
    """The hosts on which a task failed, from the recap."""
    return set(re.findall(r"^(\S+)\s+: .*failed=[1-9]", said, re.M))


@pytest.mark.timeout(2_400)
def test_from_empty_machines_to_a_green_map_and_on_to_the_next_release(province: Province) -> None:
    # A first run that breaks off, for a database that is not there, is mended by the next.
    broken = province.play("site.yml", "-e", "centre_database_url=postgresql:///typo?host=/run/postgresql", check=False)
    assert failed(broken) == {"centre-1"}, broken[-4_000:]
    province.play("site.yml")
    again = changed(province.play("site.yml", "--diff"))
    assert set(again.values()) == {0}, again
    province.play("enrol.yml")
    wait_for(lambda: "offline" not in province.verdicts().values(), 60, "a room does not report")
    assert set(changed(province.play("site.yml")).values()) == {0}
    assert set(changed(province.play("site.yml", "--check")).values()) == {0}, "a look is honest"
    assert "PostgreSQL" in province.centre.run("runuser -u postgres -- psql -d diemcau -tAc 'select version()'").stdout
    assert (
        int(province.centre.run("runuser -u postgres -- psql -d diemcau -tAc 'select count(*) from sites'").stdout) == 4
    )
    library = province.centre.run(
        "cat /opt/diemcau/current/lib/python3.*/site-packages/fleet_server/pages/vendor/leaflet.js"
    )
    assert "Leaflet" in library.stdout[:500], "what pages need comes with the bundle"
    running = "xargs -0 -n 1 </proc/$(systemctl show --value -p MainPID diemcau-server)/environ"
    assert f"DIEMCAU_OFFICE_ABOVE={OFFICE}" in province.centre.run(running).stdout.splitlines()
    said = province.centre.run('. /etc/diemcau/server.env; echo "$DIEMCAU_OFFICE_ABOVE"').stdout
    assert said.strip() == OFFICE
    assert province.centre.run("cat /etc/diemcau/secrets/smtp").stdout == SECRET
    room = province.rooms["38-1"]
    assert room.run("cat /etc/diemcau/camera.secret").stdout == SECRET
    agent = "xargs -0 -n 1 </proc/$(systemctl show --value -p MainPID diemcau-agent)/environ"
    assert f"CAMERA_PASSWORD={SECRET}" in room.run(agent).stdout.splitlines()
    modes = "stat -c '%U:%G %a' /etc/diemcau/camera.secret /etc/diemcau/agent.env"
    assert room.run(modes).stdout.splitlines() == ["root:diemcau-agent 640", "root:root 600"]
    rooms = inventory(province)
    assert sorted(rooms["rooms"]["hosts"]) == [f"room-{site}" for site in ROOMS]
    assert rooms["_meta"]["hostvars"]["room-38-1"]["ansible_host"] == province.rooms["38-1"].address
    both = changed(province.play("site.yml", "-i", "inventory/diemcau.py", "--limit", "verdict_*"))
    assert both == {f"room-{site}": 0 for site in ROOMS}, "the centre's groups serve a play as well"

    # One machine is not taken for another; a file that nobody can read is not put in; an identity can be given anew.
    twice = province.play("enrol.yml", "-e", "diemcau_site=38-1", "-e", "diemcau_enrol_anew=true", check=False)
    assert "diemcau_site 38-1 is also that of" in flat(twice) and failed(twice) == set(both), twice[-3_000:]
    other = ["-e", "diemcau_site=38-2", "-e", "diemcau_reason=closed", "--limit", "room-38-1"]
    assert "is also that of" in flat(province.play("decommission.yml", *other, check=False))
    (province.folder / "broken.toml").write_text(CAMERA.replace("username", "user"))
    broken = ["--limit", "room-38-2", "-e", f"edge_agent_room_file={province.folder / 'broken.toml'}"]
    said = province.play("site.yml", *broken, check=False)
    assert failed(said) == {"room-38-2"} and "unknown field" in said, said[-3_000:]
    assert province.rooms["38-2"].run("cat /etc/diemcau/room.toml").stdout == CAMERA
    anew = ["enrol.yml", "--limit", "room-38-1", "-e", "diemcau_enrol_anew=true"]
    assert changed(province.play(*anew, "--check"))["room-38-1"] == 1
    before = room.run("md5sum /var/lib/diemcau-agent/identity/documents.json").stdout
    province.play(*anew)
    assert room.run("md5sum /var/lib/diemcau-agent/identity/documents.json").stdout != before
    assert set(changed(province.play("enrol.yml")).values()) == {0}

    # The centre is left alone while a session is near, and where nobody can say whether one is.
    session = province.plan("38-1", in_h=0.5)
    said = province.play("upgrade.yml", "--limit", "centre-1", version=NEW, check=False)
    assert "a session runs, or begins within the hour" in flat(said), said[-3_000:]
    province.ask(f"/sessions/{session}/cancellation", {"reason": "Dời"})
    (province.folder / "old.token").write_text("has run out")
    unknown = ["--limit", "centre-1", "-e", f"diemcau_token_file={province.folder / 'old.token'}"]
    assert failed(province.play("upgrade.yml", *unknown, version=NEW, check=False)) == {"centre-1"}
    assert province.current(province.centre) == OLD

    # A centre that does not come up on the new release is back on the old one, and no room was touched.
    server = province.centre.root / "etc/systemd/system/diemcau-server.service.d"
    server.mkdir()
    (server / "ill.conf").write_text(NEVER)
    province.centre.run("systemctl daemon-reload")
    said = province.play("upgrade.yml", version=NEW, check=False)
    assert f"{NEW} did not come up, {OLD} is in use and works" in said, said[-3_000:]
    assert {province.current(machine) for machine in (province.centre, *province.rooms.values())} == {OLD}
    assert province.unit_of(province.centre) == OLD
    assert "1 row" not in province.centre.run(LATER_TABLES).stdout, "the tables are those of the old one again"
    shutil.rmtree(server)
    province.centre.run("systemctl daemon-reload")
    wait_for(lambda: "offline" not in province.verdicts().values(), 60, "a room is away while the centre goes back")

    # A run whose line broke in the middle, with the link turned and the tables as they were, is made good by the next.
    turned = f"echo {OLD} {NEW} >/etc/diemcau/upgrade.from; /opt/diemcau/bin/diemcau-release switch {NEW}"
    province.centre.run(f"systemctl stop diemcau-server; {turned}")

    # A release in waves; in the second room the new agent never reports.
    ill = province.rooms["38-2"]
    ill.run("mkdir -p /etc/systemd/system/diemcau-agent.service.d")
    (ill.root / "etc/systemd/system/diemcau-agent.service.d/ill.conf").write_text(NEVER)
    ill.run("systemctl daemon-reload")
    waves = ["-e", '{"diemcau_waves": [1, 1, 1]}', "-e", "trial_within_s=45", "-e", "trial_watched_s=10"]
    said = province.play("upgrade.yml", *waves, version=NEW, check=False)
    assert "has not reported; 0.1.0 is in use again" in said, said[-3_000:]
    now = {site: province.current(room) for site, room in province.rooms.items()}
    assert province.current(province.centre) == NEW, "the centre goes first"
    assert {machine: province.unit_of(machine) for machine in (province.centre, ill, province.rooms["38-1"])} == {
        province.centre: NEW, ill: OLD, province.rooms["38-1"]: NEW,
    }, "each has the units of what it uses"  # fmt: skip
    assert "1 row" in province.centre.run(LATER_TABLES).stdout, "with its database"
    assert now == {"38-1": NEW, "38-2": OLD, "38-3": OLD}, (
        "the first took it, the second went back, the third was spared"
    )
    wait_for(lambda: "offline" not in province.verdicts().values(), 60, "a room is away after its upgrade")
    (ill.root / "etc/systemd/system/diemcau-agent.service.d/ill.conf").unlink()
    ill.run("systemctl daemon-reload")
    session = province.plan("38-3", in_h=3)
    province.play("upgrade.yml", *waves, version=NEW)
    now = {site: province.current(room) for site, room in province.rooms.items()}
    assert now == {"38-1": NEW, "38-2": NEW, "38-3": OLD}, "a room with a session in three hours is left alone"
    province.ask(f"/sessions/{session}/cancellation", {"reason": "Dời"})
    assert changed(province.play("upgrade.yml", *waves, version=NEW))["room-38-1"] == 0
    assert province.current(province.rooms["38-3"]) == NEW, "and taken along once there is none"
    wait_for(lambda: province.ask("/releases")["running"] == {NEW: 3}, 30, "the centre does not see what rooms run")

    # The centre back and forth: not without the data of its older tables.
    centre = ["rollback.yml", "-e", f"diemcau_version={OLD}", "--limit", "centre-1"]
    said = province.play(*centre, check=False)
    assert "name the backup that the upgrade has kept" in flat(said), said[-3_000:]
    assert province.current(province.centre) == NEW and province.ask("/health")["status"] == "ok"
    kept = province.centre.run("ls /var/lib/diemcau-server/backups/before-*.zip | tail -n 1").stdout.strip()
    province.play(*centre, "-e", f"diemcau_backup={kept}")
    assert province.current(province.centre) == province.unit_of(province.centre) == OLD
    assert "1 row" not in province.centre.run(LATER_TABLES).stdout
    province.play("upgrade.yml", *waves, "--limit", "centre-1", version=NEW)
    assert province.current(province.centre) == NEW

    # Another key signs: that of the signer, which rooms have pinned already.
    refused = province.centre.run("diemcau-server keys rotate", check=False)
    assert refused.returncode != 0 and "runuser -u diemcau-signer" in refused.stdout + refused.stderr
    province.centre.run(ROTATE)
    province.centre.run("systemctl restart diemcau-signer diemcau-server")
    wait_for(lambda: "offline" not in province.verdicts().values(), 60, "a room is away after the rotation")

    # Back, and given up.
    session = province.plan("38-3", in_h=3)
    back = ["rollback.yml", "-e", f"diemcau_version={OLD}", "-e", "trial_watched_s=10", "--limit", "room-38-3"]
    third = province.rooms["38-3"]
    province.play(*back)
    assert province.current(third) == NEW, "nor is a room with a session soon taken back"
    province.ask(f"/sessions/{session}/cancellation", {"reason": "Dời"})
    assert changed(province.play(*back, "--check"))["room-38-3"] == 1, "a look says what would change"
    province.play(*back)
    assert province.current(third) == OLD
    fetched_from_the_centre(province, third)
    for named in ((), ("--limit", "rooms"), ("--limit", "room-38-3:room-38-*"), ("--limit", "all,!room-38-1")):
        refused = province.play("decommission.yml", *named, "-e", "diemcau_reason=closed", check=False)
        assert "Give --limit" in refused, "never all of them at once, by whatever name"
    province.rooms["38-3"].run("cp -a /var/lib/diemcau-agent/identity /root/kept")
    province.play("decommission.yml", "--limit", "room-38-3", "-e", "diemcau_reason=closed")
    assert province.rooms["38-3"].run("ls /var/lib/diemcau-agent", check=False).returncode != 0
    connect = (
        "certificate=$(ls /root/kept/*.pem | head -1); timeout 20 openssl s_client "
        f"-connect {province.centre.address}:8883 -tls1_3 -quiet "
        "-cert $certificate -key ${certificate%.pem}.key </dev/null 2>&1"
    )
    wait_for(
        lambda: "revoked" in province.rooms["38-3"].run(connect, check=False).stdout, 60, "its certificate still opens"
    )


def fetched_from_the_centre(province: Province, room: Machine) -> None:
    """Without SSH: the room fetches what the centre offers, tries it, and goes back when it does not report."""
    shutil.copy(province.bundles[NEW], province.centre.root / "var/lib/diemcau-server/new.tar")
    province.centre.run("chown diemcau-server /var/lib/diemcau-server/new.tar")
    province.centre.run("diemcau-server releases add /var/lib/diemcau-server/new.tar")
    begin = {"version": NEW, "rate_kbit_s": 100_000, "canary": "38-3"}
    province.ask("/releases/campaign", begin)
    wait_for(lambda: step_of(province, "38-3") == "taken", 150, "the room does not take what it is offered")
    assert province.current(room) == NEW and not (room.root / "var/lib/diemcau-agent/release/wanted").exists()
    assert step_of(province, "38-2") == "waiting", "the canary is watched first"
    province.ask("/releases/campaign/act", {"act": "stop"})

    # Back by the centre too: to what is installed in the room, without fetching anything.
    shutil.copy(province.bundles[OLD], province.centre.root / "var/lib/diemcau-server/old.tar")
    province.centre.run("chown diemcau-server /var/lib/diemcau-server/old.tar")
    province.centre.run("diemcau-server releases add /var/lib/diemcau-server/old.tar")
    province.ask("/releases/campaign", {**begin, "version": OLD})
    wait_for(lambda: step_of(province, "38-3") == "taken", 150, "the room does not go back")
    assert province.current(room) == OLD
    province.ask("/releases/campaign/act", {"act": "stop"})

    folder = room.root / "etc/systemd/system"
    (folder / "diemcau-agent.service.d").mkdir(exist_ok=True)
    (folder / "diemcau-agent.service.d/ill.conf").write_text(NEVER)
    take = (folder / "diemcau-release.service").read_text()
    line = next(line for line in take.splitlines() if line.startswith("ExecStart="))
    (folder / "diemcau-release.service.d").mkdir()
    (folder / "diemcau-release.service.d/soon.conf").write_text(f"[Service]\nExecStart=\n{line} --within 30\n")
    room.run("systemctl daemon-reload")
    province.ask("/releases/campaign", begin)
    campaign = wait_for(lambda: stopped(province), 150, "a room went back and the campaign goes on")
    assert campaign["why"] == "38-3" and province.current(room) == OLD
    (back,) = [each for each in campaign["rooms"] if each["site"] == "38-3"]
    assert back["step"] == "back" and back["detail"] == "not_reported", "and it is said why"
    wait_for(lambda: province.ask("/sites/38-3")["verdict"] != "offline", 60, "the room works as before")
    (folder / "diemcau-agent.service.d/ill.conf").unlink()
    room.run("systemctl daemon-reload")


def step_of(province: Province, site: str) -> str:
    rooms = province.ask("/releases")["campaign"]["rooms"]
    return next(str(room["step"]) for room in rooms if room["site"] == site)


def stopped(province: Province) -> dict[str, Any] | None:
    campaign: dict[str, Any] = province.ask("/releases")["campaign"]
    return campaign if campaign["state"] == "stopped" else None


def inventory(province: Province) -> dict[str, Any]:
    """What the dynamic inventory says."""
    ran = subprocess.run(
        [sys.executable, str(ROOT / "ansible/inventory/diemcau.py"), "--list"], capture_output=True, text=True,
        timeout=30,
        env={**os.environ, **province.where}, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@pytest.mark.timeout(300 + 120 * CUTS)
def test_a_power_cut_at_any_moment_of_an_upgrade_leaves_a_room_that_works(province: Province) -> None:
    """Half of the cuts fall anywhere, mostly into the long installation; half into the few seconds of the trial."""
    room, chance, met = province.rooms["38-1"], random.Random(7), Counter[str]()
    releases = [OLD, NEW]
    for number in range(CUTS):
        wanted = releases[1 - releases.index(province.current(room))]
        switch = (
            f"rm -rf /opt/diemcau/{wanted}/WHOLE; diemcau=/opt/diemcau/bin/diemcau-release; "
            f"$diemcau install /root/{wanted}.tar --part room && $diemcau switch {wanted} --unit diemcau-agent.service "
            "--proof /var/lib/diemcau-agent/reported --within 60"
        )
        shutil.copy(province.bundles[wanted], room.root / f"root/{wanted}.tar")
        room.run(f"(nohup /bin/sh -c '{switch}' >/root/switch.log 2>&1 &)")
        if number % 2:
            wait_for(lambda: phase_of(room) == "trial", 120, "nothing is tried")
        time.sleep(chance.uniform(0.0, 3.0 if number % 2 else 30.0))  # the moment of the cut; nothing is waited for
        room.cut_power()
        met[phase_of(room)] += 1
        (room.root / "var/lib/diemcau-agent/reported").unlink(missing_ok=True)  # only the next life's word counts
        room.boot()
        assert province.current(room) in releases
        wait_for(lambda: reports_again(province, room), 150, "the room does not come back")
        state = json.loads(room.run("/opt/diemcau/bin/diemcau-release status").stdout)
        assert state["current"] in state["installed"], "what is in use is whole"
    print(f"{CUTS} power cuts, by what was under way: {dict(met)}")
    assert met["trial"], "no cut has met a trial"


def phase_of(room: Machine) -> str:
    """What stands on the machine's disk of the last change."""
    try:
        found: str = json.loads((room.root / "opt/diemcau/state.json").read_text()).get("phase", "")
    except (OSError, ValueError):
        return ""
    return found


def reports_again(province: Province, room: Machine) -> bool:
    """The agent of this life has been heard by the centre."""
    active = room.run("systemctl is-active diemcau-agent", check=False).stdout.strip() == "active"
    proof = room.run("cat /var/lib/diemcau-agent/reported", check=False).stdout.split()
    state = json.loads(room.run("/opt/diemcau/bin/diemcau-release status").stdout)
    settled = state["last"].get("phase") != "trial"
    return active and settled and proof == [state["current"]] and province.ask("/sites/38-1")["verdict"] != "offline"


@pytest.mark.timeout(600)
def test_a_backup_restored_on_another_machine_takes_over(province: Province) -> None:
    """The drill of the guide: the centre is gone, another machine gets its address, its backup and its signing keys."""
    every_night, once, restore = sections_of("backup.en.md").values()
    assert province.centre.run("systemctl is-enabled diemcau-backup.timer").stdout.strip() == "enabled"
    kept = province.folder / "kept"
    kept.mkdir()
    old = province.centre
    for line in once:
        old.run(line)
    province.plan("38-2", in_h=30)  # in the nightly backup alone
    for line in every_night:
        old.run(line)
    for file in ("all.zip", "nightly.zip"):
        shutil.copy(old.root / "var/lib/diemcau-server" / file, kept / file)
    shutil.copy(old.root / "root/signer.tar", kept / "signer.tar")
    old.cut_power()
    new = province.network.machine("centre-b", old.address)
    province.centre = new
    province.play("site.yml", "--limit", "centre-1", version=NEW)
    for file in ("all.zip", "nightly.zip"):
        shutil.copy(kept / file, new.root / "var/lib/diemcau-server" / file)
    shutil.copy(kept / "signer.tar", new.root / "root/signer.tar")
    new.run("chown diemcau-server /var/lib/diemcau-server/*.zip")
    for line in restore:
        new.run(line)
    province.play("site.yml", "--limit", "centre-1", version=NEW)
    for site in ("38-1", "38-2"):
        wait_for(
            lambda site=site: province.ask(f"/sites/{site}")["verdict"] != "offline", 150, f"{site} does not come back"
        )  # type: ignore[misc]
    planned = [row["sites"] for row in province.ask("/sessions")["items"] if row["title"] == "Phiên"]
    assert ["38-2"] in planned, "what the nightly backup alone knows"
