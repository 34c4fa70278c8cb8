"""The PC driver on the machine that the tests run on."""

import os
import stat
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from device_drivers.errors import ActFailed, NotOffered
from device_drivers.pc.driver import Pc
from tests.counterparts.waiting import wait_for
from wire.times import SystemClock


def pc(**settings: Any) -> Pc:
    return Pc(msgspec.convert(settings, Pc.Settings), SystemClock())


def test_this_computer_is_read() -> None:
    driver = pc(processes=[psutil.Process().name()], disk="/")
    found = driver.observe().readings
    assert 0 <= float(found["cpu"] or 0) <= 100 and 0 < float(found["memory"] or 0) < 100
    assert abs(float(found["disk_free"] or 0) - psutil.disk_usage("/").free) < 5e9
    assert float(found["uptime"] or 0) > 0
    assert found["conference_running"] is True
    assert found["clock_offset"] is None, "no server is configured, so nobody knows"
    assert pc(processes=["no-such-program"]).observe().readings["conference_running"] is False
    assert pc().observe().readings["conference_running"] is None


def test_a_program_that_has_ended_is_not_running_whoever_has_yet_to_notice() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import ctypes; ctypes.CDLL(None).prctl(15, b'conference')"])
    dead = psutil.Process(child.pid)
    wait_for(lambda: dead.status() == psutil.STATUS_ZOMBIE, 20, "it does not end")
    try:
        assert dead.name() == "conference"
        assert pc(processes=["conference"]).observe().readings["conference_running"] is False
    finally:
        child.wait()


def test_a_disk_that_is_not_there_is_no_reading() -> None:
    assert pc(disk="/no/such/place").observe().readings["disk_free"] is None


def test_the_clock_is_measured_against_the_servers_date() -> None:
    class Dated(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Dated)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/"
        offset_s = pc(time_url=address).observe().readings["clock_offset"]
        assert isinstance(offset_s, float) and abs(offset_s) <= 1.0
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert pc(time_url=address).observe().readings["clock_offset"] is None


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemctl on the PATH that writes down what it is told; InvocationID changes with each restart."""
    state = tmp_path / "told"
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {state}\ncase "$1" in\n'
        f'show) grep -c "^restart" {state} || true;;\n'
        'is-active) echo active;;\nrestart) [ "$2" != broken ] || exit 1;;\nesac\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return state


def test_only_a_service_of_the_allow_list_is_restarted(systemctl: Path) -> None:
    driver = pc(services=["conference", "broken"])
    offered = {spec.action: spec for spec in driver.observe().actions}
    assert set(offered) == {"restart_service"} and offered["restart_service"].params[0].values == (
        "conference",
        "broken",
    )
    driver.act("restart_service", {"service": "conference"}, lambda detail, **params: None)
    assert "restart conference" in systemctl.read_text()
    with pytest.raises(ActFailed) as refused:
        driver.act("restart_service", {"service": "sshd"}, lambda detail, **params: None)
    assert refused.value.reason == "not_in_allow_list" and "sshd" not in systemctl.read_text()
    with pytest.raises(ActFailed) as failed:
        driver.act("restart_service", {"service": "broken"}, lambda detail, **params: None)
    assert failed.value.reason == "systemctl_refused"


def test_a_pc_is_not_rebooted_when_nobody_has_allowed_it(systemctl: Path) -> None:
    with pytest.raises(NotOffered):
        pc().act("reboot", {}, lambda detail, **params: None)
    assert not systemctl.exists()


def test_a_reboot_is_proved_by_another_boot_of_the_kernel() -> None:
    driver = pc(may_reboot=True)
    mark = driver.mark("reboot", {})
    assert mark and driver.proved("reboot", mark) is None
    result = driver.proved("reboot", "another-boot")
    assert result is not None and float(result["up_since_s"] or 0) > 0


def test_hotplug_is_told_within_a_second() -> None:
    """The kernel is asked to announce a network device again, which is what a plug does."""
    announce = Path("/sys/class/net/lo/uevent")
    if not os.access(announce, os.W_OK):
        pytest.skip("only root may make the kernel announce a device")
    stop, woken = threading.Event(), threading.Event()
    watcher = threading.Thread(target=pc().watch, args=(stop, woken.set))
    watcher.start()
    try:

        def announced() -> bool:
            announce.write_text("change")
            return woken.wait(0.2)

        wait_for(announced, 3)
        woken.clear()
        announce.write_text("change")
        assert woken.wait(1.0)
    finally:
        stop.set()
        watcher.join(5)
