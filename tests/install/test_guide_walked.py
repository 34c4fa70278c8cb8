"""The guide of installation, as somebody follows it who has nothing but the guide: each line as it stands there, in
its order, on machines as it asks for, with the Ansible of Debian and an account that becomes root by sudo.

What the guide leaves to people (fill in, carry, write down) stands here between its lines.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any

import pytest

from tests.counterparts.booted import ROOT, missing
from tests.counterparts.guides import sections_of
from tests.counterparts.machines import Machine, Network
from tests.counterparts.waiting import wait_for

SITE, CENTRE = "38-14797", "centre.example.vn"
SITES = f"""\
site_id,code,name,kind,parent,lat,lon,line_down_mbps,line_up_mbps
38-hub,,Trụ sở Tiếp công dân tỉnh,hub,,19.8,105.78,30,30
{SITE},14797,Phường Hạc Thành,commune,38-hub,19.80,105.79,5,5
"""
LOGINS = """\
import sqlite3
print(*(row[0] for row in sqlite3.connect("/var/lib/diemcau-server/fleet.db").execute("SELECT login FROM users")))
"""
ASK = """\
import json, ssl, sys, urllib.request
token = open("/srv/diemcau/operator.token").read()
request = urllib.request.Request(sys.argv[1], headers={"Authorization": "Bearer " + token})
secure = ssl.create_default_context(cafile="/srv/diemcau/authority.pem")
print(urllib.request.urlopen(request, timeout=20, context=secure).read().decode())
"""


class Walk:
    """Somebody with the source on one machine, and three machines as the guide asks for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.source = folder, folder / "source"
        self._copy_source()
        self.network = Network(folder / "machines", "sudo,ansible-core,python3-cffi-backend,openssh-client")
        self._add_account()
        self.operator, self.centre, self.room = (self.network.machine(name) for name in ("operator", "centre", "room"))
        for machine in (self.operator, self.centre, self.room):
            machine.run(f"echo '{self.centre.address} {CENTRE}' >>/etc/hosts")
        self.operator.run("install -d -o admin /srv/diemcau /home/admin/ansible")
        self.room.run("install -d /srv/diemcau")
        self.centre.run("install -d /srv/diemcau")
        self.where = "/home/admin"
        self.equipment: subprocess.Popen[str] | None = None
        self.walked: list[str] = []

    def follow(self, lines: list[str]) -> str:
        """Each line where it belongs; what all of them said."""
        said = ""
        for line in lines:
            if line.startswith(("./dev", ".venv/")):
                said += self._at_the_source(line)
            elif line.startswith("cd "):
                self.where = f"{self.where}/{line.removeprefix('cd ')}"
            elif line.startswith(("cp ansible/", "ansible-playbook ")):
                said += self.as_admin(line)
            elif line.startswith(("diemcau-server ", "journalctl ")):
                said += self._at_the_centre(line)
            else:
                assert line.startswith(("diemcau-agent ", "systemctl ", "/opt/diemcau/bin/")), line
                said += self._in_the_room(line)
            self.walked.append(line)
        return said

    def as_admin(self, line: str) -> str:
        """On the machine that runs Ansible, by the account of whoever runs it."""
        shell = f"cd {self.where} && ANSIBLE_NOCOLOR=1 LC_ALL=C.UTF-8 {line}"
        return self.operator.run(f"runuser -u admin -- env HOME=/home/admin sh -c {quote(shell)}", within_s=500).stdout

    def carry(self, *files: Path) -> None:
        """From where the release was made to every machine."""
        for machine in (self.operator, self.centre, self.room):
            for file in files:
                shutil.copy(file, machine.root / "srv/diemcau")
                (machine.root / "srv/diemcau" / file.name).chmod(0o644)

    def change_hosts(self, *changes: tuple[str, str]) -> None:
        """Fill in what `hosts.yml` says."""
        file = self.operator.root / "home/admin/ansible/inventory/hosts.yml"
        text = file.read_text()
        for old, new in changes:
            assert text.count(old) >= 1, f"{old} does not stand in hosts.yml"
            text = text.replace(old, new)
        file.write_text(text)

    def ask(self, path: str) -> Any:
        """What the API answers to the plays' account."""
        url = f"https://{CENTRE}:8443/api/v1{path}"
        return json.loads(self.operator.run(f"runuser -u admin -- python3 -c {quote(ASK)} {url}").stdout)

    def verdict(self) -> str:
        """Of the room."""
        return str(self.ask(f"/sites/{SITE}")["verdict"])

    def put_equipment_up(self) -> str:
        """In the room's own network; the part of `room.toml` that describes it."""
        command = [
            "nsenter", "-t", str(self.room.leader), "-n", sys.executable, "-m", "tests.counterparts.wired_room", SITE,
            str(self.folder / "equipment"),
        ]  # fmt: skip
        self.equipment = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.equipment.stdout is not None
        lines = iter(self.equipment.stdout.readline, "# ready\n")
        return "".join(line for line in lines if not line.startswith("folder"))

    def close(self) -> None:
        if self.equipment is not None:
            self.equipment.kill()
            self.equipment.wait(10)
        self.network.close()

    def _at_the_source(self, line: str) -> str:
        ran = subprocess.run(
            line, shell=True, cwd=self.source, capture_output=True, text=True, timeout=500, check=False,
            env={name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")},
        )  # fmt: skip
        assert ran.returncode == 0, f"{line}: {ran.stderr[-1_500:]}"
        return ran.stdout

    def _at_the_centre(self, line: str) -> str:
        ran = self.centre.run(line, check=False)
        allowed = (0, 1) if "doctor" in line else (0,)  # who has just begun has something left to do
        assert ran.returncode in allowed, f"{line}: {ran.stdout[-800:]} {ran.stderr[-800:]}"
        return ran.stdout

    def _in_the_room(self, line: str) -> str:
        ran = self.room.run(line, within_s=400, check=False)
        allowed = (0, 1) if "discover" in line else (0,)  # there is nothing on this network that would answer
        assert ran.returncode in allowed, f"{line}: {ran.stdout[-800:]} {ran.stderr[-800:]}"
        return ran.stdout

    def _copy_source(self) -> None:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, listed.split("\0")):
            (self.source / name).parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_file():
                shutil.copy(ROOT / name, self.source / name)

    def _add_account(self) -> None:
        base = self.network.base
        for command in (
            ["useradd", "--create-home", "--shell", "/bin/bash", "admin"],
            ["install", "-d", "-m", "700", "-o", "admin", "/home/admin/.ssh"],
        ):
            subprocess.run(["chroot", str(base), *command], check=True, capture_output=True, timeout=60)
        shutil.copy(self.network.key.with_suffix(".pub"), base / "home/admin/.ssh/authorized_keys")
        shutil.copy(self.network.key, base / "home/admin/.ssh/id_ed25519")
        subprocess.run(["chroot", str(base), "chown", "-R", "admin", "/home/admin/.ssh"], check=True, timeout=60)
        (base / "etc/sudoers.d/admin").write_text("admin ALL=(ALL) NOPASSWD: ALL\n")


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    if not os.environ.get("DIEMCAU_MACHINES"):
        pytest.skip("eight minutes of two cores and PyPI: ./dev machines runs it")
    if why := missing():
        pytest.skip(f"machines to boot want {why}")
    made = Walk(tmp_path_factory.mktemp("walk"))
    yield made
    made.close()


def is_in_use(machine: Machine, version: str) -> bool:
    return machine.run("readlink /opt/diemcau/current").stdout.strip() == version


@pytest.mark.timeout(1_500)
def test_whoever_follows_the_guide_comes_to_a_green_room_and_on(walk: Walk) -> None:
    sections = sections_of("install.en.md")
    steps = {heading.partition(".")[0]: lines for heading, lines in sections.items()}

    walk.follow(steps["1"])
    dist, key = walk.source / "dist", walk.source / "province.key.pub"
    walk.carry(*dist.glob("*.tar"), *dist.glob("*.pyz"), key)
    shutil.copytree(ROOT / "ansible", walk.operator.root / "home/admin/ansible", dirs_exist_ok=True)
    (walk.operator.root / "srv/diemcau/sites.csv").write_text(SITES)
    walk.operator.run("chown -R admin /home/admin/ansible /srv/diemcau")

    walk.follow(steps["2"])
    walk.change_hosts(("10.38.14.97", walk.room.address))
    walk.as_admin(f"ssh-keyscan -t ed25519 {CENTRE} {walk.room.address} >~/.ssh/known_hosts 2>/dev/null")

    said = walk.follow(steps["3"])
    links = re.findall(rf"https://{CENTRE}:8443/set-up#\S+", said)
    assert links, "the first administrator has a link"
    assert "Permission" not in said
    token = walk.operator.root / "srv/diemcau/operator.token"
    assert token.stat().st_mode & 0o077 == 0, "the plays' token is its owner's alone"
    logins = set(walk.centre.run("runuser -u diemcau-server -- python3 -", given=LOGINS).stdout.split())
    assert {"admin", "ansible"} <= logins, "the plays' account is no person's"

    green = steps["4"]
    walk.follow(green[:1])
    described = walk.put_equipment_up()
    file = walk.room.root / "etc/diemcau/room.toml"
    alone, _, pc = file.read_text().partition("[[devices]]")
    assert 'driver = "pc"' in pc
    file.write_text(alone + described)
    checked = walk.follow(green[1:])
    assert "camera-1" in checked and "ups-1" in checked
    wait_for(lambda: walk.verdict() == "ready", 90, "the room does not become green")

    release = steps["5"]
    text = (walk.source / "pyproject.toml").read_text()
    (walk.source / "pyproject.toml").write_text(text.replace('version = "0.1.0"', 'version = "0.1.1"', 1))
    walk.follow(["./dev package --key province.key"])
    walk.carry(dist / "diemcau-release.pyz", *dist.glob("diemcau-0.1.1*.tar"))
    walk.change_hosts(("diemcau-0.1.0-py3", "diemcau-0.1.1-py3"))
    walk.follow(release[:1])
    assert is_in_use(walk.centre, "0.1.1") and is_in_use(walk.room, "0.1.1")
    walk.follow(release[1:2])
    assert is_in_use(walk.room, "0.1.0") and is_in_use(walk.centre, "0.1.1")
    walk.follow(release[2:3])
    assert is_in_use(walk.centre, "0.1.0")
    walk.follow(release[3:])
    assert is_in_use(walk.room, "0.1.1")
    wait_for(lambda: walk.verdict() == "ready", 90, "the file of whoever set the room up is not as it was")

    walk.change_hosts(("# postgresql:\n#   hosts:\n#     ", "postgresql:\n  hosts:\n    "))
    walk.follow(steps["6"])
    counted = walk.centre.run("runuser -u postgres -- psql -d diemcau -tAc 'select count(*) from sites'").stdout
    assert int(counted) == 2
    wait_for(lambda: walk.verdict() == "ready", 90, "the room is not as it was")
    assert "changed=0 " in walk.as_admin("ansible-playbook site.yml"), "a second run changes nothing"

    (walk.source / "maker.dav").write_bytes(os.urandom(200_000))
    walk.follow(steps["8"][:1])
    walk.carry(walk.source / "signed.tar")
    walk.follow(steps["8"][1:])

    walk.follow(steps["7"])
    assert walk.room.run("ls /var/lib/diemcau-agent", check=False).returncode != 0
    every = [line for lines in sections.values() for line in lines]
    assert [line for line in every if line not in walk.walked] == [], "no line was left out"
