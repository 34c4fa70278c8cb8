"""The demo as a user starts it."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from demo.faults import FAULTS
from demo.story import story_of
from device_drivers.loopback import free_port
from tests.counterparts.waiting import wait_for


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """NUT's Unix socket wants a path of at most 107 bytes; a test's own folder is longer."""
    with tempfile.TemporaryDirectory(prefix="dc-") as folder:
        yield Path(folder)


def signed_in(address: str, printed: str) -> httpx.Client:
    """A browser of somebody who has read what the demo prints."""
    password = printed.partition("password: ")[2].split()[0]
    browser = httpx.Client(timeout=30)
    answer = browser.post(f"{address}/sign-in", data={"login": "demo", "password": password, "next": "/"})
    assert answer.status_code == 303
    return browser


@pytest.mark.timeout(400)
@pytest.mark.parametrize("broker", ["auto", "embedded"])
def test_the_demo_gets_ready_and_leaves_nothing_behind(broker: str, short_folder: Path) -> None:
    port = free_port()
    output = short_folder / "output"
    with output.open("wb") as file:
        child = subprocess.Popen(
            [sys.executable, "-m", "demo", "--port", str(port), "--sites", "6", "--whole", "2", "--broker", broker],
            stdout=file, stderr=subprocess.STDOUT, env={**os.environ, "TMPDIR": str(short_folder)},
        )  # fmt: skip
    try:
        wait_for(lambda: f"READY http://127.0.0.1:{port}" in output.read_text(), 180, "the demo is not ready")
        address = f"http://127.0.0.1:{port}/api/v1"
        browser = signed_in(f"http://127.0.0.1:{port}", output.read_text())
        sites = {site["id"]: site for site in browser.get(f"{address}/sites").json()["items"]}
        assert len(sites) == 7 and "this-machine" in sites
        wait_for(
            lambda: sum(s["verdict"] == "ready" for s in browser.get(f"{address}/sites").json()["items"]) >= 4, 30,
            "the rooms do not get ready",
        )  # fmt: skip
        assert len(browser.get(f"{address}/sessions").json()["items"]) == 1
        wait_for(lambda: browser.get(f"{address}/sites/this-machine").json()["devices"], 30)
        assert not browser.get(f"{address}/sites/this-machine").json()["set_up"], "it lacks what a room needs"
        wait_for(
            lambda: any(
                site["verdict"] != "ready"
                for site in browser.get(f"{address}/sites").json()["items"]
                if site["id"] != "this-machine"
            ),
            60,
            "no fault was played",
        )
        beside = subprocess.run(
            [sys.executable, "-m", "demo", "--port", str(port)], capture_output=True, text=True, timeout=60, check=False
        )
        assert beside.returncode == 1 and f"--port {port + 1}" in beside.stderr
        children = psutil.Process(child.pid).children(recursive=True)
        assert len(children) >= 5
    finally:
        child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=40) == 0
    wait_for(lambda: not any(process.is_running() for process in children), 10, "processes are left")
    assert not list(short_folder.glob("diemcau-demo-*"))


@pytest.mark.timeout(400)
def test_a_demo_whose_part_was_killed_names_it_and_ends(short_folder: Path) -> None:
    output = short_folder / "output"
    with output.open("wb") as file:
        child = subprocess.Popen(
            [sys.executable, "-m", "demo", "--port", str(free_port()), "--sites", "4", "--whole", "1"],
            stdout=file, stderr=subprocess.STDOUT, env={**os.environ, "TMPDIR": str(short_folder)},
        )  # fmt: skip
    try:
        wait_for(lambda: "READY" in output.read_text(), 180, "the demo is not ready")
        rooms = next(p for p in psutil.Process(child.pid).children() if "demo.light" in p.cmdline())
        rooms.kill()
        assert child.wait(timeout=60) == 1
    finally:
        child.kill()
        child.wait()
    assert "'light-rooms'" in output.read_text() and "./dev demo" in output.read_text()


def test_a_story_mends_what_it_breaks() -> None:
    sites = [f"38-{number}" for number in range(20)]
    broken: dict[str, str] = {}
    story = story_of(sites, tuple(FAULTS))
    seen = set()
    last_s = 0.0
    for _ in range(400):
        turn = next(story)
        assert turn.at_s >= last_s - 0.001
        last_s = max(last_s, turn.at_s)
        if turn.on:
            assert turn.site not in broken
            broken[turn.site] = turn.fault
        else:
            assert broken.pop(turn.site) == turn.fault
        seen.add(turn.fault)
        assert len(broken) <= 12
    assert seen == set(FAULTS)
