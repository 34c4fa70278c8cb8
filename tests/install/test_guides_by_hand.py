"""What the guides tell to type by hand: each command as it stands there, in their order, in an empty folder."""

import re
import shlex
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from edge_agent.cli import main as agent
from fleet_server.cli import main as server
from tests.counterparts.booted import ROOT
from tests.counterparts.guides import commands_in

READ = (
    "README.md",
    "docs/administrator.md",
    "docs/alerts.md",
    "docs/security.md",
    "docs/operator.md",
    "docs/technician.md",
    "docs/technician.vi.md",
)
ELSEWHERE = {
    "diemcau-server serve": "tests/counterparts/fleet.py",
    "diemcau-server move-database": "tests/fleet_server/test_databases.py",
    "diemcau-server watch": "tests/road/test_alerts.py",
    "diemcau-server minute": "tests/fleet_server/test_minutes.py",
    "diemcau-agent discover": "tests/install/test_guide_walked.py",
    "diemcau-agent enrol": "tests/trust/test_enrolment.py",
    "diemcau-agent run": "tests/trust/test_enrolment.py",
}
"""What does not end by itself, or wants a counterpart: where it is run. Each line of install is walked."""
ROOM = '[[devices]]\nid = "pc-1"\nrole = "pc"\ndriver = "pc"\n'


def told() -> Iterator[str]:
    """Commands of ours, in blocks and within sentences."""
    for name in READ:
        text = (ROOT / name).read_text(encoding="utf-8")
        prose = re.sub(r"```.*?```", "", text, flags=re.S).replace("\n", " ")
        for line in [*commands_in(text), *re.findall(r"`([^`]+)`", prose)]:
            if line.startswith(("diemcau-server ", "diemcau-agent ")):
                yield re.sub(r"\s+", " ", line)


def head_of(line: str) -> str:
    """Program and command."""
    program, *words = re.sub(r" --folder \S+", "", line).split()
    return f"{program} {words[0]}"


class Hand:
    """Types what a guide says; words that stand for something of the reader's are filled in."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.folder, self.elsewhere = folder / "server", folder / "restored"
        self.folder.mkdir()
        (folder / "pair.json").write_text('{"access_token": "a", "refresh_token": "r"}')
        (folder / "room.toml").write_text(f'folder = "{folder / "agent"}"\n{ROOM}')
        data = ROOT / "demo/data/thanh-hoa"
        self._words = {
            "/var/lib/diemcau": self.folder, "LOGIN": "lan", "ROLE": "operator", "SITE": "38-14797",
            "38-1,38-2": "38-14797", "sites.csv": data / "sites.csv", "FILE.csv": data / "sites.csv",
            "boundaries.geojson": data / "schematic.geojson", "FILE.geojson": data / "schematic.geojson",
            "room.toml": folder / "room.toml", "pair.json": folder / "pair.json",
            **{name: folder / name.lower() for name in ("FILE.zip", "FILE.html", "FILE")},
        }  # fmt: skip

    def type(self, line: str) -> int:
        """Its exit status."""
        program, *words = shlex.split(line)
        given = [str(self._words.get(word, word)) for word in words]
        if "<" in given:
            self._monkeypatch.setattr("sys.stdin", StringIO(Path(given.pop()).read_text(encoding="utf-8")))
            given.remove("<")
        if program == "diemcau-agent":
            return agent(given)
        if "--folder" not in given:
            given = ["--folder", str(self.elsewhere if "restore" in given else self.folder), *given]
        return server(given)


@pytest.fixture
def hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hand:
    given = {
        "BROKER_TLS": "1",
        "BROKER": "127.0.0.1:8884",
        "BROKER_FILES": str(tmp_path / "broker"),
        "ROOMS_BROKER": "mqtt.example.vn:8883",
        "NAMES": "mqtt.example.vn",
        "PUBLIC_URL": "https://mqtt.example.vn:8443",
        "WEB_TLS": "1",
        "ZALO_APP": "1",
        "ZALO_SECRET_FILE": str(tmp_path / "zalo.secret"),
    }
    for name, value in given.items():
        monkeypatch.setenv(f"DIEMCAU_{name}", value)
    (tmp_path / "zalo.secret").write_text("secret")
    return Hand(tmp_path, monkeypatch)


def test_every_command_of_a_guide_does_what_it_is_there_for(hand: Hand, capsys: pytest.CaptureFixture[str]) -> None:
    typed = []
    for line in dict.fromkeys(told()):
        if head_of(line) in ELSEWHERE:
            continue
        status = hand.type(line)
        said = capsys.readouterr()
        allowed = (0, 1) if "doctor" in line else (0,)  # something is left to do in a folder that is new
        assert status in allowed, f"{line}: {said.err[-500:]}"
        assert said.out or line.endswith("FILE"), f"{line}: said nothing"
        typed.append(line)
    assert len(typed) >= 18
    assert "fleet.db" in {file.name for file in hand.elsewhere.iterdir()}, "what was restored is there"


@pytest.mark.parametrize(("head", "where"), ELSEWHERE.items())
def test_what_is_run_elsewhere_is_run_there(head: str, where: str) -> None:
    assert any(head_of(line) == head for line in told()), f"no guide speaks of {head} any more"
    text = (ROOT / where).read_text(encoding="utf-8")
    assert re.search(rf'["\' ]{re.escape(head.split()[1])}["\' ]', text), f"{where} does not run {head}"
