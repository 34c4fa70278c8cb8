"""The playbooks before they meet a machine: lint's production profile, and a form that Ansible can read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.counterparts.booted import ROOT

BIN = Path(sys.executable).parent
BOOKS = sorted((ROOT / "ansible").glob("*.yml"))


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        list(command), cwd=ROOT / "ansible", capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"},
    )  # fmt: skip


@pytest.mark.timeout(660)
def test_lint_finds_nothing_by_its_strictest_profile() -> None:
    ran = run(str(BIN / "ansible-lint"), "--offline", "--nocolor", "--profile", "production", ".")
    assert ran.returncode == 0, ran.stdout[-3_000:]


@pytest.mark.parametrize("book", [book.name for book in BOOKS])
def test_a_playbook_can_be_read_with_the_inventory_that_we_give(book: str) -> None:
    ran = run(str(BIN / "ansible-playbook"), "--syntax-check", "-i", "inventory/hosts.example.yml", book)
    assert ran.returncode == 0 and "Unable to parse" not in ran.stderr, ran.stdout + ran.stderr
