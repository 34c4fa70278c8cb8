"""The guides: every command in them is one that there is, with options that it has, the same in both languages."""

import re
import shlex
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path

import pytest

import edge_agent.cli
import fleet_server.cli
import release.install
from tests.counterparts.booted import ROOT
from tests.counterparts.guides import commands_in

GUIDES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])
PROGRAMS: dict[str, Callable[[list[str]], int]] = {
    "diemcau-server": fleet_server.cli.main, "diemcau-agent": edge_agent.cli.main,
    "diemcau-release": release.install.main,
}  # fmt: skip


def blocks(guide: Path) -> list[str]:
    return commands_in(guide.read_text(encoding="utf-8"))


def commands() -> list[tuple[str, str, str]]:
    """Guide, program and the whole command."""
    found = []
    for guide in GUIDES:
        for line in blocks(guide):
            for part in re.split(r"\s*(?:&&|\|\||;)\s*", line):
                for program in PROGRAMS:
                    if match := re.match(rf"(?:\S*/)?{program}(?:\s|$)", part):
                        found.append((guide.name, program, part[match.end() :].strip()))
    return found


@cache
def help_of(program: str, *path: str) -> str:
    said = StringIO()
    with redirect_stdout(said), pytest.raises(SystemExit) as ended:
        PROGRAMS[program]([*path, "--help"])
    assert ended.value.code == 0, f"{program} {' '.join(path)}"
    return said.getvalue()


def subcommands(text: str) -> set[str]:
    found = re.search(r"\{([a-z,_-]+)\}", text)
    return set(found[1].split(",")) if found else set()


def test_there_are_commands_to_look_at() -> None:
    assert len(commands()) > 15 and {program for _, program, _ in commands()} == set(PROGRAMS)


@pytest.mark.parametrize(("guide", "program", "given"), commands())
def test_a_command_of_a_guide_is_one_that_the_program_has(guide: str, program: str, given: str) -> None:
    words = shlex.split(re.split(r"\s[<>|]", given)[0].replace("…", "x"))
    path: list[str] = []
    known = newest = help_of(program)
    for word in words:
        options = re.search(r"positional arguments:.*", newest, re.S)
        if word in subcommands(options[0] if options else newest):
            path.append(word)
            newest = help_of(program, *path)
            known += newest
    assert path or not words, f"{guide}: {program} {given}: has no such command"
    for word in words:
        if word.startswith("--"):
            assert re.search(rf"{re.escape(word.partition('=')[0])}\b", known), f"{guide}: {word} is no option of it"


def test_playbooks_that_are_named_are_there_and_take_what_they_are_given() -> None:
    named = [line for guide in GUIDES for line in blocks(guide) if line.startswith("ansible-playbook")]
    assert len(named) >= 10
    for line in named:
        words = shlex.split(line)
        book = (ROOT / "ansible" / words[1]).read_text()
        for variable in re.findall(r"-e (\w+)=", line):
            assert variable in book, line


@pytest.mark.parametrize(
    ("vi", "en"),
    [
        ("install.vi", "install.en"),
        ("backup.vi", "backup.en"),
        ("officer.vi", "officer.en"),
        ("technician.vi", "technician"),
    ],
)
def test_both_languages_give_the_same_commands_and_pictures(vi: str, en: str) -> None:
    both = [ROOT / f"docs/{guide}.md" for guide in (vi, en)]
    commands, others = ([line for line in blocks(guide) if not line.startswith("./dev")] for guide in both)
    assert commands == others
    pictures, others = (re.findall(r"\]\((pictures/\S+)\)", guide.read_text(encoding="utf-8")) for guide in both)
    assert pictures == others
