"""room.toml: a wrong one names file, line, key and what would be right."""

from pathlib import Path

import pytest

from device_drivers import registry
from edge_agent.cli import main
from edge_agent.config import load, settings_of
from edge_agent.errors import WrongConfiguration

GOOD = """\
folder = "var"

[discovery]
every_s = 60

[[devices]]
id = "pc-1"
role = "pc"
driver = "pc"
[devices.settings]
processes = ["zoom"]

[[devices]]
id = "camera-1"
role = "camera"
driver = "camera_onvif"
poll_s = 10
[devices.settings]
host = "192.168.1.64"
username = "admin"
password = { env = "CAMERA_PASSWORD" }
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("CAMERA_PASSWORD", "from the environment")

    def make(text: str) -> Path:
        path = tmp_path / "room.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return make


def test_a_good_one_is_read_with_its_secrets(write) -> None:  # type: ignore[no-untyped-def]
    config = load(write(GOOD))
    assert config.devices[1].poll_s == 10
    assert settings_of(config.devices[1]).password == "from the environment"  # type: ignore[attr-defined]


def test_whoever_types_a_command_has_the_variables_that_systemd_gives_the_service(
    write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    path = write(GOOD)
    monkeypatch.delenv("CAMERA_PASSWORD")
    lines = ["# Written by Ansible", "", r'CAMERA_PASSWORD="a \"b\" \\ c#="', "OTHER = x y ", "; no = 1"]
    (tmp_path / "agent.env").write_text("\n".join(lines))
    assert settings_of(load(path).devices[1]).password == r'a "b" \ c#='  # type: ignore[attr-defined]
    other = write(GOOD.replace("CAMERA_PASSWORD", "OTHER"))
    assert settings_of(load(other).devices[1]).password == "x y"  # type: ignore[attr-defined]
    monkeypatch.setenv("CAMERA_PASSWORD", "set here")
    assert settings_of(load(write(GOOD)).devices[1]).password == "set here"  # type: ignore[attr-defined]
    (tmp_path / "agent.env").write_text('OTHER="no end')
    with pytest.raises(WrongConfiguration, match=r"agent\.env cannot be read"):
        load(write(GOOD.replace("CAMERA_PASSWORD", "OTHER")))


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "hint"),
    [
        ('folder = "var"', "folder = 7", 1, "folder", "Expected `str`"),
        ("every_s = 60", "every_s = 90000", 4, "discovery.every_s", "<= 86400"),
        ("every_s = 60", "evry_s = 60", 4, "discovery.evry_s", "the keys here are: every_s"),
        ("every_s = 60", 'every_s = 60\ncolour = "red"', 5, "discovery.colour", "the keys here are: every_s, area"),
        ('"var"', '{ file = "no.secret" }', 1, "folder", "cannot be read"),
        ('driver = "pc"', 'driver = "toaster"', 9, "devices[0].driver", ", ".join(sorted(registry.drivers()))),
        ('role = "camera"', 'role = "ups"', 15, "devices[1].role", "is for: camera"),
        ('id = "camera-1"', 'id = "pc-1"', 14, "devices[1].id", "two devices"),
        ("poll_s = 10", "poll_s = 0", 17, "devices[1].poll_s", ">= 1"),
        ('username = "admin"', 'user = "admin"', 20, "devices[1].settings.user", "username"),
        ('host = "192.168.1.64"', 'host = "a b"', 19, "devices[1].settings.host", "regex"),
        ("CAMERA_PASSWORD", "NO_SUCH_VARIABLE", 21, "devices[1].settings.password", "NO_SUCH_VARIABLE is not set"),
    ],
)
def test_a_wrong_one_says_where_and_what_would_be_right(  # type: ignore[no-untyped-def]
    write, old: str, new: str, line: int, key: str, hint: str
) -> None:
    path = write(GOOD.replace(old, new, 1))
    with pytest.raises(WrongConfiguration) as wrong:
        load(path)
    text = str(wrong.value)
    assert text.startswith(f"{path}, line {line}, key {key}:"), text
    assert hint in text, text


def test_a_file_that_is_none_says_so(tmp_path: Path, write) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(WrongConfiguration, match="cannot be read"):
        load(tmp_path / "nothing.toml")
    with pytest.raises(WrongConfiguration, match="line 1"):
        load(write("site = \n"))
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(WrongConfiguration, match="UTF-8"):
        load(tmp_path / "bytes.toml")


def test_a_file_is_examined_as_where_it_is_to_lie_and_no_device_is_asked(write, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    there = tmp_path / "etc"
    there.mkdir()
    (there / "camera.secret").write_text("x")
    path = write(GOOD.replace('{ env = "CAMERA_PASSWORD" }', '{ file = "camera.secret" }'))
    assert main(["check", "--config", str(path), "--as", str(there / "room.toml")]) == 0
    assert main(["check", "--config", str(path), "--as", str(path)]) == 2


def test_a_room_that_has_all_its_devices_from_the_centre_can_be_checked(write, capsys) -> None:  # type: ignore[no-untyped-def]
    assert main(["--lang", "en", "check", "--config", str(write('folder = "var"'))]) == 0
    assert "names no device" in capsys.readouterr().out
