"""The installer of releases: what is not signed is refused, what does not report is put back, whatever is killed."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from release import build
from release.manifest import ReleaseError, order_of, read, unpack
from tests.counterparts.booted import ROOT
from tests.counterparts.releases import Box, Maker, unit_of
from tests.counterparts.waiting import wait_for
from wire.ids import uuid7

KILLS = int(os.environ.get("DIEMCAU_RELEASE_KILLS", "3"))
"""`DIEMCAU_RELEASE_KILLS=200` is what the installer was released with."""


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


@pytest.fixture
def box(maker: Maker, tmp_path: Path) -> Box:
    made = Box(maker, tmp_path)
    assert made.install(maker.bundle("0.1.0")).returncode == 0
    assert made.run("switch", "0.1.0").returncode == 0
    assert made.version_in_use() == "0.1.0"
    return made


def test_a_release_that_reports_stays_and_one_that_does_not_goes_back(maker: Maker, box: Box) -> None:
    assert box.install(maker.bundle("0.2.0")).returncode == 0
    assert box.version_in_use() == "0.1.0", "to install changes nothing"
    silent = box.switch("0.2.0")
    assert silent.returncode == 1 and "has not reported; 0.1.0 is in use again" in silent.stderr
    assert box.version_in_use() == "0.1.0"
    child = box.start("switch", "0.2.0", "--proof", str(box.proof), "--within", "30")
    _when_tried(box, "0.2.0")
    box.proof.write_text("0.2.0\n")
    assert child.wait(20) == 0 and box.version_in_use() == "0.2.0"
    told = json.loads(box.run("status").stdout)
    assert told["installed"] == ["0.1.0", "0.2.0"] and told["last"]["phase"] == "done"
    assert "in use already" in box.switch("0.2.0").stdout
    for wrong in ("0.9.0", "../../etc", "0.1.0/../x"):
        assert box.switch(wrong).returncode == 2 and box.version_in_use() == "0.2.0"


def test_nothing_is_tried_while_a_device_acts(maker: Maker, box: Box) -> None:
    box.install(maker.bundle("0.2.0"))
    act = box.proof.with_name("acting") / "019f"
    act.parent.mkdir()
    act.touch()
    child = box.start("switch", "0.2.0", "--proof", str(box.proof), "--within", "20")
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(3)
    assert box.version_in_use() == "0.1.0"
    act.unlink()
    _when_tried(box, "0.2.0")
    box.proof.write_text("0.2.0\n")
    assert child.wait(20) == 0


def test_the_units_of_services_come_and_go_back_with_their_release(maker: Maker, box: Box) -> None:
    """Those that the machine has: not one that nobody put there, not one that is masked, not the tool's own."""
    for unit in ("agent.service", "diemcau-release-settle.service"):
        (box.units / unit).write_text(unit_of("0.1.0"))
    (box.units / "masked.service").symlink_to("/dev/null")
    box.install(maker.bundle("0.2.0"))
    child = box.start("switch", "0.2.0", "--proof", str(box.proof), "--within", "6")
    _when_tried(box, "0.2.0")
    assert (box.units / "agent.service").read_text() == unit_of("0.2.0"), "it is tried with its own units"
    assert child.wait(30) == 1 and box.version_in_use() == "0.1.0"
    kept = {path.name: path.read_text() for path in box.units.iterdir()}
    assert kept == {
        "agent.service": unit_of("0.1.0"), "diemcau-release-settle.service": unit_of("0.1.0"), "masked.service": "",
    }  # fmt: skip


def test_units_that_were_put_in_before_a_power_cut_go_back_too(maker: Maker, box: Box) -> None:
    (box.units / "agent.service").write_text(unit_of("0.2.0"))
    trial = {"phase": "trial", "from": "0.1.0", "to": "0.2.0", "unit": None, "proof": str(box.proof), "offer": ""}
    (box.home / "state.json").write_text(json.dumps(trial))
    assert box.run("settle").returncode == 1 and box.version_in_use() == "0.1.0"
    assert (box.units / "agent.service").read_text() == unit_of("0.1.0")


def test_an_agent_may_ask_for_a_release_that_is_still_installed_and_for_no_other(
    maker: Maker, box: Box, tmp_path: Path
) -> None:
    folder = tmp_path / "agent"
    folder.mkdir()
    box.install(maker.bundle("0.2.0"))
    assert box.run("switch", "0.2.0").returncode == 0
    take = ("take", str(folder), "--key", str(maker.public), "--unit", "none.service", "--proof", str(box.proof))
    for wrong in ("0.0.9", "../../etc", "0.1.0/../x", "0.1.0\n"):
        (folder / "wanted").write_text(f"0123456789abcdef {wrong}")
        assert box.run(*take, "--within", "1").returncode == 2 and box.version_in_use() == "0.2.0"
        assert json.loads(box.run("status").stdout)["last"]["phase"] == "refused" and not list(folder.iterdir())
    (folder / "wanted").write_text("0123456789abcdef 0.1.0")
    child = box.start(*take, "--within", "30")
    _when_tried(box, "0.1.0")
    box.proof.write_text("0.1.0\n")
    assert child.wait(20) == 0 and box.version_in_use() == "0.1.0"
    told = json.loads(box.run("status").stdout)["last"]
    assert (told["phase"], told["offer"], list(folder.iterdir())) == ("done", "0123456789abcdef", [])


def test_services_can_run_what_root_unpacks_whatever_roots_umask_is(maker: Maker, box: Box) -> None:
    before = os.umask(0o077)
    try:
        assert box.install(maker.bundle("0.2.0")).returncode == 0
    finally:
        os.umask(before)
    shut = [
        path for path in (box.home / "0.2.0").rglob("*") if not path.is_symlink() and not path.stat().st_mode & 0o004
    ]
    assert shut == [] and (box.home / "0.2.0").stat().st_mode & 0o005 == 0o005


def test_a_service_is_started_again_before_it_is_written_down_that_its_release_went_back(
    maker: Maker, box: Box, tmp_path: Path
) -> None:
    """A full disk takes no state; the room must run the old release all the same."""
    programs, told = tmp_path / "bin", tmp_path / "told"
    programs.mkdir()
    (programs / "systemctl").write_text(f'#!/bin/sh\necho "$@" >>{told}\n')
    (programs / "systemctl").chmod(0o755)
    box.environment["PATH"] = f"{programs}:{box.environment['PATH']}"
    box.install(maker.bundle("0.2.0"))
    child = box.start("switch", "0.2.0", "--unit", "a.service", "--proof", str(box.proof), "--within", "3")
    _when_tried(box, "0.2.0")
    (box.home / ".state.json.new").mkdir()  # nothing can be written there any more
    assert child.wait(30) == 2 and box.version_in_use() == "0.1.0"
    assert told.read_text().splitlines().count("restart --no-block a.service") == 2
    (box.home / ".state.json.new").rmdir()
    told.unlink()
    assert box.run("settle", "--within", "1").returncode == 1 and "restart --no-block a.service" in told.read_text()


def test_the_word_of_an_older_release_is_no_proof(maker: Maker, box: Box) -> None:
    box.install(maker.bundle("0.2.0"))
    box.proof.write_text("0.1.0\n")
    child = box.start("switch", "0.2.0", "--proof", str(box.proof), "--within", "6")
    _when_tried(box, "0.2.0")
    box.proof.write_text("0.1.0\n")  # the old one, which is still ending
    assert child.wait(20) == 1 and box.version_in_use() == "0.1.0"


def _when_tried(box: Box, version: str) -> None:
    wait_for(lambda: (box.home / "current").readlink().name == version, 30, f"{version} is not tried")


def test_another_key_another_machine_or_a_file_that_was_changed_are_refused(
    maker: Maker, box: Box, tmp_path: Path
) -> None:
    build.new_key(tmp_path / "stranger.key")
    strange = box.install(maker.bundle("0.3.0", tmp_path / "stranger.key"))
    assert strange.returncode == 2 and "signature" in strange.stderr
    bundle = maker.bundle("0.4.0")
    raw = bytearray(bundle.read_bytes())
    raw[raw.index(b"VERSION = '0.4.0'") + 12] ^= 1
    bundle.write_bytes(raw)
    changed = box.install(bundle)
    assert changed.returncode == 2 and "is not as it was signed" in changed.stderr
    foreign = box.install(maker.bundle("0.5.0", machine={"python": "3.99", "machine": "toaster"}))
    assert foreign.returncode == 2 and "toaster" in foreign.stderr
    assert json.loads(box.run("status").stdout)["installed"] == ["0.1.0"]
    assert not [path for path in box.home.iterdir() if path.name.startswith(".unpacked")], "and leaves nothing"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(at=st.floats(0, 1), change=st.integers(1, 255))
def test_a_bundle_with_any_byte_changed_is_refused_or_unpacks_to_what_was_signed(
    maker: Maker, tmp_path: Path, at: float, change: int
) -> None:
    bundle = tmp_path / "0.6.0.tar"
    if not bundle.exists():
        maker.bundle("0.6.0")
    raw = bytearray(bundle.read_bytes())
    raw[int(at * (len(raw) - 1))] ^= change
    changed, out = tmp_path / "changed.tar", tmp_path / f"out-{uuid7()}"
    changed.write_bytes(raw)
    try:
        manifest = read(changed, maker.public)
        unpack(changed, manifest, out)
    except ReleaseError:
        return
    assert manifest == read(bundle, maker.public)


@pytest.mark.parametrize("name", ["../evil.whl", "/etc/evil", "wheels/../../evil.whl", "state.json"])
def test_a_signed_list_with_names_that_lead_elsewhere_is_refused(
    maker: Maker, box: Box, tmp_path: Path, name: str
) -> None:
    target = tmp_path / "evil.tar"
    build.write_bundle(target, {name: b"evil"}, "0.7.0", maker.key)
    refused = box.install(target)
    assert refused.returncode == 2 and "none of a release" in refused.stderr


def killed(box: Box, command: list[str], after_s: float) -> None:
    """The command and all its children are gone at this moment."""
    child = box.start(*command)
    time.sleep(after_s)  # the moment of the kill; nothing is waited for
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()


def fetched(box: Box, bundle: Path, folder: Path, offer: str = "") -> Path:
    """As an agent hands it over."""
    folder.mkdir(exist_ok=True)
    (folder / "bundle.tar").write_bytes(bundle.read_bytes())
    (folder / "wanted").write_text(hashlib.sha256(offer.encode()).hexdigest()[:16] if offer else "0123456789abcdef")
    return folder


def test_what_an_agent_has_fetched_is_tried_once_and_never_backwards(maker: Maker, box: Box, tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    take = ("take", str(folder), "--key", str(maker.public), "--unit", "none.service", "--proof", str(box.proof))
    fetched(box, maker.bundle("0.2.0"), folder)
    silent = box.run(*take, "--within", "1")
    told = json.loads(box.run("status").stdout)["last"]
    assert silent.returncode == 1 and (told["phase"], told["offer"]) == ("back", "0123456789abcdef")
    assert box.version_in_use() == "0.1.0" and list(folder.iterdir()) == [], "it does not lie there to be tried again"
    fetched(box, maker.bundle("0.2.0"), folder)  # the power was cut before it was taken away
    assert box.run(*take, "--within", "1").returncode == 1 and list(folder.iterdir()) == []
    assert json.loads(box.run("status").stdout)["last"] == told, "it is not tried a second time"
    fetched(box, maker.bundle("0.2.0"), folder, "another offer")
    child = box.start(*take, "--within", "30")
    _when_tried(box, "0.2.0")
    box.proof.write_text("0.2.0\n")
    assert child.wait(30) == 0 and box.version_in_use() == "0.2.0"
    shutil.rmtree(box.home / "0.1.0")
    tool = (box.home / "bin/diemcau-release").read_bytes()
    fetched(box, maker.bundle("0.1.0"), folder)
    older = box.run(*take, "--within", "1")
    assert older.returncode == 2 and "is older than 0.2.0" in older.stderr and box.version_in_use() == "0.2.0"
    assert json.loads(box.run("status").stdout)["installed"] == ["0.2.0"], "nothing of it was unpacked"
    assert (box.home / "bin/diemcau-release").read_bytes() == tool
    build.new_key(tmp_path / "stranger.key")
    fetched(box, maker.bundle("0.3.0", tmp_path / "stranger.key"), folder)
    strange = box.run(*take, "--within", "1")
    told = json.loads(box.run("status").stdout)["last"]
    assert strange.returncode == 2 and told["phase"] == "refused" and "signature" in told["why"]
    assert box.version_in_use() == "0.2.0" and list(folder.iterdir()) == []


def test_a_trial_whose_tool_is_killed_is_ended_all_the_same(maker: Maker, box: Box, tmp_path: Path) -> None:
    """By the unit that waits for it; here a `systemctl` that runs what the unit runs."""
    programs, silent = tmp_path / "bin", "--within 1 >/dev/null 2>&1 </dev/null &"
    programs.mkdir()
    (programs / "systemctl").write_text(
        f'#!/bin/sh\n[ "$1" = start ] && {sys.executable} {maker.tool} settle {silent}\n'
    )
    (programs / "systemctl").chmod(0o755)
    box.environment["PATH"] = f"{programs}:{box.environment['PATH']}"
    box.install(maker.bundle("0.2.0"))
    child = box.start("switch", "0.2.0", "--unit", "none.service", "--proof", str(box.proof), "--within", "60")
    _when_tried(box, "0.2.0")
    child.kill()
    wait_for(lambda: box.version_in_use() == "0.1.0", 20, "nobody ends the trial")
    wait_for(lambda: json.loads(box.run("status").stdout)["last"]["phase"] == "back", 10)


def test_a_release_that_has_no_room_is_said_so_and_leaves_nothing(maker: Maker, box: Box) -> None:
    bundle = maker.bundle("0.2.0")
    os.truncate(bundle, 1 << 42)  # it takes none of the disk, and would take all of it
    said = box.install(bundle)
    assert said.returncode == 2 and "MB are free" in said.stderr
    assert sorted(path.name for path in box.home.iterdir() if path.is_dir()) == ["0.1.0", "bin", "current"]


def test_what_nobody_goes_back_to_does_not_fill_the_disk(maker: Maker, box: Box) -> None:
    for version in ("0.2.0", "0.3.0", "0.4.0", "0.5.0"):
        assert box.install(maker.bundle(version)).returncode == 0
        assert box.run("switch", version).returncode == 0
    told = json.loads(box.run("status").stdout)
    assert (told["current"], told["installed"]) == ("0.5.0", ["0.3.0", "0.4.0", "0.5.0"])


def test_a_release_comes_after_its_candidates_and_before_what_mends_it() -> None:
    made = ["0.2.0", "0.10.0.dev3", "0.10.0", "0.10.0.post1", "0.10.1", "0.11.0rc1", "0.11.0rc2", "0.11.0"]
    assert sorted(sorted(made), key=order_of) == made


@pytest.mark.timeout(180 + 60 * KILLS)
def test_whatever_is_killed_the_link_is_on_a_whole_release_and_the_next_try_succeeds(
    maker: Maker, box: Box, tmp_path: Path
) -> None:
    chance = random.Random(11)
    bundles = {version: maker.bundle(version) for version in ("0.1.0", "0.2.0")}
    install: Callable[[str], list[str]] = lambda version: [  # noqa: E731
        "install",
        str(bundles[version]),
        "--part",
        "room",
        "--key",
        str(maker.public),
    ]
    began_s = time.monotonic()
    box.run(*install("0.2.0"))
    takes_s = time.monotonic() - began_s
    for _ in range(KILLS):
        here = box.version_in_use()
        other = "0.2.0" if here == "0.1.0" else "0.1.0"
        subprocess.run(["rm", "-rf", str(box.home / other)], check=True)
        killed(box, install(other), chance.uniform(0, takes_s))
        assert box.version_in_use() == here
        assert box.run(*install(other)).returncode == 0, "an installation that was interrupted is made anew"
        box.proof.unlink(missing_ok=True)
        killed(box, ["switch", other, "--proof", str(box.proof), "--within", "1"], chance.uniform(0, 1.5))
        assert box.version_in_use() in (here, other)
        if chance.random() < 0.5:
            box.proof.write_text(f"{(box.home / 'current').readlink().name}\n")
        box.run("settle", "--within", "1")
        told = json.loads(box.run("status").stdout)
        assert told["last"]["phase"] in ("done", "back") and told["current"] == box.version_in_use()


def test_what_a_part_needs_is_in_the_lock() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    for part, extras in build.EXTRAS.items():
        needed = build.closure(extras)
        assert {"msgspec", "paho-mqtt"} <= needed, part
        assert not [name for name in needed if f"\n{name}==" not in f"\n{lock}"], part
    assert "fastapi" not in build.closure(build.EXTRAS["room"]) and "onvif-zeep" not in build.closure(
        build.EXTRAS["centre"]
    )
