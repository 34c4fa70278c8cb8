"""The wheel by hand on a Debian machine without a network, out of the bundle: line by line as README says."""

import os
import re
import shutil
from collections.abc import Iterator

import pytest

from release.build import new_key, package
from tests.counterparts.booted import ROOT, missing
from tests.counterparts.fleet import SITES
from tests.counterparts.guides import blocks_in
from tests.counterparts.machines import Machine, Network


@pytest.fixture
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if not os.environ.get("DIEMCAU_MACHINES"):
        pytest.skip("some minutes of two cores and PyPI: ./dev machines runs it")
    if why := missing():
        pytest.skip(f"machines to boot want {why}")
    network = Network(tmp_path_factory.mktemp("by-hand"))
    yield network.machine("by-hand")
    network.close()


@pytest.mark.timeout(900)
def test_the_wheel_is_installed_without_a_network(machine: Machine) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (lines,) = (block.splitlines() for kind, block in blocks_in(readme) if kind == "sh" and "--no-index" in block)
    key = machine.root / "root/province.key"
    new_key(key)
    bundle = package(ROOT, machine.root / "root/dist", key)[-1]
    named = re.search(r"diemcau-\S+\.tar", lines[0])
    assert named is not None
    shutil.copy(bundle, machine.root / "root" / named[0])
    for line in lines:
        machine.run(f"cd /root && {line}", within_s=600)
    (machine.root / "root/sites.csv").write_text(SITES, encoding="utf-8")
    server = "cd /root && diemcau/bin/diemcau-server --folder /root/centre"
    assert "4 new" in machine.run(f"{server} sites import sites.csv").stdout
    machine.run(f"{server} serve --port 8080 >/root/said 2>&1 &")
    page = "timeout 30 sh -c 'until grep -q listening /root/said; do sleep 0.2; done' && cat /root/said"
    assert "listening address=http://127.0.0.1:8080" in machine.run(page).stdout
    agent = lines[-1].replace("[server]", "[agent,enrol,camera,discover,display,mixer,relay,snmp,ups,usb]")
    machine.run(f"cd /root && {agent}", within_s=600)
    assert "camera_onvif" in machine.run("/root/diemcau/bin/diemcau-agent --lang en describe").stdout
