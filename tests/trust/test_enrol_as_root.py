"""Root types `diemcau-agent enrol`: what it writes is the agent's, in a folder where that may have put links."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest

from demo.room_toml import room_toml
from edge_agent.config import RoomConfig
from edge_agent.enrol_cli import enrol_and_print
from edge_agent.errors import AgentError
from edge_agent.identity import FOLDER
from tests.conftest import need
from tests.counterparts.guarded import GuardedFleet

_AGENT = 65_534
"""The account `nobody`."""


@pytest.fixture
def machine() -> Iterator[Path]:
    """A folder that every account comes to, as /var/lib is; the agent's own is in it."""
    need(os.geteuid() == 0, "root")
    folder = Path(tempfile.mkdtemp(prefix="diemcau-", dir="/tmp"))
    folder.chmod(0o755)
    (folder / "agent").mkdir()
    os.chown(folder / "agent", _AGENT, _AGENT)
    yield folder
    shutil.rmtree(folder)


def _enrols(folder: Path, address: str, code: str) -> None:
    """In a process of its own, forked: its account cannot read this Python's files any more."""
    config = folder / "room.toml"
    config.write_text(room_toml(RoomConfig(str(folder / "agent"), ())))
    with (folder / "said").open("w") as said:
        os.dup2(said.fileno(), 1)
        try:
            sys.exit(enrol_and_print(config, address, code, None, "en"))
        except AgentError as error:
            os.write(1, str(error).encode())
            sys.exit(2)


def test_what_root_enrols_is_the_agents_own(guarded: GuardedFleet, site: str, machine: Path) -> None:
    child = get_context("fork").Process(
        target=_enrols, daemon=True, args=(machine, guarded.address, guarded.new_code(site))
    )
    child.start()
    guarded.decide(guarded.claimed(site)["id"])
    child.join(30)
    files = list((machine / "agent" / FOLDER).iterdir())
    assert child.exitcode == 0 and files, (machine / "said").read_text()
    assert {file.stat().st_uid for file in files} == {_AGENT}


def test_root_follows_no_link_to_where_the_agent_could_not_write(
    guarded: GuardedFleet, site: str, machine: Path
) -> None:
    elsewhere = machine / "elsewhere"
    elsewhere.mkdir()
    (machine / "agent" / FOLDER).symlink_to(elsewhere)
    child = get_context("fork").Process(
        target=_enrols, daemon=True, args=(machine, guarded.address, guarded.new_code(site))
    )
    child.start()
    child.join(30)
    said = (machine / "said").read_text()
    assert child.exitcode == 2 and FOLDER in said, said
    assert list(elsewhere.iterdir()) == []
    assert {each["state"] for each in guarded.enrolments() if each["site"] == site} == {"open"}, "the code serves still"
